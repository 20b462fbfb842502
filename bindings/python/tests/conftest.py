"""What the tests share: a tiny model of their own, the release, and what the command says of the same texts.

GEMVEC_TINY_MODEL is the program that writes the tiny model, GEMVEC_BIN the command. Tests marked `golden` need the
release's weights.
"""

import json
import os
import pathlib
import subprocess

import numpy as np
import pytest

import gemvec

ROOT = pathlib.Path(__file__).resolve().parents[3]
TEXTS = ["one", "", "a text of some more words", "Ünïcödé, 日本語 and 👩‍👩‍👧", "x " * 300]


def pytest_configure(config):
    config.addinivalue_line("markers", "golden: needs the release's weights")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with a tiny model of the release's width, and a cache beside it."""
    folder = tmp_path_factory.mktemp("gemvec")
    subprocess.run([os.environ["GEMVEC_TINY_MODEL"], str(folder / "model")], check=True)
    return folder


@pytest.fixture(scope="session")
def tiny(folder):
    """The arguments that load the tiny model."""
    return {"model": str(folder / "model"), "cache_dir": str(folder / "cache"), "dtype": "fp32", "threads": 2}


@pytest.fixture(scope="session")
def model(tiny):
    return gemvec.EmbeddingGemma(**tiny)


@pytest.fixture(scope="session")
def session(tiny):
    arguments = {**tiny, "path_or_bytes": tiny["model"]}
    del arguments["model"]
    return gemvec.InferenceSession(**arguments)


@pytest.fixture(scope="session")
def tokenizer(tiny):
    return gemvec.AutoTokenizer.from_pretrained(tiny["model"])


@pytest.fixture(scope="session")
def tiny_command(tiny, folder):
    """What `gemvec embed` gives for texts on the tiny model."""
    environment = {**os.environ, "GEMVEC_MODEL": tiny["model"], "GEMVEC_CACHE": str(folder / "cache")}
    return lambda texts, *arguments, **options: embed(texts, "--dtype", "fp32", *arguments, environment=environment, **options)


def embed(texts, *arguments, environment=None, width=768):
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    task = () if "--task" in arguments else ("--task", "none")
    done = subprocess.run([os.environ["GEMVEC_BIN"], "embed", *task, "--input-format", "jsonl", "--output-format", "f32",
                           *arguments], input=lines.encode(), capture_output=True, env=environment, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return np.frombuffer(done.stdout, "<f4").reshape(len(texts), width)


def same_bits(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
