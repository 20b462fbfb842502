# The command and the model that the tests from outside run it on.

import atexit
import os
import shutil
import signal
import subprocess
import tempfile

BIN = os.environ["GEMVEC_BIN"]
SANITIZED = bool(os.environ.get("GEMVEC_SANITIZE"))

# Whoever runs the tests in the background may ignore Ctrl-C, and the command would go on ignoring it, as it should.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_state = {}


def tiny_model():
    """A model folder, made once a program: environment variables that make the command use it."""
    if "tiny" not in _state:
        folder = tempfile.mkdtemp(prefix="gemvec-cli-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        subprocess.run([os.environ["GEMVEC_TINY_MODEL"], f"{folder}/model"], check=True)
        _state["tiny"] = {"GEMVEC_MODEL": f"{folder}/model", "GEMVEC_CACHE": f"{folder}/cache"}
    return _state["tiny"]


def environment(extra=None):
    variables = dict(os.environ, **(tiny_model() if "GEMVEC_TINY_MODEL" in os.environ else {}))
    variables.update(extra or {})
    return {name: value for name, value in variables.items() if value is not None}
