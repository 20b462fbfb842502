"""One loaded model: how it is found, loaded, pickled, and what becomes of it in a forked child."""

import logging
import operator
import os
import threading

from . import _gemvec
from ._errors import InvalidArgument

LOGGER = logging.getLogger("gemvec")

# gemvec_dtype and gemvec_compute of the C API.
DTYPES = {None: 0, "fp32": 1, "float32": 1, "bf16": 2, "bfloat16": 2, "q8": 3, "q4": 4, "mixed": 5}
COMPUTES = {"native": 0, "fp32": 1}
VECTORS, TOKENS = 1, 2  # GEMVEC_OUTPUT_...
LOG_LEVELS = (logging.INFO, logging.WARNING)  # by gemvec_log_level


def choose(name, value, known):
    """`known[value]`, or an exception that lists what there is."""
    try:
        return known[value]
    except (KeyError, TypeError):
        names = ", ".join(str(key) for key in known if key is not None)
        raise InvalidArgument(f"{name} {value!r}: expected one of {names}") from None


def whole_number(name, value, least, most):
    """`value` as an int within bounds, both included; TypeError for what is none, ValueError for the rest."""
    if isinstance(value, bool):
        raise TypeError(f"{name}: expected a whole number, got bool")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected a whole number, got {type(value).__name__}") from None
    if not least <= number <= most:
        raise InvalidArgument(f"{name} {number}: expected {least} to {most}")
    return number


def path_of(model):
    """The file or folder that a user means: a path, a name on the hub, or None for the release."""
    if model is not None:
        try:
            model = os.fspath(model)
        except TypeError:
            raise TypeError(f"model: expected a path or None, got {type(model).__name__}") from None
        if isinstance(model, bytes):
            model = os.fsdecode(model)
        if "\0" in model:
            raise InvalidArgument("model: a path has no zero byte")
    return _gemvec.find_model(os.path.expanduser(model) if model else None)


def log(level, message):
    LOGGER.log(LOG_LEVELS[level], "%s", message)


class Session:
    """A model and the arguments it was loaded with. Safe to use from many threads.

    Pickling carries the arguments; unpickling loads again. So does a forked child on first use, because threads do not
    survive a fork: either takes milliseconds, since packed weights are mapped from the cache.
    """

    def __init__(self, model, dtype, compute, threads, exact=False, allow_headless=False, cache_dir=None,
                 use_cache=True, self_check=True, max_memory=0):
        self._arguments = {
            "path": path_of(model),
            "dtype": choose("dtype", dtype, DTYPES),
            "compute": choose("compute", compute, COMPUTES),
            "threads": 0 if threads is None else whole_number("threads", threads, 1, 1024),
            "exact": bool(exact),
            "allow_headless": bool(allow_headless),
            "cache_dir": None if cache_dir is None else os.fspath(cache_dir),
            "use_cache": bool(use_cache),
            "self_check": bool(self_check),
            "max_memory": whole_number("max_memory", max_memory, 0, 2**63 - 1),
        }
        self._load()

    def _load(self):
        self._lock = threading.Lock()
        self._model = _gemvec.Model(**self._arguments, log=log)
        self._process = os.getpid()

    @property
    def native(self):
        """The loaded model, in this process."""
        if self._process != os.getpid():
            if self._model is not None and self._model.closed:
                return self._model
            self._load()
        return self._model

    @property
    def path(self):
        return self._arguments["path"]

    @property
    def cache_dir(self):
        """Of a tokenizer that loads again: None is the user's, "" is none."""
        return self._arguments["cache_dir"] if self._arguments["use_cache"] else ""

    def close(self):
        """Frees the model when the calls that run have ended. Later calls raise ValueError."""
        self._model.close()

    def __getstate__(self):
        return {"arguments": self._arguments, "closed": self._model.closed}

    def __setstate__(self, state):
        self._arguments = state["arguments"]
        self._load()
        if state["closed"]:
            self.close()
