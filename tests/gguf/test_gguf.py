# GGUF files written by the `gguf` package: gemvec's vectors of them are, bit for bit, those of a safetensors folder
# with the numbers that the package says the file means.

import os
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parent.parent / "cli")]

import gguf  # noqa: E402
import numpy as np  # noqa: E402
from gguf_files import Tiny, probe, random_blocks  # noqa: E402
from harness import CliTest  # noqa: E402

Type = gguf.GGMLQuantizationType
PLAIN = [Type.F32, Type.F16, Type.BF16]
BLOCKS = [Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.IQ4_NL]
LARGE_BLOCKS = [Type.Q2_K, Type.Q3_K, Type.Q4_K, Type.Q5_K, Type.Q6_K, Type.IQ4_XS]
# A text beyond the sliding window, one of one token, added tokens, and bytes that are no characters of the vocabulary.
TEXTS = ["the task and the query: " * 9, "a", "none of\tthese <b>  three   spaces</b>", "ж 日本 😀", "<eos> and <unused3>"]

_state = {}


def setUpModule():
    _state["folder"] = tempfile.mkdtemp(prefix="gemvec-gguf-")
    _state["tiny"] = Tiny(pathlib.Path(_state["folder"]) / "tiny")


def tearDownModule():
    shutil.rmtree(_state["folder"], ignore_errors=True)


class Rows(unittest.TestCase):
    COLUMNS = 768

    def test_any_bytes_decode_to_the_package_s_numbers(self):
        for kind in BLOCKS + LARGE_BLOCKS:
            for seed in range(4):
                rows = random_blocks(kind, 64, self.COLUMNS, seed)
                got = np.frombuffer(probe("decode", int(kind), self.COLUMNS, stdin=rows.tobytes()), np.float32)
                expected = gguf.quants.dequantize(rows, kind).ravel()
                self.assertEqual(got.tobytes(), expected.astype(np.float32).tobytes(), kind.name)

    def test_numbers_encode_to_the_package_s_bytes(self):
        random = np.random.default_rng(3)
        x = random.normal(0, 0.03, (256, self.COLUMNS)).astype(np.float32)
        x[5] = 0
        for kind in (Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0):
            got = probe("encode", int(kind), self.COLUMNS, stdin=x.tobytes())
            self.assertEqual(got, gguf.quants.quantize(x, kind).tobytes(), kind.name)

    def test_weights_on_the_grid_are_not_changed(self):
        random = np.random.default_rng(4)
        blocks = 256 * self.COLUMNS // 32
        d = random.uniform(-2e-3, 2e-3, (blocks, 1)).astype(np.float16).astype(np.float32)
        for kind, low, high in ((Type.Q4_0, -8, 8), (Type.Q8_0, -127, 128)):
            top = random.integers(1, high, (blocks, 1))
            q = np.clip(random.integers(low, high, (blocks, 32)), -top, top)
            x = (d * q.astype(np.float32)).reshape(256, self.COLUMNS)
            row = probe("encode", int(kind), self.COLUMNS, stdin=x.tobytes())
            back = gguf.quants.dequantize(np.frombuffer(row, np.uint8).reshape(256, -1), kind)
            self.assertTrue(np.array_equal(back, x), kind.name)


class Vectors(CliTest):
    def vectors(self, model, *arguments):
        texts = "\n".join(TEXTS)
        options = ("--no-cache", "--output-format", "f32", *arguments)
        return self.embed("--model", model, *options, stdin=texts, env={"GEMVEC_MODEL": None}).out

    def check(self, kind, architecture="gemma-embedding"):
        path = os.path.join(self.folder, f"{architecture}-{kind.name}.gguf")
        folder = _state["tiny"].write(path, kind, architecture)
        got = self.vectors(path, "--exact")
        self.assertEqual(len(got), len(TEXTS) * 768 * 4)
        self.assertEqual(got, self.vectors(folder, "--exact"), f"{architecture} {kind.name}")
        self.assertTrue(np.isfinite(np.frombuffer(got, np.float32)).all())
        return path, folder

    def test_plain_numbers(self):
        for kind in PLAIN:
            self.check(kind)

    def test_blocks_of_32(self):
        for kind in BLOCKS:
            self.check(kind)

    def test_blocks_of_256(self):
        for kind in LARGE_BLOCKS:
            self.check(kind)

    def test_the_variant_that_calls_itself_gemma3(self):
        self.check(Type.BF16, "gemma3")

    def test_of_codes_nothing_is_promised(self):
        for kind, check in ((Type.BF16, "different"), (Type.Q8_0, "unpromised"), (Type.Q4_0, "unpromised")):
            path, _ = self.check(kind)
            for precision in ("--exact",), ("--dtype", "q8"):
                info = self.run_cli("info", "--json", "--no-cache", "--model", path, *precision).json
                self.assertEqual(info["check"], check, f"{kind.name} {precision}")

    def test_other_precisions_take_the_same_numbers(self):
        path, folder = self.check(Type.Q4_0)
        for dtype in ("bf16", "q8", "q4"):
            self.assertEqual(self.vectors(path, "--dtype", dtype), self.vectors(folder, "--dtype", dtype), dtype)


if __name__ == "__main__":
    unittest.main()
