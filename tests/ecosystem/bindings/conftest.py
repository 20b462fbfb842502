# What the tests of the Python package with other people's packages share: the release in fp32, and a few texts.

import os

os.environ.update(ANONYMIZED_TELEMETRY="False", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false",
                  HAYSTACK_TELEMETRY_ENABLED="False")  # fmt: skip

import numpy as np
import pytest

import gemvec

QUERIES = ["Which planet is known as the Red Planet?", "How long is a day on Venus?", "Who wrote about rings?"]
DOCUMENTS = [
    "Venus is often called Earth's twin; a day on it lasts longer than its year.",
    "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
    "Jupiter, the largest planet, has a prominent red spot.",
    "Galileo wrote in 1610 that Saturn had ears, which were its rings.",
    "",
    "Kurze Tage, lange Nächte: 冬の空 and 🪐.",
]
BEST = [1, 0, 3]  # the document that answers each query


@pytest.fixture(scope="session")
def model():
    return gemvec.EmbeddingGemma(dtype="fp32")


def close(a, b, tolerance=1e-6):
    return np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).max() <= tolerance
