#!/usr/bin/env python3
"""The release in every format and type of numbers: gemvec's vectors of each file against fp32 arithmetic over its numbers.

    build/venv/bin/python3 tools/judge_formats.py GEMVEC MODEL_DIR [KIND ...] [--texts N]

GEMVEC is the command, MODEL_DIR the release's folder, a KIND a name of what --list prints; without one, all of them. Each
file is made by the programs that such files come from (the onnx and gguf packages; tools/make_onnx.py), in a temporary
folder of 3 GB that goes again, and so takes two to five minutes of two cores. The judge is ONNX Runtime with an fp32 graph
over the numbers that the file means: of most ONNX files the file itself, otherwise one made of the numbers that the package
says the file has.

The texts are the goldens' ids: 20 of the short ones as they are, and 40 pieces of them all in a row, of 3 to 2048 tokens.

Printed for each: the lowest cosine and the largest difference of an element of the unit vectors, of --exact, of q8, and of
q4 where the file has 4 bits. Ends with 1 if --exact is below cosine 0.9999999, of files in codes 0.99999. How many texts q8
and q4 have below what docs/quantization.md promises is printed, and is no failure: a piece that begins in the middle of a
sentence may fall below with any file, the release's own among them (docs/formats/accuracy.md).
"""
import argparse
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime
import safetensors.numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/gguf")]
import gguf  # noqa: E402
import gguf_files  # noqa: E402
import make_onnx  # noqa: E402
from onnx_quantizers import blocks, to_bf16  # noqa: E402

BOS, EOS = 2, 1
WHOLE, PIECES = 20, 40
SHORT = 512  # tokens up to which the first of two promises holds
# Of --exact: ONNX files are fp32 arithmetic in another order.
EXACT = {"float": 0.9999999, "codes": 0.99999}
FAST = {"q8": (0.9995, 0.999), "q4": (0.99, 0.98)}
# Text 32 is near a bifurcation, and any 8 bits throw dice on it: docs/quantization.md, "Two goldens on the edge".
ON_THE_EDGE, EDGE_COSINE = 32, 0.996
MATRICES = "embed_tokens", "_proj", "linear.weight"


@functools.cache
def goldens():
    return [case["ids"] for case in json.loads((ROOT / "tests/golden/golden.json").read_text())["cases"]]


def golden(index):
    return goldens()[index]


def rows_of_ids(count):
    """Ids with BOS and EOS, in the order of their lengths."""
    cases = goldens()
    short = [ids for ids in cases if len(ids) < 100]
    rows = [short[i] for i in np.linspace(6, len(short) - 1, WHOLE).astype(int)]
    stream = [id for ids in cases for id in ids[1:-1]]
    lengths = np.unique(np.geomspace(1, 2046, PIECES + 6).astype(int))[-PIECES:]  # the first ones round to the same
    for at, length in zip(np.linspace(0, len(stream) - 2046, PIECES).astype(int), lengths, strict=True):
        rows.append([BOS, *stream[at : at + length], EOS])
    rows.append([BOS, stream[0], EOS])
    rows.sort(key=len)
    rows = rows[1:]
    return [rows[i] for i in np.linspace(0, len(rows) - 1, count).astype(int)]


def load(folder):
    """(name -> tensor of the safetensors release, the dense layers under 2_Dense.linear.weight and 3_Dense...)"""
    tensors = safetensors.numpy.load_file(folder / "model.safetensors")
    for number in (2, 3):
        dense = safetensors.numpy.load_file(folder / f"{number}_Dense/model.safetensors")
        tensors[f"{number}_Dense.linear.weight"] = dense["linear.weight"]
    return tensors


def is_matrix(name):
    return any(part in name for part in MATRICES)


