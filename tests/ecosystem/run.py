# Starts the server and lets every client at it; the last line says how many checks passed and failed.
"""Usage: run.py --node FOLDER --output FOLDER --bindings PYTHON [--only WORD ...]

FOLDER of --node holds node_modules; PYTHON has the package gemvec and what it is tested with.
GEMVEC_BIN names the program, as for tests/server. scripts/test-ecosystem makes all this ready and calls it.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.pop("GEMVEC_TINY_MODEL", None)  # the release is what everybody is to get
sys.path[:0] = [str(ROOT / "tests" / "server"), str(ROOT / "tests" / "ecosystem")]

import golden  # noqa: E402
import harness  # noqa: E402

# A dense model refuses everything on these routes with 424, which is their contract.
SCHEMATHESIS_SETTINGS = f"""
hooks = {json.dumps(str(ROOT / "tests" / "ecosystem" / "schemathesis_hooks.py"))}

[[operations]]
include-path = ["/rerank", "/predict", "/embed_sparse"]
checks.positive_data_acceptance.expected-statuses = ["424"]
checks.negative_data_rejection.expected-statuses = ["400", "415", "422", "424"]
"""
# What schemathesis generates is the same at every run.
SCHEMATHESIS = ("--phases", "examples,coverage,fuzzing", "--max-examples", "50", "--generation-deterministic",
                "--continue-on-failure", "--no-color")  # fmt: skip
TIMEOUT_S = 1800


def run(command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=TIMEOUT_S, check=False, **options)  # fmt: skip
    print(done.stdout)
    return done


def python_clients(url, _):
    """openai, huggingface_hub, ollama; LangChain, LlamaIndex, Cohere, Chroma: (passed, failed)."""
    os.environ["GEMVEC_SERVER_URL"] = url
    names = ["test_clients", "test_frameworks"]
    result = unittest.TextTestRunner(sys.stdout, verbosity=2).run(unittest.defaultTestLoader.loadTestsFromNames(names))
    failed = len(result.failures) + len(result.errors)
    return max(result.testsRun - failed, 0), failed


def node_clients(url, options):
    """openai, @huggingface/inference and ollama of npm."""
    texts = golden.TEXTS
    golden_path = options.output / "golden.json"
    golden_path.write_text(json.dumps({
        "model": golden.MODEL, "texts": texts, "vectors": golden.vectors(texts).tolist(), "queries": golden.QUERIES,
        "queryVectors": golden.vectors(golden.QUERIES, golden.QUERY).tolist(),
    }))  # fmt: skip
    return node_tests("clients.js", options, GEMVEC_SERVER_URL=url, GEMVEC_GOLDEN=str(golden_path))


def node_package(_, options):
    """bindings/node: built by one command, packed, installed where there is no compiler, and its types."""
    return node_tests("node_package.js", options, GEMVEC_ROOT=str(ROOT))


def node_tests(name, options, **environment):
    script = options.node / name  # beside node_modules: that is where Node looks for packages
    shutil.copyfile(ROOT / "tests" / "ecosystem" / name, script)
    done = run(["node", "--test", "--test-reporter=tap", script], cwd=options.node, env=dict(os.environ, **environment))
    passed, failed = (int(re.search(rf"^# {word} (\d+)$", done.stdout, re.M).group(1)) for word in ("pass", "fail"))
    return passed, failed or int(done.returncode != 0)


def schemathesis(_, options):
    """Requests made up from the server's own description of itself, on a server of its own in its default numbers: how many
    operations answered as they say."""
    settings = options.output / "schemathesis.toml"
    settings.write_text(SCHEMATHESIS_SETTINGS)
    server = harness.Server("--served-model-name", golden.MODEL)
    try:
        program = pathlib.Path(sys.executable).parent / "schemathesis"
        where = options.openapi or f"{server.url}/api-doc/openapi.json"
        done = run([program, "--config-file", settings, "run", where, "--url", server.url, *SCHEMATHESIS],
                   cwd=options.output)  # fmt: skip
        alive = server.get("/health").status == 200 and server.stop() == 0
    finally:
        server.close()
    # All its checks are on by themselves; that all operations were tried is not said by its exit code.
    counts = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", done.stdout)
    every = counts is not None and len(set(counts.groups())) == 1
    if not every:
        print("not every operation of the document was tested")
    return (int(counts.group(3)), 0) if done.returncode == 0 and alive and every else (0, 1)


def page(url, options):
    """The page at / in headless Chromium."""
    done = run([sys.executable, "-B", ROOT / "tests" / "page" / "run.py", url, options.output / "page.png"])
    return len(re.findall("^ok: ", done.stdout, re.M)), int(done.returncode != 0)


def bindings(_, options):
    """The Python package beside sentence-transformers, mteb and the frameworks."""
    done = run([options.bindings, "-B", "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rA", "--color=no",
                ROOT / "tests" / "ecosystem" / "bindings"])  # fmt: skip
    passed, failed = (len(re.findall(rf"^{word} ", done.stdout, re.M)) for word in ("PASSED", "(?:FAILED|ERROR)"))
    return passed, failed or int(done.returncode != 0)


SUITES = {"python": python_clients, "node": node_clients, "node-package": node_package, "schemathesis": schemathesis,
          "page": page, "bindings": bindings}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--node", type=pathlib.Path, required=True)
    parser.add_argument("--bindings", type=pathlib.Path, help="for the suite of that name")
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--openapi", type=pathlib.Path, help="for schemathesis, instead of the server's own document")
    parser.add_argument("--only", nargs="+", choices=list(SUITES), default=list(SUITES))
    options = parser.parse_args()
    options.node, options.output = options.node.resolve(), options.output.resolve()
    options.openapi = options.openapi and options.openapi.resolve()
    options.output.mkdir(parents=True, exist_ok=True)
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    server = harness.Server(*golden.ARGUMENTS)
    passed = failed = 0
    try:
        for name in options.only:
            print(f"== {name}", flush=True)
            try:
                good, bad = SUITES[name](server.url, options)
            except Exception as error:  # one suite that cannot run must not hide the others
                print(f"{name}: {type(error).__name__}: {error}")
                good, bad = 0, 1
            print(f"== {name}: {good} passed, {bad} failed", flush=True)
            passed, failed = passed + good, failed + bad
        if server.stop() != 0:
            print(f"the server ended with {server.process.returncode}\n{server.log()[-6000:]}")
            failed += 1
    finally:
        server.close()
    print(f"test-ecosystem: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
