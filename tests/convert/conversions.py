# What the judges of conversions share: a tiny model, conversions of it, vectors, and safetensors as arrays.

import json
import pathlib
import shutil
import struct

import numpy
from harness import CliTest, tiny_model

# The tiny model's window reaches 8 positions to either side, so the third text is longer than it, and the fourth
# several times. No word begins with "an": the tiny tokenizer lacks merges there that a GGUF file's scores imply.
TEXTS = [
    "a",
    "the query or the task: one, two",
    "the the it was a query in these: then there is no rain, or 123 then",
    "no " * 12 + "the end",
    "日本 is 9 times <b>there</b>",
]


def read_safetensors(path):
    """name -> array; bf16 becomes fp32."""
    raw = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header, data = json.loads(raw[8 : 8 + size]), raw[8 + size :]
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        part = data[slice(*entry["data_offsets"])]
        if entry["dtype"] == "BF16":
            numbers = (numpy.frombuffer(part, "<u2").astype(numpy.uint32) << 16).view(numpy.float32)
        else:
            numbers = numpy.frombuffer(part, "<f4")
        tensors[name] = numbers.reshape(entry["shape"])
    return tensors


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, array in tensors.items():
        bytes_ = numpy.ascontiguousarray(array, "<f4").tobytes()
        offsets = [len(data), len(data) + len(bytes_)]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": offsets}
        data += bytes_
    text = json.dumps(header).encode()
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def to_bf16(array):
    """Rounded to the nearest bf16, ties to even, kept as fp32."""
    bits = numpy.ascontiguousarray(array, numpy.float32).view(numpy.uint32).astype(numpy.uint64)
    return (((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) << 16).astype(numpy.uint32).view(numpy.float32)


def model_tensors(folder):
    """All tensors of a model folder by their names in the release; the dense layers as "2_Dense.linear.weight"."""
    folder = pathlib.Path(folder)
    tensors = read_safetensors(folder / "model.safetensors")
    for number in (2, 3):
        dense = read_safetensors(folder / f"{number}_Dense/model.safetensors")
        tensors[f"{number}_Dense.linear.weight"] = dense["linear.weight"]
    return tensors


def is_norm(name):
    return name.endswith("norm.weight")


class ConvertTest(CliTest):
    def setUp(self):
        super().setUp()
        self.model = pathlib.Path(tiny_model()["GEMVEC_MODEL"])

    def convert(self, output, *options, model=None):
        """`gemvec convert`, from the tiny model: the output's path."""
        answer = self.run_cli("convert", model or self.model, output, *options)
        self.assertEqual(answer.text, f"{output}\n")
        return pathlib.Path(self.folder) / output

    def vectors(self, model, *options, texts=TEXTS):
        answer = self.embed("--model", model, "--no-cache", "--dtype", "fp32", *options, stdin="\n".join(texts))
        return numpy.array([row["embedding"] for row in answer.jsonl], numpy.float32)

    def ids(self, model, texts=TEXTS):
        answer = self.run_cli("tokenize", "--task", "none", "--json", "--model", model, stdin="\n".join(texts))
        return [row["ids"] for row in answer.jsonl]

    def model_with(self, name, tensors):
        """The tiny model with other weights: what gemvec makes of them in fp32 is what they mean."""
        folder = pathlib.Path(self.folder) / name
        shutil.copytree(self.model, folder)
        transformer = {name: array for name, array in tensors.items() if "Dense" not in name}
        write_safetensors(folder / "model.safetensors", transformer)
        for number in (2, 3):
            dense = {"linear.weight": tensors[f"{number}_Dense.linear.weight"]}
            write_safetensors(folder / f"{number}_Dense/model.safetensors", dense)
        return folder

    def assertSameTensors(self, folder, expected):
        """To the bit."""
        got = model_tensors(folder)
        self.assertEqual(sorted(got), sorted(expected))
        for name, array in expected.items():
            self.assertEqual(got[name].tobytes(), numpy.ascontiguousarray(array).tobytes(), name)

    def assertSameVectors(self, got, expected, tolerance):
        self.assertEqual(got.shape, expected.shape)
        self.assertLess(numpy.abs(got - expected).max(), tolerance)
        a, b = got.astype(numpy.float64), expected.astype(numpy.float64)
        cosines = (a * b).sum(1) / numpy.linalg.norm(a, axis=1) / numpy.linalg.norm(b, axis=1)
        self.assertGreaterEqual(cosines.min(), 0.9999999)
