"""Doctests of the package and tests see the same run-time checks of shapes and types."""

import jaxtyping

jaxtyping.install_import_hook("isotopy", "typecheck.check")
