#!/usr/bin/env python3
"""The tables of docs/formats/accuracy.md, of the vectors that judge_formats.py --keep FOLDER left.

    build/venv/bin/python3 tools/format_tables.py FOLDER

Three tables: --exact; q8 and q4, each file's texts below the promise beside those of the release itself; and which texts
these are, in how many of the files, and how far rounding the release's weights to bf16 alone moves them.
"""
import argparse
import pathlib

import numpy as np
from format_files import KINDS
from judge_formats import FAST, RELEASE, cosines
from judge_texts import Texts

ROUNDED = "safetensors bf16"


class Results:
    def __init__(self, folder):
        self.kinds = {kind: np.load(folder / f"{kind}.npz") for kind in KINDS if (folder / f"{kind}.npz").exists()}
        self.texts = Texts.load(self.kinds[RELEASE])

    def away(self, kind, dtype):
        """1 - cosine of each text to the judge of this file."""
        found = self.kinds[kind]
        return 1 - cosines(found[dtype], found["expected"])

    def below(self, kind, dtype):
        """Which texts, the one on the edge left out, are below the promise."""
        short, long = FAST[dtype]
        return (self.away(kind, dtype) > 1 - np.where(self.texts.short, short, long)) & ~self.texts.edge

    def with_type(self, dtype):
        return [kind for kind in self.kinds if dtype in self.kinds[kind]]


def line(*cells):
    print("| " + " | ".join(map(str, cells)) + " |")


def head(*cells):
    print()
    line(*cells)
    line(*["---"] * len(cells))


def exact(results):
    head("file", "1 - cosine, worst of whole texts", "of pieces", "difference of an element", "... and golden 32")
    texts = results.texts
    for kind, found in results.kinds.items():
        if np.array_equal(found["exact"], found["expected"]):  # judged by itself: --fast-only
            continue
        away, apart = results.away(kind, "exact"), np.abs(found["exact"] - found["expected"]).max(1)
        line(kind, f"{away[texts.whole & ~texts.edge].max():.1e}", f"{away[~texts.whole].max():.1e}",
             f"{apart[~texts.edge].max():.1e}", f"{away[texts.edge].max():.1e}, {apart[texts.edge].max():.1e}")  # fmt: skip


def worst(results, kind, dtype, range_name):
    chosen = results.texts.ranges[range_name]
    away = np.where(chosen, results.away(kind, dtype), -1)
    below = (results.below(kind, dtype) & chosen).sum()
    return f"{away.max():.1e} ({results.texts.lengths[away.argmax()]}), {below} of {chosen.sum()}"


def fast(results):
    texts = results.texts
    head("file", "type", "to 512: middle", "to 512: worst (tokens), below", "above 512", "pieces to 512", "pieces above 512",
         "golden 32", "a folder's bits")  # fmt: skip
    for dtype in FAST:
        for kind in results.with_type(dtype):
            found = results.kinds[kind]
            same = "itself" if kind == RELEASE else "yes" if np.array_equal(found[dtype], found[f"{dtype} folder"]) else "no"
            away = results.away(kind, dtype)
            line(kind, dtype, f"{np.median(away[texts.ranges['to 512']]):.1e}",
                 *(worst(results, kind, dtype, name) for name in ("to 512", "above", "pieces", "above, pieces")),
                 f"{away[texts.edge][0]:.1e}", same)  # fmt: skip


def pieces(results):
    rounding = 1 - cosines(results.kinds[RELEASE]["exact"], results.kinds[ROUNDED]["exact"])
    order = rounding.argsort()[::-1].argsort() + 1
    head("tokens", "a piece", *(f"below in {dtype}" for dtype in FAST), "with the release", "bf16 alone", "place")
    for i, length in enumerate(results.texts.lengths):
        counts = {dtype: sum(bool(results.below(kind, dtype)[i]) for kind in results.with_type(dtype)) for dtype in FAST}
        if any(counts.values()):
            release = ", ".join(dtype for dtype in FAST if results.below(RELEASE, dtype)[i])
            of = (f"{count} of {len(results.with_type(dtype))}" for dtype, count in counts.items())
            line(length, "no" if results.texts.whole[i] else "yes", *of, release, f"{rounding[i]:.1e}", order[i])
    print(f"\nbf16 alone, the middle of all: {np.median(rounding):.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    results = Results(parser.parse_args().folder)
    exact(results)
    fast(results)
    pieces(results)


if __name__ == "__main__":
    main()
