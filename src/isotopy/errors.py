"""The few exceptions that a caller can act on; every other mistake is a ValueError or a TypeError."""


class IsotopyError(Exception):
    """Base of the exceptions below."""


class BudgetError(IsotopyError, MemoryError):
    """A request needs more memory than allowed; the message gives the estimate and what would fit."""


class UnsupportedModuleError(IsotopyError, TypeError):
    """A network contains an operation that has no exact description; the message names the node and what would work."""


class UnsafeFileError(IsotopyError, ValueError):
    """A file carries code, or data that only unpickling could read; nothing of it was executed."""
