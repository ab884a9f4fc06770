"""Doctests of the package see the same run-time checks as the tests."""

import jaxtyping

jaxtyping.install_import_hook("isotopy", "beartype.beartype")
