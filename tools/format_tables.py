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
from judge_formats import FAST, RELEASE, Texts, cosines, rows_of_ids

ROUNDED = "safetensors bf16"


class Results:
    def __init__(self, folder, texts):
        self.texts = texts
        self.kinds = {kind: np.load(folder / f"{kind}.npz") for kind in KINDS if (folder / f"{kind}.npz").exists()}

    def away(self, kind, dtype):
        """1 - cosine of each text to the judge of this file."""
        found = self.kinds[kind]
        return 1 - cosines(found[dtype], found["expected"])

    def below(self, kind, dtype):
        """Which texts, the one on the edge left out, are below the promise."""
        limits = np.where(self.texts.ranges["above"], *(1 - gate for gate in FAST[dtype][::-1]))
        return (self.away(kind, dtype) > limits) & ~self.texts.edge

    def with_type(self, dtype):
        return [kind for kind in self.kinds if dtype in self.kinds[kind]]


def line(*cells):
    print("| " + " | ".join(map(str, cells)) + " |")


def head(*cells):
    print()
    line(*cells)
    line(*["---"] * len(cells))


def exact(results):
    head("file", "1 - cosine, worst of 60", "difference of an element", "... and the golden near a bifurcation")
    edge = results.texts.edge
    for kind, found in results.kinds.items():
        if np.array_equal(found["exact"], found["expected"]):  # judged by itself: --fast-only
            continue
        away, apart = results.away(kind, "exact"), np.abs(found["exact"] - found["expected"]).max(1)
        line(kind, f"{away[~edge].max():.1e}", f"{apart[~edge].max():.1e}", f"{away[edge].max():.1e}, {apart[edge].max():.1e}")


def worst(results, kind, dtype, chosen):
    away = np.where(chosen, results.away(kind, dtype), -1)
    return f"{away.max():.1e} ({results.texts.lengths[away.argmax()]} tokens)"


def fast(results):
    texts = results.texts
    head("file", "type", "up to 512: worst 1 - cosine", "middle", "below", "with the release too", "above 512: worst", "below",
         "golden 32", "a folder's bits")  # fmt: skip
    for dtype in FAST:
        release = results.below(RELEASE, dtype)
        for kind in results.with_type(dtype):
            below, short, long = results.below(kind, dtype), texts.ranges["to 512"], texts.ranges["above"]
            found = results.kinds[kind]
            same = "itself" if kind == RELEASE else "yes" if np.array_equal(found[dtype], found[f"{dtype} folder"]) else "no"
            away = results.away(kind, dtype)
            line(kind, dtype, worst(results, kind, dtype, short), f"{np.median(away[short]):.1e}", (below & short).sum(),
                 (below & short & release).sum(), worst(results, kind, dtype, long), (below & long).sum(),
                 f"{away[texts.edge][0]:.1e}", same)  # fmt: skip


def pieces(results):
    rounding = 1 - cosines(results.kinds[RELEASE]["exact"], results.kinds[ROUNDED]["exact"])
    order = rounding.argsort()[::-1].argsort() + 1
    head("tokens", *(f"below in {dtype}" for dtype in FAST), "with the release", "bf16 alone", "place of 60")
    for i, length in enumerate(results.texts.lengths):
        counts = {dtype: sum(bool(results.below(kind, dtype)[i]) for kind in results.with_type(dtype)) for dtype in FAST}
        if any(counts.values()):
            release = ", ".join(dtype for dtype in FAST if results.below(RELEASE, dtype)[i])
            of = (f"{count} of {len(results.with_type(dtype))}" for dtype, count in counts.items())
            line(length, *of, release, f"{rounding[i]:.1e}", order[i])
    print(f"\nbf16 alone, the middle of 60: {np.median(rounding):.1e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    results = Results(parser.parse_args().folder, Texts(rows_of_ids(60)))
    exact(results)
    fast(results)
    pieces(results)


if __name__ == "__main__":
    main()
