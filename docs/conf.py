"""Sphinx configuration; `make docs` builds docs/_build/html."""

import dataclasses
import inspect
import os
import re
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small networks: one thread is the fastest
warnings.filterwarnings("ignore", category=DeprecationWarning)

from isotopy import __version__

project = "isotopy"
author = "The isotopy developers"
copyright = "The isotopy developers"
release = version = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
nitpicky = False

# --- pages: Markdown, code cells executed at every build

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True
nb_execution_show_tb = True

# --- reference: from the docstrings

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Fields", "params_style"), ("Source", "notes_style"), ("Sources", "notes_style")]

HEADS = ("Args:", "Attributes:")

html_theme = "furo"
html_title = f"isotopy {version}"
html_static_path = ["_static"]
html_css_files = ["isotopy.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "github-dark"


def readable(app, what, name, obj, options, signature, returns):
    """Shapes as they are written in the source: Float[Tensor, "n d"] without the modules it comes from."""

    def short(text):
        if text is None:
            return None
        text = re.sub(r"<class '([^']*)'>", r"\1", text)
        text = re.sub(
            r"\b(jaxtyping|torch\.export\.exported_program|torch\.export|torch\.nn\.modules\.module)\.", "", text
        )
        text = re.sub(r"\btorch\.nn\.Module\b", "nn.Module", text)
        text = re.sub(r"\btorch\._C\.Generator\b|\btorch\.Generator\b", "Generator", text)
        text = re.sub(r"\btorch\.Tensor\b", "Tensor", text)
        text = re.sub(r"\b(?:pathlib\._local\.|pathlib\.)Path\b", "Path", text)
        text = re.sub(r"\b(?:collections\.abc|typing|numpy|matplotlib\.axes|matplotlib\.figure)\.", "", text)
        text = re.sub(r"\[([^\[\]']*), '([^']*)'\]", r'[\1, "\2"]', text)
        text = text.replace("~", "").replace("<factory>", "...")
        return re.sub(r"\bisotopy\.(?:\w+\.)+(?=[A-Z])", "", text)

    return short(signature), short(returns)


def fields(app, what, name, obj, options, lines):
    """Fields of a dataclass with the comments that stand behind them in the source."""
    if what != "class" or not dataclasses.is_dataclass(obj) or any(line.strip() in HEADS for line in lines):
        return
    found = re.findall(r"^    (\w+): [^#\n]*?  # (?!noqa|type:)(.*)$", inspect.getsource(obj), re.MULTILINE)
    if found:
        lines += ["", "Fields:", *(f"    {field}: {comment}" for field, comment in found), ""]


def plain(app, what, name, obj, options, lines):
    """Docstrings are written to be read as text: outside code, |x| is an absolute value."""
    for k, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            parts = line.split("`")
            lines[k] = "`".join(part.replace("|", "\\|") if i % 2 == 0 else part for i, part in enumerate(parts))


def setup(app):
    app.connect("autodoc-process-signature", readable)
    app.connect("autodoc-process-docstring", fields, priority=300)
    app.connect("autodoc-process-docstring", plain, priority=400)
    return {"parallel_read_safe": True}
