"""Exceptions of gemvec. Each is also the built-in exception that such a mistake raises elsewhere."""


class Error(Exception):
    """What all exceptions of gemvec's own have in common."""


class InvalidArgument(Error, ValueError):
    """An argument that does not exist: a task, a dimension, an id outside the table. The message names it."""


class ModelNotFound(Error, FileNotFoundError):
    """There is no model at the path; the message says where it was looked for and what to do."""


class ModelUnreadable(Error, OSError):
    """The operating system refused to read a file of the model."""


class BadModel(Error, ValueError):
    """A file is damaged or not what it claims to be; the message names file, field and what was expected."""


class Unsupported(Error, RuntimeError):
    """Valid, but not something that this machine or process can do."""


class TextTooLong(Error, ValueError):
    """A text is longer than the limit, and truncation was not asked for."""


class Internal(Error, RuntimeError):
    """A bug in gemvec: please report it."""


# By the names that gemvec_status_name() gives.
_BY_STATUS = {
    "invalid argument": InvalidArgument,
    "not found": ModelNotFound,
    "input or output": ModelUnreadable,
    "bad format": BadModel,
    "unsupported": Unsupported,
    "too long": TextTooLong,
    "out of memory": MemoryError,
}


def of_status(status, message):
    """The exception for a status of the C API. Called from the native module."""
    return _BY_STATUS.get(status, Internal)(message)
