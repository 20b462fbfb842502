"""What is in the package: small, typed, and nothing that it does not need."""

import ast
import importlib.metadata
import inspect
import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

import gemvec

PACKAGE = pathlib.Path(gemvec.__file__).parent
MOST_BYTES = 15_000_000  # of the wheel, without the model


def test_the_wheel_is_small():
    wheels = list(pathlib.Path(os.environ["GEMVEC_WHEELS"]).glob("gemvec-*.whl"))
    assert len(wheels) == 1
    assert wheels[0].stat().st_size < MOST_BYTES
    names = zipfile.ZipFile(wheels[0]).namelist()
    assert "gemvec/py.typed" in names and any(name.startswith("gemvec/_gemvec.") for name in names)
    assert {"LICENSE", "NOTICE"} <= {name.rpartition("/")[2] for name in names}
    if sys.version_info >= (3, 12):
        assert "-cp312-abi3-" in wheels[0].name  # one wheel for all later versions


def test_the_package_has_the_librarys_version():
    assert importlib.metadata.version("gemvec") == gemvec.__version__


def test_a_script_may_end_with_a_model_loaded(tiny):
    program = "import sys, gemvec; m = gemvec.EmbeddingGemma(sys.argv[1], cache_dir=sys.argv[2], self_check=False); m.encode('x')"
    done = subprocess.run([sys.executable, "-c", program, tiny["model"], tiny["cache_dir"]], capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_needs_numpy_alone():
    program = "import sys, gemvec; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    for heavy in ("torch", "transformers", "tqdm", "langchain_core", "llama_index", "haystack", "chromadb", "mteb"):
        assert repr(heavy) not in done.stdout


def test_the_native_module_exports_its_entry_alone():
    library = next(PACKAGE.glob("_gemvec.*"))
    listing = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    names = [line.split()[-1] for line in listing.splitlines()]
    assert "PyInit__gemvec" in names
    assert not [name for name in names if name.startswith("gemvec_") or "gemvec" in name and name.startswith("_Z")]


def functions_of(tree):
    """{"Class.method": its arguments' names} of a module's public functions and classes."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, ast.FunctionDef):
                    found.setdefault(f"{node.name}.{item.name}", item.args)
        elif isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, node.args)
    return {name: [a.arg for a in args.posonlyargs + args.args + args.kwonlyargs] for name, args in found.items()}


def test_stubs_say_what_there_is():
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    typed = {node.name for node in stub.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    assert typed >= set(gemvec.__all__)
    for name, arguments in functions_of(stub).items():
        owner, _, method = name.partition(".")
        target = inspect.getattr_static(getattr(gemvec, owner), method) if method else getattr(gemvec, owner)
        if method.startswith("__") and method != "__init__" or isinstance(target, (property, int)):
            continue
        target = getattr(target, "__func__", target)
        assert arguments == [p.name for p in inspect.signature(target).parameters.values()
                             if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)], name  # fmt: skip


@pytest.mark.parametrize("name", gemvec.__all__)
def test_everything_public_has_a_docstring(name):
    assert getattr(gemvec, name).__doc__
