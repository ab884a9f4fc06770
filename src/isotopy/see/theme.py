"""How pictures look: palette, shapes and the ink of a figure, without touching Matplotlib's global settings."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from html import escape
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from isotopy.see.files import written

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
    from matplotlib.text import Text
else:  # Matplotlib is imported when the first figure is made, so the names that only annotate stand for anything
    Axes = Figure = LinearSegmentedColormap = Text = Any


@dataclass(frozen=True)
class Theme:
    """The inks of a figure. Data colors are the same on light and dark paper; only these change."""

    ink: str  # titles, values, decision boundary
    muted: str  # axis labels, ticks
    faint: str  # spines, grid
    paper: str  # halo around text


LIGHT = Theme(ink="#1b2026", muted="#59626d", faint="#d3d9df", paper="#fefefe")
DARK = Theme(ink="#e7eaee", muted="#9aa4af", faint="#343b43", paper="#14171a")

# Okabe and Ito, in an order whose first four keep 3:1 on white and on #14171a; the others carry a dark outline.
_COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#8a8f98")
_MARKERS = ("o", "s", "^", "X", "D", "v", "P", "p")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.8)), (0, (1.2, 1.4)), (0, (6, 1.6, 1.2, 1.6)))
_OUTLINES = {4: "#8a5d00", 5: "#17628f", 6: "#7a7000"}  # dark tones of the pale hues

RAMP = ("#0c2340", "#174a7c", "#3f7cac", "#8db7d5", "#dfebf5")  # rank: dark is low, pale is high

COLLAPSE = "#c2185b"  # rank 0: 3:1 or more on both papers, and unlike every blue of the ramp in any color vision
_RANKS = (0.4, 0.95)  # of the ramp: its ends are too near to dark and to light paper for lines and surfaces

# Polytopes: quiet hues that differ in lightness too; paper shows between them.
_TINTS = ("#7fa3c0", "#cbb88a", "#97b59a", "#b79bb8", "#a9c6d6", "#d3a48f", "#8f93b8")

_SANS = "ui-sans-serif, system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"

_HALO = f"paint-order:stroke;stroke:{LIGHT.paper};stroke-width:2.6;stroke-linejoin:round"

_ROOT = f'style="stroke-linejoin:round;stroke-linecap:butt;font-family:{_SANS}"'

_theme: ContextVar[Theme] = ContextVar("isotopy_theme", default=LIGHT)


@contextlib.contextmanager
def style(*, dark: bool = False) -> Iterator[Theme]:
    """Draw on light or on dark paper inside this block.

    Figures have a transparent background, so the block decides only the ink. Nothing global changes: two threads may
    draw in two styles.

    Args:
        dark: Ink for dark paper.

    Returns:
        A context manager that yields the inks.

    Example:
        >>> with style(dark=True) as theme:
        ...     theme.paper
        '#14171a'
    """
    token = _theme.set(DARK if dark else LIGHT)
    try:
        yield _theme.get()
    finally:
        _theme.reset(token)


def theme() -> Theme:
    """The inks in force here."""
    return _theme.get()


@dataclass(frozen=True)
class ClassStyle:
    """Color, shape and dash of a class: never color alone."""

    color: str
    marker: str
    dash: Any
    edge: str | None  # a dark outline where the fill is too pale for white paper


def class_style(index: int | None) -> ClassStyle:
    """Color *and* shape of class `index`; 64 combinations, the first eight differ in both. None: all classes, in ink.

    Example:
        >>> class_style(0).color, class_style(0).marker
        ('#D55E00', 'o')
        >>> class_style(8).color, class_style(8).marker     # the color comes again, the shape does not
        ('#D55E00', 's')
    """
    if index is None:
        return ClassStyle(theme().ink, "*", "-", None)
    color = index % len(_COLORS)
    return ClassStyle(
        color=_COLORS[color],
        marker=_MARKERS[(index + index // len(_COLORS)) % len(_MARKERS)],
        dash=_DASHES[index % len(_DASHES)],
        edge=_OUTLINES.get(color),
    )


def rank_ramp() -> LinearSegmentedColormap:
    """Sequential ramp for ranks: lightness rises with the rank, so lost dimensions are dark in any color vision."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("isotopy-rank", list(RAMP))