class Files:
    """Files of one kind, and what they mean."""

    def __init__(self, release, folder):
        self.release, self.folder = release, folder

    def model_folder(self, name):
        """The release's small files in a folder of their own."""
        folder = self.folder / name
        folder.mkdir()
        for path in self.release.iterdir():
            if path.is_file() and path.suffix in (".json", ".model") and not path.name.endswith(".index.json"):
                shutil.copy(path, folder)
        shutil.copytree(self.release / "1_Pooling", folder / "1_Pooling")
        return folder

    def safetensors(self, name, tensors):
        folder = self.model_folder(name)
        main = {key: array for key, array in tensors.items() if "_Dense" not in key}
        safetensors.numpy.save_file(main, folder / "model.safetensors")
        for number in (2, 3):
            (folder / f"{number}_Dense").mkdir()
            shutil.copy(self.release / f"{number}_Dense/config.json", folder / f"{number}_Dense")
            dense = {"linear.weight": tensors[f"{number}_Dense.linear.weight"]}
            safetensors.numpy.save_file(dense, folder / f"{number}_Dense/model.safetensors")
        return folder

    def onnx(self, name, source, shape, **options):
        folder = self.model_folder(name)
        (folder / "onnx").mkdir()
        make_onnx.save(make_onnx.make(source, make_onnx.SHAPES[shape], **options), folder / "onnx/model.onnx")
        return folder / "onnx/model.onnx"

    def judge(self, tensors):
        """An fp32 ONNX file of these numbers."""
        folder = self.safetensors("meant", tensors)
        file = self.onnx("judge", folder, "fused")
        shutil.rmtree(folder)
        return file

    def of_safetensors(self, kind):
        tensors = load(self.release)
        if kind == "bf16":
            tensors = {name: to_bf16(array) for name, array in tensors.items()}
            return self.stored_as_bf16(tensors), self.judge(tensors)
        if kind == "fp16":
            tensors = {name: array.astype(np.float16) for name, array in tensors.items()}
            meant = {name: array.astype(np.float32) for name, array in tensors.items()}
            return self.safetensors("model", tensors), self.judge(meant)
        return self.release, self.judge(tensors)

    def stored_as_bf16(self, tensors):
        folder = self.safetensors("fp32", tensors)
        subprocess.run([GEMVEC, "convert", folder, self.folder / "model", "--numbers", "bf16"], check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        shutil.rmtree(folder)
        return self.folder / "model"

    def of_onnx(self, shape):
        file = self.onnx("model", self.release, shape, round_bf16=shape in ("fused", "plain"))
        # Where ONNX Runtime's own arithmetic is not fp32, the shape with the same numbers whose arithmetic is.
        same = {"q8-dynamic": "q8-dequantize", "q8-dynamic-channel": "q8-dequantize-channel", "q4f16": "q4f16-float"}
        if shape in same:
            return file, self.onnx("judge", self.release, same[shape])
        if shape != "q4-no-gather":
            return file, file
        # As a product of all 262144 rows, the table would take ONNX Runtime an hour.
        tensors = load(self.release)
        for name, array in tensors.items():
            if is_matrix(name):
                table = name.startswith("embed")
                meant = decoded_blocks(array.T if table else array)
                tensors[name] = np.ascontiguousarray(meant.T if table else meant)
        return file, self.judge(tensors)

    def of_gguf(self, kind):
        kind = gguf.GGMLQuantizationType[kind]
        tensors, path = load(self.release), self.folder / "model.gguf"
        writer = gguf.GGUFWriter(path, "gemma-embedding")
        dense = [f"{number}_Dense.linear.weight" for number in (2, 3)]
        config = json.loads((self.release / "config.json").read_text())
        gguf_files.write_keys(writer, config, [tensors[name].shape for name in dense])
        tokenizer = json.loads((self.release / "tokenizer.json").read_text())
        gguf_files.write_vocabulary(writer, *gguf_files.vocabulary_of(tokenizer))
        for index, (name, array) in enumerate(tensors.items()):
            target = f"dense_{name[0]}.weight" if name in dense else gguf_files.gguf_name(name)
            tensors[name] = gguf_files.add_tensor(writer, target, array, kind, index)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path, self.judge(tensors)


def decoded_blocks(w):
    codes, scales, _ = blocks(w, 4, make_onnx.BLOCK, False)
    values = (codes.reshape(len(w), -1, make_onnx.BLOCK).astype(np.float32) - 8) * scales[..., None]
    return values.reshape(len(w), -1)[:, : w.shape[1]]


# Name -> how it is made, of what, and whether its numbers are codes.
KINDS = {
    **{f"safetensors {kind}": ("of_safetensors", kind, "float") for kind in ("fp32", "bf16", "fp16")},
    **{f"onnx {shape}": ("of_onnx", shape, "float" if shape in ("fused", "plain", "fp16", "bf16") else "codes")
       for shape in ("fused", "plain", "fp16", "q8-dynamic", "q8-dynamic-channel", "q8-blocks", "q4", "q4-uint4",
                     "q4-uint8", "q4-no-gather", "q4f16")},
    **{f"gguf {kind}": ("of_gguf", kind, "float" if kind in ("F32", "F16", "BF16") else "codes")
       for kind in ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1")},
}  # fmt: skip


def by_gemvec(model, rows, *options):
    lines = "\n".join(" ".join(map(str, row)) for row in rows)
    command = [GEMVEC, "embed", "--ids", "--no-cache", "--model", model, "--output-format", "f32", *options]
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


def report(name, found, expected, rows, gates):
    """One line a range of lengths; whether all are within the gates."""
    similar, apart, good = cosines(found, expected), np.abs(found - expected).max(1), True
    lengths = np.array([len(row) for row in rows])
    edge = np.array([row == golden(ON_THE_EDGE) for row in rows])
    ranges = {"to 512": ~edge & (lengths <= SHORT), "above": lengths > SHORT, "edge": edge}
    for (text, chosen), gate in zip(ranges.items(), (*gates, min(gates[0], EDGE_COSINE)), strict=True):
        if not chosen.any():
            continue
        lowest = np.flatnonzero(chosen)[similar[chosen].argmin()]
        below = int((similar[chosen] < gate).sum())
        ok = below == 0
        print(f"  {name:5}  {text:6}  {chosen.sum():3} texts  1 - cosine <= {1 - similar[lowest]:.1e} ({lengths[lowest]} tokens)"
              f"  difference <= {apart[chosen].max():.1e}{'' if ok else f'  {below} below {gate}'}", flush=True)  # fmt: skip
        good &= bool(ok)
    return good


def judge(kind, release, rows):
    maker, what, numbers = KINDS[kind]
    print(kind, flush=True)
    with tempfile.TemporaryDirectory(prefix="gemvec-judge-") as folder:
        model, file = getattr(Files(release, pathlib.Path(folder)), maker)(what)
        expected = by_runtime(file, rows)
        good = report("exact", by_gemvec(model, rows, "--exact"), expected, rows, [EXACT[numbers]] * 2)
        for dtype in ("q8", "q4") if "q4" in kind.lower() else ("q8",):
            report(dtype, by_gemvec(model, rows, "--dtype", dtype), expected, rows, FAST[dtype])
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gemvec", type=pathlib.Path)
    parser.add_argument("release", type=pathlib.Path)
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []], metavar="KIND")
    parser.add_argument("--texts", type=int, default=WHOLE + PIECES)
    parser.add_argument("--list", action="version", version="\n".join(KINDS), help="the kinds")
    arguments = parser.parse_args()
    global GEMVEC
    GEMVEC = os.path.abspath(arguments.gemvec)
    rows = rows_of_ids(arguments.texts)
    results = [judge(kind, arguments.release, rows) for kind in arguments.kinds or KINDS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
