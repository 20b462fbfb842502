"""The peers' model files, made from the safetensors folder once and kept in the cache."""
import hashlib
import subprocess

from lib.paths import BENCH, REQUIREMENTS, cache
from peers.environments import python


class Recipe:
    """A script that makes files; `arguments` may name {model} and the folder {models}."""

    def __init__(self, name, environment, script, arguments, outputs, extra=()):
        self.name, self.environment, self.script = name, environment, BENCH / script
        self.arguments, self.outputs, self.extra = arguments, outputs, extra


RECIPES = [
    Recipe(
        f"{kind}.onnx", "onnx", "make_onnx.py", ["{model}", f"{{models}}/{kind}.onnx", *options], [f"{kind}.onnx"]
    )
    for kind, options in (("fused", []), ("plain", ["--plain"]))
]
RECIPES += [
    Recipe(
        f"{kind}-q8.onnx and {kind}-q4.onnx", "onnx", "peers/models/quantise_onnx.py",
        [f"{{models}}/{kind}.onnx", f"{{models}}/{kind}-q8.onnx", f"{{models}}/{kind}-q4.onnx"],
        [f"{kind}-q8.onnx", f"{kind}-q4.onnx"], extra=["make_onnx.py"],
    )  # fmt: skip
    for kind in ("fused", "plain")
]
RECIPES += [
    Recipe(
        "OpenVINO files", "openvino", "peers/models/make_openvino.py",
        ["{models}/plain.onnx", "{models}/openvino-fp32.xml", "{models}/openvino-int8.xml"],
        ["openvino-fp32.xml", "openvino-int8.xml"], extra=["make_onnx.py"],
    ),
    Recipe(
        "GGUF files", "gguf", "peers/models/make_gguf.py",
        ["{model}", "{models}/bf16.gguf", "{models}/q8_0.gguf", "{models}/q4_0.gguf"],
        ["bf16.gguf", "q8_0.gguf", "q4_0.gguf"],
    ),
]  # fmt: skip


def models(model):
    """The folder for files made of this model: another model has another one."""
    size = (model / "model.safetensors").stat().st_size
    key = hashlib.sha256(f"{model.resolve()} {size}".encode()).hexdigest()[:8]
    return cache() / "models" / key


def stamp(recipe):
    parts = [recipe.script.read_bytes(), (REQUIREMENTS / f"{recipe.environment}.txt").read_bytes()]
    parts += [(BENCH / name).read_bytes() for name in recipe.extra]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def is_done(recipe, folder):
    mark = folder / (recipe.outputs[0] + ".stamp")
    return mark.exists() and mark.read_text() == stamp(recipe) and all((folder / f).exists() for f in recipe.outputs)


def make(recipe, model, say):
    """Returns None, or why the files cannot be had."""
    folder = models(model)
    folder.mkdir(parents=True, exist_ok=True)
    if is_done(recipe, folder):
        return None
    say(f"making {recipe.name}")
    for name in recipe.outputs:
        for old in folder.glob(name + "*"):
            old.unlink()
    command = [str(python(recipe.environment)), "-B", str(recipe.script)]
    command += [a.format(model=model, models=folder) for a in recipe.arguments]
    log = cache() / "log" / f"make-{recipe.outputs[0]}.txt"
    log.parent.mkdir(exist_ok=True)
    with open(log, "w", encoding="utf-8") as file:
        if subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, cwd=folder, check=False).returncode != 0:
            return f"its model file could not be made: see {log.name} in the cache's log folder"
    (folder / (recipe.outputs[0] + ".stamp")).write_text(stamp(recipe))
    return None


def is_needed(recipe, engines, folder=None):
    """Whether the engines want what the recipe makes, or another recipe needs it to make that, and has not done so yet."""
    wanted = {s["file"].rpartition("/")[2] for e in engines for s in e.variants if "file" in s}
    if wanted & set(recipe.outputs):
        return True
    users = [r for r in RECIPES if r is not recipe and wanted & set(r.outputs) and not (folder and is_done(r, folder))]
    return any(f"{{models}}/{output}" in r.arguments for r in users for output in recipe.outputs)