def rank_color(rank: int, lowest: int, highest: int) -> tuple[float, float, float]:
    """Rank 0 in a color of its own, the others on the ramp: `lowest` is darkest, `highest` palest.

    Example:
        >>> rank_color(0, 1, 2) == rank_color(0, 5, 9)
        True
        >>> sum(rank_color(1, 1, 2)) < sum(rank_color(2, 1, 2))
        True
    """
    from matplotlib.colors import to_rgb

    if rank == 0:
        return to_rgb(COLLAPSE)
    place = (rank - lowest) / (highest - lowest) if highest > lowest else 1.0
    place = min(max(place, 0.0), 1.0)
    return to_rgb(rank_ramp()(_RANKS[0] + (_RANKS[1] - _RANKS[0]) * place))


def tint(index: int) -> tuple[float, float, float]:
    """Tint `index` of a map: seven hues, then darker ones.

    Example:
        >>> len({tint(k) for k in range(28)})
        28
    """
    from matplotlib.colors import to_rgb

    dark = 0.86 ** (index // len(_TINTS))
    red, green, blue = to_rgb(_TINTS[index % len(_TINTS)])
    return red * dark, green * dark, blue * dark


def text_on(rgb: tuple[float, ...]) -> str:
    """Black or white, whichever is read more easily on a color (components in [0, 1])."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#ffffff" if luminance < 0.179 else "#000000"  # equal contrast at 0.179


def new_axes(width: float | int = 3.3, height: float | int = 3.3, *, projection: str | None = None) -> Axes:
    """Axes on a fresh transparent figure (inches), made without pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    if projection is None:
        return figure.add_subplot(facecolor="none")
    return figure.add_subplot(projection=projection, facecolor="none")


def dress(ax: Axes, *, grid: str | None = None, spines: str = "lb", ticks: bool = True) -> Axes:
    """Quiet axes: thin spines on the named sides (any of "lbrt"), small ticks, an optional faint grid ("x", "y")."""
    inks = theme()
    for side in ("left", "bottom", "right", "top"):
        ax.spines[side].set_visible(side[0] in spines)
        ax.spines[side].set_color(inks.faint)
        ax.spines[side].set_linewidth(0.8)
    ax.tick_params(which="both", colors=inks.muted, labelsize=8, length=3 if ticks else 0, width=0.8, pad=3)
    ax.tick_params(which="both", color=inks.faint, labelcolor=inks.muted)
    ax.tick_params(which="minor", length=0)
    for label in (ax.xaxis.label, ax.yaxis.label):
        label.set_color(inks.muted)
        label.set_fontsize(8.5)
    ax.set_axisbelow(True)
    if grid is not None:
        ax.grid(visible=True, axis=cast(Any, grid), color=inks.faint, linewidth=0.6)
    return ax


def title(ax: Axes, text: str) -> None:
    """A title at the left, in ink."""
    ax.set_title(text, loc="left", fontsize=9.5, color=theme().ink, pad=6)


def halo(text: Text) -> Text:
    """Put paper behind the letters, so that a label stays readable on points and lines."""
    from matplotlib.patheffects import withStroke

    text.set_path_effects([withStroke(linewidth=2.6, foreground=theme().paper)])
    return text


def save(ax: Axes | Figure, path: str | Path, *, dpi: int = 160, opaque: bool = True) -> Path:
    """Write a picture; the ending decides the format (.svg adapts to light and dark by itself).

    Args:
        ax: What to write: the axes, or their figure.
        path: `.png`, `.svg`, `.pdf` or what else Matplotlib writes. The file appears whole or not at all.
        dpi: Pixels per inch of bitmaps.
        opaque: Fill the background of bitmaps with the paper of the theme in force.

    Returns:
        The path.
    """
    figure = _figure(ax)
    path = Path(path)
    ending = path.suffix.lower()
    with written(path) as beside:
        if ending == ".svg":
            beside.write_text(svg(figure, standalone=True), encoding="utf-8")
        else:
            paper = theme().paper if opaque else "none"
            figure.savefig(
                beside, format=ending[1:] or "png", dpi=dpi, facecolor=paper, metadata=_metadata(ending or ".png")
            )
    return path


def png(ax: Axes | Figure, *, dpi: int = 160) -> bytes:
    """The picture as PNG bytes on transparent ground."""
    buffer = BytesIO()
    _figure(ax).savefig(buffer, dpi=dpi, format="png", facecolor="none", metadata={"Software": "isotopy"})
    return buffer.getvalue()


def svg(ax: Axes | Figure, *, name: str = "figure", label: str = "", standalone: bool = False) -> str:
    """The picture as SVG whose inks follow the page: custom properties --ink, --muted, --faint, --paper.

    Letters stay letters (they can be searched and scale with the font of the page); every id starts with `name`, so
    that many pictures live in one page.

    Args:
        ax: What to write.
        name: Prefix of all ids.
        label: Text equivalent; with it the picture is one image to a screen reader.
        standalone: A file of its own, which carries both inks and follows the reader's color scheme.

    Returns:
        One `<svg>` element, or the text of a file when `standalone`.
    """
    found = drawing(ax, name=name)
    return found.file() if standalone else found.inline(label)


@dataclass(frozen=True)
class Drawing:
    """A picture drawn once, to be put into a page and into a file."""

    body: str  # what stands inside <svg>
    box: str  # its viewBox
    width: float  # CSS pixels
    height: float

    def inline(self, label: str = "") -> str:
        """For an HTML page, in the inks of the page; `label` is the text equivalent."""
        role = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
        body = self.body.replace("xlink:href=", "href=")
        return f"<svg {self._size} {role} {_ROOT}>{body}</svg>"

    def file(self) -> str:
        """For a file of its own: it carries both inks and follows the color scheme of its reader."""
        light, dark = ("".join(f"--{ink}:{color};" for ink, color in vars(inks).items()) for inks in (LIGHT, DARK))
        sheet = f"<style>svg{{{light}}}@media (prefers-color-scheme:dark){{svg{{{dark}}}}}</style>"
        spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        return f'<?xml version="1.0" encoding="utf-8"?>\n<svg {spaces} {self._size} {_ROOT}>{sheet}{self.body}</svg>\n'

    @property
    def _size(self) -> str:
        return f'viewBox="{self.box}" width="{self.width:.0f}" height="{self.height:.0f}"'


def drawing(ax: Axes | Figure, *, name: str = "figure") -> Drawing:
    """The picture as SVG, ready for pages and files; every id starts with `name`."""
    import matplotlib as mpl

    figure, buffer = _figure(ax), StringIO()
    with _letters_with_halo(figure), mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", facecolor="none", dpi=160, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    box = re.search(r'viewBox="([^"]*)"', text)
    assert box is not None
    start = text.index(">", text.index("<svg")) + 1
    text = text[start : text.rindex("</svg>")]
    # The style element would hold for the whole page; what it says moves to the <svg> itself.
    text = re.sub(
        r"<metadata>.*?</metadata>|<!--.*?-->|<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL
    )
    text = re.sub(r'<g id="halo[^"]*"', rf'\g<0> style="{_HALO}"', text)
    seen: Counter[str] = Counter()

    def unique(found: re.Match[str]) -> str:
        seen[found[1]] += 1
        return f'id="{name}-{found[1]}{f"-{seen[found[1]]}" if seen[found[1]] > 1 else ""}"'

    text = re.sub(r'\bid="([^"]+)"', unique, text)
    text = re.sub(r'(href=")#', rf"\1#{name}-", text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    for inks in (LIGHT, DARK):
        for ink, color in vars(inks).items():
            text = text.replace(color, f"var(--{ink}, {color})")
    # Matplotlib lists the fonts it measured with; the page has better ones of nearly the same width.
    text = re.sub(r"font-family: 'DejaVu Sans'[^;\"]*; ", "", text)
    text = re.sub(r"'DejaVu Sans'[^;\"]*sans-serif", _SANS, text)
    text = re.sub(r"\n\s*", "\n", text).strip()
    width, height = figure.get_size_inches() * 96
    return Drawing(text, box.group(1), float(width), float(height))


@contextlib.contextmanager
def _letters_with_halo(figure: Figure) -> Iterator[None]:
    """Matplotlib turns letters with path effects into outlines; for SVG mark them instead, and let the style do it."""
    from matplotlib.text import Text

    found = [(text, text.get_path_effects()) for text in figure.findobj(Text) if text.get_path_effects()]
    for number, (text, _) in enumerate(found):
        text.set_path_effects([])
        text.set_gid(f"halo{number}")
    try:
        yield
    finally:
        for text, effects in found:
            text.set_path_effects(effects)
            text.set_gid(None)


def _figure(ax: Axes | Figure) -> Figure:
    found = ax.figure if hasattr(ax, "figure") and ax.figure is not None else ax
    return cast("Figure", found)


def _metadata(suffix: str) -> dict[str, Any]:
    known: dict[str, dict[str, Any]] = {".png": {"Software": "isotopy"}, ".pdf": {"CreationDate": None}}
    return known.get(suffix, {})
