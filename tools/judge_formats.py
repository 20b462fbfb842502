#!/usr/bin/env python3
"""The release in every format and type of numbers: gemvec's vectors of each file against fp32 arithmetic over its numbers.

    build/venv/bin/python3 tools/judge_formats.py GEMVEC MODEL_DIR [KIND ...] [--keep FOLDER] [--llama PYTHON]
                                              [--fast-only] [--pieces]

GEMVEC is the command, MODEL_DIR the release's folder, a KIND a name of what --list prints; without one, all of them. Each
file is made by the programs that such files come from (format_files.py), in a temporary folder of 4 GB that goes again, and so
takes two to five minutes of two cores. Those of llama.cpp need a Python with llama-cpp-python: bench/peers makes one. The judge
is ONNX Runtime with an fp32 graph over the numbers that the file means: of most ONNX files the file itself, otherwise one made
of the numbers that the package says the file has.

The texts are those of judge_texts.py: 60 whole ones and 40 pieces, of 2 to 2048 tokens.

Printed for each: the lowest cosine and the largest difference of an element of the unit vectors, of --exact, of q8, and of
q4 where the file has 4 bits or is the release itself; and whether q8 and q4 give the same bits as for a safetensors folder
with the file's numbers. Ends with 1 if they do not, or if --exact is below cosine 0.9999999, of files in codes 0.99999. How
many texts q8 and q4 have below what docs/quantization.md promises is printed, and is no failure: a piece may fall below with
any file, the release's own among them (docs/formats/accuracy.md).

Only the release has the pieces, unless --pieces is given. --fast-only leaves ONNX Runtime out and takes --exact as the judge
of q8 and q4: half the time, for kinds whose --exact was compared before.

--keep puts the vectors of each kind into FOLDER, from which format_tables.py prints the tables of docs/formats/accuracy.md.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime
from format_files import KINDS, Files
from judge_texts import Texts

# Of --exact: ONNX files are fp32 arithmetic in another order.
EXACT = {"float": 0.9999999, "codes": 0.99999}
SOME = 6  # a text of so many is compared with the folder's
FAST = {"q8": (0.9995, 0.999), "q4": (0.99, 0.98)}


def types_of(kind):
    """The types of packed weights that a kind is tried with."""
    return ("q8", "q4") if "q4" in kind.lower() or kind == RELEASE else ("q8",)


RELEASE = "safetensors fp32"


def by_gemvec(gemvec, model, rows, *options):
    lines = "\n".join(" ".join(map(str, row)) for row in rows)
    command = [gemvec, "embed", "--ids", "--no-cache", "--model", model, "--output-format", "f32", *options]
    done = subprocess.run(command, input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return np.frombuffer(done.stdout, np.float32).reshape(len(rows), -1)


def by_runtime(file, rows):
    options = onnxruntime.SessionOptions()
    # Optimised, DequantizeLinear and MatMul become one operator with 8-bit inputs.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    out = []
    for row in rows:
        inputs = {"input_ids": np.array([row]), "attention_mask": np.ones((1, len(row)), np.int64)}
        out.append(session.run(["sentence_embedding"], inputs)[0])
    return np.concatenate(out)


def cosines(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def report(name, found, expected, texts, gates):
    """One line a range of lengths; whether all are within the gates."""
    similar, apart, good = cosines(found, expected), np.abs(found - expected).max(1), True
    for text, gate in texts.gates(*gates).items():
        chosen = texts.ranges[text]
        if not chosen.any():
            continue
        lowest = np.flatnonzero(chosen)[similar[chosen].argmin()]
        below = chosen & (similar < gate)
        tokens = ", ".join(map(str, texts.lengths[below]))
        print(f"  {name:5}  {text:13}  {chosen.sum():3} texts  1 - cosine <= {1 - similar[lowest]:.1e} "
              f"({texts.lengths[lowest]} tokens)  difference <= {apart[chosen].max():.1e}"
              + (f"  {below.sum()} below {gate}: {tokens} tokens" if below.any() else ""), flush=True)  # fmt: skip
        good &= not below.any()
    return good


def judge(kind, arguments):
    maker, what, numbers = KINDS[kind]
    texts = Texts.of(arguments.gemvec, arguments.release, arguments.pieces or kind == RELEASE)
    print(kind, flush=True)
    gemvec, rows = arguments.gemvec, texts.rows
    with tempfile.TemporaryDirectory(prefix="gemvec-judge-") as name:
        files = Files(gemvec, arguments.release, pathlib.Path(name), arguments.llama, judged=not arguments.fast_only)
        model, meant, file = getattr(files, maker)(what)
        # A folder with the file's numbers: what any format must come to.
        folder = model if kind == RELEASE else files.safetensors("meant", meant)
        del meant
        kept = {**texts.fields(), "exact": by_gemvec(gemvec, model, rows, "--exact")}
        if arguments.fast_only:
            kept["expected"], good = kept["exact"], True
        else:
            kept["expected"] = by_runtime(file or files.judge(folder), rows)
            good = report("exact", kept["exact"], kept["expected"], texts, [EXACT[numbers]] * 2)
        for dtype in types_of(kind):
            kept[dtype] = by_gemvec(gemvec, model, rows, "--dtype", dtype)
            report(dtype, kept[dtype], kept["expected"], texts, FAST[dtype])
            if kind != RELEASE:
                # Other weights would show in any text.
                of_folder = by_gemvec(gemvec, folder, rows[::SOME], "--dtype", dtype)
                kept[f"{dtype} folder"] = of_folder
                same = np.array_equal(kept[dtype][::SOME], of_folder)
                apart = "" if same else f", by {np.abs(kept[dtype][::SOME] - of_folder).max():.1e}"
                print(f"  {dtype:5}  the folder's bits: {'the same' if same else f'others{apart}'}", flush=True)
                good &= same
    if arguments.keep:
        arguments.keep.mkdir(exist_ok=True)
        np.savez_compressed(arguments.keep / f"{kind}.npz", **kept)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gemvec", type=os.path.abspath)
    parser.add_argument("release", type=pathlib.Path)
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []], metavar="KIND")
    parser.add_argument("--keep", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--llama", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--fast-only", action="store_true")
    parser.add_argument("--pieces", action="store_true")
    parser.add_argument("--list", action="version", version="\n".join(KINDS), help="the kinds")
    arguments = parser.parse_args()
    if not arguments.release.is_dir():
        parser.error(f"RELEASE: expected a folder with the release, as `gemvec pull` prints it, not {str(arguments.release)!r}")
    results = [judge(kind, arguments) for kind in arguments.kinds or KINDS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
