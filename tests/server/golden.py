# What the tests with real clients share: a server on the release's weights in fp32, and the vectors it must give.

import base64
import json
import os
import pathlib

import numpy
from harness import Server, ServerTest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = "embeddinggemma"
ARGUMENTS = ("--dtype", "fp32", "--served-model-name", MODEL)
QUERY, DOCUMENT = "task: search result | query: ", "title: none | text: "
# Elements of unit vectors, in fp32: roundings of sums in another order than the reference's (docs/numerics.md).
TOLERANCE = 1e-5


def load():
    """text with its prompt -> (vector, number of tokens), of the release's golden texts."""
    cases = json.loads((ROOT / "tests" / "golden" / "golden.json").read_text(encoding="utf-8"))["cases"]
    return {case["text"]: (numpy.frombuffer(base64.b64decode(case["fp32"]), "<f4"), case["tokens"], case["ids"])
            for case in cases}  # fmt: skip


GOLDEN = load()
# Whole texts, to be embedded as they are; a sample of scripts and lengths.
TEXTS = [text for text in GOLDEN if text.strip()][::5][:12]
QUERIES = [text.removeprefix(QUERY) for text in GOLDEN if text.startswith(QUERY)]
DOCUMENTS = [text.removeprefix(DOCUMENT) for text in GOLDEN if text.startswith(DOCUMENT)][:4]


def vectors(texts, prompt="", dimensions=768):
    rows = numpy.stack([GOLDEN[prompt + text][0] for text in texts]).astype(numpy.float64)[:, :dimensions]
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def tokens(texts, prompt=""):
    return sum(GOLDEN[prompt + text][1] for text in texts)


def ids(text):
    return GOLDEN[text][2]


class Elsewhere:
    """A server that somebody else has started and will stop."""

    def __init__(self, url):
        self.url = url

    def log(self):
        return "(the log is with who started the server)"

    def stop(self):
        return 0

    def close(self):
        pass


class GoldenTest(ServerTest):
    """Uses the server at GEMVEC_SERVER_URL if there is one, else starts its own."""

    @classmethod
    def setUpClass(cls):
        os.environ.setdefault("NO_PROXY", "127.0.0.1,localhost")
        url = os.environ.get("GEMVEC_SERVER_URL")
        cls.server = Elsewhere(url) if url else Server(*ARGUMENTS)
        cls.addClassCleanup(cls.server.close)
        cls.url = cls.server.url

    def assertVectors(self, got, expected):
        self.assertNear(got, expected, TOLERANCE)
