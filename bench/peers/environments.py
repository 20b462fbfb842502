"""The peers' own Python environments, with every version pinned, in the user's cache folder."""
import hashlib
import os
import shutil
import subprocess
import sys

from lib.paths import REQUIREMENTS, cache

NAMES = ("bench", "onnx", "openvino", "gguf", "llama", "torch")
# llama.cpp is compiled here, for this processor; a prebuilt one would be slower than it can be.
LLAMA_CMAKE = "-DGGML_NATIVE=ON -DGGML_OPENMP=ON"


def folder(name):
    return cache() / "environments" / name


def python(name):
    return folder(name) / "bin" / "python"


def stamp(name):
    """What an environment was made from; another Python, list or processor makes it anew."""
    text = (REQUIREMENTS / f"{name}.txt").read_text() + sys.version
    if name == "llama":
        text += LLAMA_CMAKE + processor()
    return hashlib.sha256(text.encode()).hexdigest()


def processor():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        return next((line for line in file if line.startswith("flags")), "")


def is_ready(name):
    file = folder(name) / "stamp"
    return file.exists() and file.read_text() == stamp(name)


def install(name, say):
    """Returns None, or why the environment cannot be had: then the engines in it are reported as missing."""
    if is_ready(name):
        return None
    say(f"installing the environment {name}" + (" (compiles llama.cpp: some minutes)" if name == "llama" else ""))
    target = folder(name)
    shutil.rmtree(target, ignore_errors=True)
    log = cache() / "log" / f"environment-{name}.txt"
    log.parent.mkdir(exist_ok=True)
    steps = [
        [sys.executable, "-m", "venv", str(target)],
        [str(python(name)), "-m", "pip", "install", "--no-deps", "-r", str(REQUIREMENTS / f"{name}.txt")],
    ]
    if name == "llama":
        steps[1][4:4] = ["--no-binary", "llama_cpp_python"]
    environment = dict(os.environ, CMAKE_ARGS=LLAMA_CMAKE, CMAKE_BUILD_PARALLEL_LEVEL=str(os.cpu_count()))
    with open(log, "w", encoding="utf-8") as file:
        for step in steps:
            if subprocess.run(step, env=environment, stdout=file, stderr=subprocess.STDOUT, check=False).returncode != 0:
                return f"its environment could not be installed: see {log.name} in the cache's log folder"
    (target / "stamp").write_text(stamp(name))
    return None
