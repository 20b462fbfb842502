"""The texts that judge_formats.py compares vectors of, as ids, and which of gemvec's promises each is held to.

Whole texts are what people embed: sentences with a prompt of the model card. 30 are goldens, in some twenty languages and as
code, of 2 to 2048 tokens, 30 are of bench/data: queries, and documents of up to 2048 tokens. Pieces are what nobody would: 40
of 3 to 2048 tokens cut out of all goldens in a row, in the middle of words and sentences, across languages, without a prompt.
"""
import functools
import json
import subprocess

import numpy as np
from format_files import ROOT

BOS, EOS = 2, 1
GOLDENS, QUERIES, DOCUMENTS, PIECES = 30, 10, 20, 40
SHORT, LONGEST = 512, 2048  # tokens up to which the first of two promises holds, and all there may be
# Text 32 is near a bifurcation, and any 8 bits throw dice on it: docs/quantization.md, "Two goldens on the edge".
ON_THE_EDGE, EDGE_COSINE = 32, 0.996


@functools.cache
def goldens():
    return [case["ids"] for case in json.loads((ROOT / "tests/golden/golden.json").read_text())["cases"]]


def ids_of(gemvec, release, texts, *options):
    command = [gemvec, "tokenize", "--model", release, "--json", *options]
    done = subprocess.run(command, input="\n".join(texts).encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line)["ids"] for line in done.stdout.decode().splitlines()]


def joined(texts, lengths, prompt):
    """As many of the texts in a row as fit into the longest, for documents of growing length."""
    for i, most in enumerate(np.geomspace(60, LONGEST, DOCUMENTS).astype(int)):
        chosen, tokens = [], prompt
        for at in np.roll(np.arange(len(texts)), -i):
            if tokens + lengths[at] + 1 > most and chosen:
                break
            chosen.append(texts[at])
            tokens += lengths[at] + 1
        yield " ".join(chosen)


def whole(gemvec, release):
    found = sorted(goldens(), key=len)
    rows = [found[i] for i in np.linspace(0, len(found) - 1, GOLDENS).astype(int)]
    data = json.loads((ROOT / "bench/data/texts.json").read_text())
    rows += ids_of(gemvec, release, data["S"][:QUERIES], "--task", "retrieval-query")
    texts = sorted(data["M"], key=len)
    lengths = [len(ids) - 2 for ids in ids_of(gemvec, release, texts, "--task", "none")]
    prompt = len(ids_of(gemvec, release, ["."], "--task", "retrieval-document")[0])
    rows += ids_of(gemvec, release, joined(texts, lengths, prompt), "--task", "retrieval-document")
    return sorted(rows, key=len)


def pieces():
    stream = [id for ids in goldens() for id in ids[1:-1]]
    longest = LONGEST - 2
    lengths = np.unique(np.geomspace(1, longest, PIECES + 6).astype(int))[-PIECES:]  # the first ones round to the same
    for at, length in zip(np.linspace(0, len(stream) - longest, PIECES).astype(int), lengths, strict=True):
        yield [BOS, *stream[at : at + length], EOS]


class Texts:
    """rows: the ids. ranges: which of them each promise is for. Saved and loaded with the vectors, in fields()."""

    def __init__(self, lengths, edge, whole_text):
        self.lengths, self.edge, self.whole = lengths, edge, whole_text
        self.short = lengths <= SHORT
        self.ranges = {"to 512": whole_text & self.short & ~edge, "above": whole_text & ~self.short, "edge": edge,
                       "pieces": ~whole_text & self.short, "above, pieces": ~whole_text & ~self.short}  # fmt: skip

    @classmethod
    def of(cls, gemvec, release, with_pieces):
        texts, cut = whole(gemvec, release), list(pieces()) if with_pieces else []
        if goldens()[ON_THE_EDGE] not in texts:
            texts.append(goldens()[ON_THE_EDGE])
        rows = texts + cut
        edge = np.array([row == goldens()[ON_THE_EDGE] for row in rows])
        made = cls(np.array([len(row) for row in rows]), edge, np.arange(len(rows)) < len(texts))
        made.rows = rows
        return made

    @classmethod
    def load(cls, found):
        return cls(found["lengths"], found["edge"], found["whole"])

    def fields(self):
        return {"lengths": self.lengths, "edge": self.edge, "whole": self.whole}

    def gates(self, short, long):
        """The least cosine of each range."""
        return dict(zip(self.ranges, (short, long, min(short, EDGE_COSINE), short, long), strict=True))
