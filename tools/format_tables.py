#!/usr/bin/env python3
"""The tables of docs/formats/accuracy.md, of the vectors that judge_formats.py --keep FOLDER left.

    build/venv/bin/python3 tools/format_tables.py FOLDER

Three tables: --exact; q8 and q4 over whole texts, and how many are below the promise; and over pieces, where there are any.
"""
import argparse
import pathlib

import numpy as np
from format_files import KINDS
from judge_formats import FAST, RELEASE, SOME, cosines
from judge_texts import Texts


class Results:
    def __init__(self, folder):
        self.kinds = {kind: np.load(folder / f"{kind}.npz") for kind in KINDS if (folder / f"{kind}.npz").exists()}

    def texts(self, kind):
        return Texts.load(self.kinds[kind])

    def away(self, kind, dtype):
        """1 - cosine of each text to the judge of this file."""
        found = self.kinds[kind]
        return 1 - cosines(found[dtype], found["expected"])

    def below(self, kind, dtype):
        """Which texts, the one on the edge left out, are below the promise."""
        short, long = FAST[dtype]
        texts = self.texts(kind)
        return (self.away(kind, dtype) > 1 - np.where(texts.short, short, long)) & ~texts.edge

    def with_type(self, dtype):
        return [kind for kind in self.kinds if dtype in self.kinds[kind]]


def line(*cells):
    print("| " + " | ".join(map(str, cells)) + " |")


def head(*cells):
    print()
    line(*cells)
    line(*["---"] * len(cells))


def exact(results):
    head("file", "1 - cosine, worst of whole texts", "difference of an element", "... and of golden 32")
    for kind, found in results.kinds.items():
        if np.array_equal(found["exact"], found["expected"]):  # judged by itself: --fast-only
            continue
        texts = results.texts(kind)
        chosen = texts.whole & ~texts.edge
        away, apart = results.away(kind, "exact"), np.abs(found["exact"] - found["expected"]).max(1)
        line(kind, f"{away[chosen].max():.1e}", f"{apart[chosen].max():.1e}",
             f"{away[texts.edge].max():.1e}, {apart[texts.edge].max():.1e}")  # fmt: skip


def worst(results, kind, dtype, range_name):
    texts = results.texts(kind)
    chosen = texts.ranges[range_name]
    if not chosen.any():
        return ""
    away = np.where(chosen, results.away(kind, dtype), -1)
    below = (results.below(kind, dtype) & chosen).sum()
    return f"{away.max():.1e} ({texts.lengths[away.argmax()]} tokens), {below} of {chosen.sum()}"


def fast(results):
    head("file", "type", "to 512 tokens: middle", "worst, below", "above: worst, below", "golden 32", "a folder's bits")
    for dtype in FAST:
        for kind in results.with_type(dtype):
            found, texts = results.kinds[kind], results.texts(kind)
            same = "itself"
            if kind != RELEASE:
                same = "yes" if np.array_equal(found[dtype][::SOME], found[f"{dtype} folder"]) else "no"
            away = results.away(kind, dtype)
            worsts = (worst(results, kind, dtype, name) for name in ("to 512", "above"))
            line(kind, dtype, f"{np.median(away[texts.ranges['to 512']]):.1e}", *worsts, f"{away[texts.edge][0]:.1e}", same)


def pieces(results):
    head("file", "type", "pieces to 512 tokens: worst, below", "above: worst, below", "tokens of those below")
    for dtype in FAST:
        for kind in results.with_type(dtype):
            texts = results.texts(kind)
            if texts.whole.all():
                continue
            below = texts.lengths[results.below(kind, dtype) & ~texts.whole]
            line(kind, dtype, *(worst(results, kind, dtype, name) for name in ("pieces", "above, pieces")),
                 ", ".join(map(str, below)))  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    results = Results(parser.parse_args().folder)
    exact(results)
    fast(results)
    pieces(results)


if __name__ == "__main__":
    main()
