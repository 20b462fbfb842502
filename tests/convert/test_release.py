# The release converted, read back, and judged by its own vectors.

import filecmp
import json
import pathlib
import unittest

import gguf
import numpy
import onnxruntime
from conversions import ConvertTest
from harness import CliTest

# Of every kind that the tokenizer treats in its own way, and longer than the attention window.
TEXTS = [
    "Which planet is known as the Red Planet?",
    "  two  spaces,\ta tab, <b>tags</b>, <bos> and <unused7>, Größe, 日本語, 😀, ▁ and ▁▁ x, \u0001",
    "def f(x):    return x ** 2  # 3.14159",
    "The quick brown fox jumps over the lazy dog. " * 60,
]


class Release(ConvertTest):
    def setUp(self):
        CliTest.setUp(self)
        self.model = pathlib.Path(self.run_cli("pull").text.strip())
        if not hasattr(Release, "expected"):
            Release.expected = self.vectors(self.model, texts=TEXTS)

    def cosines(self, vectors):
        # Vectors of unit length in fp32 have it to some 1e-7 only, depending on who added up 768 squares how.
        one, other = (v / numpy.linalg.norm(v, axis=1, keepdims=True)
                      for v in (vectors.astype(numpy.float64), Release.expected.astype(numpy.float64)))  # fmt: skip
        return (one * other).sum(1)

    def test_safetensors_is_the_release_byte_for_byte(self):
        folder = self.convert("out")
        for file in ("model.safetensors", "2_Dense/model.safetensors", "3_Dense/model.safetensors", "config.json",
                     "tokenizer.json", "tokenizer_config.json", "config_sentence_transformers.json"):  # fmt: skip
            self.assertTrue(filecmp.cmp(folder / file, self.model / file, shallow=False), file)

    def test_gguf_has_the_same_vectors(self):
        answer = self.run_cli("convert", self.model, "a.gguf", "--numbers", "q8_0")
        self.assertNotIn("warning", answer.err)  # every merge has its place in the scores
        path = pathlib.Path(self.folder) / "a.gguf"
        # 8 bits with a scale for 32 weights: far below what the vectors of two other texts differ by.
        self.assertGreater(self.cosines(self.vectors(path, "--exact", texts=TEXTS)).min(), 0.999)
        # Nobody can say how near 8 bits of somebody's rounding are to the release: no promise, and nothing WRONG.
        info = self.run_cli("info", "--json", "--model", path, "--no-cache").json
        self.assertEqual((info["source_numbers"], info["check"]), ("Q8_0", "unpromised"))
        answer = self.run_cli("verify", "--model", path, "--no-cache")
        self.assertIn("nothing is promised of weights that were quantised before", answer.text)
        self.assertNotIn("WRONG", answer.text)
        fields = gguf.GGUFReader(path).fields
        self.assertEqual(fields["general.name"].contents(), "EmbeddingGemma 300M")

    def test_gguf_of_bf16_numbers_is_the_release(self):
        # Neither of the release's two sets: its norms are fp32.
        path = self.convert("a.gguf", "--numbers", "bf16")
        for arguments in ("--exact",), ("--dtype", "q8"):
            info = self.run_cli("info", "--json", "--model", path, "--no-cache", *arguments).json
            self.assertEqual(info["check"], "release")

    def test_back_from_gguf_is_the_release_byte_for_byte(self):
        back = self.convert("back", model=self.convert("a.gguf"))
        for file in ("model.safetensors", "2_Dense/model.safetensors", "3_Dense/model.safetensors"):
            self.assertTrue(filecmp.cmp(back / file, self.model / file, shallow=False), file)
        self.assertEqual(self.ids(back, TEXTS), self.ids(self.model, TEXTS))
        made, original = (json.loads((folder / "tokenizer.json").read_text()) for folder in (back, self.model))
        self.assertEqual(made["model"]["vocab"], original["model"]["vocab"])
        # Runs of tabs and the like are found before anything is joined: where their merges stand says nothing.
        added = {token["content"] for token in original["added_tokens"]}
        merges = [[pair for pair in tokenizer["model"]["merges"] if "".join(pair) not in added]
                  for tokenizer in (made, original)]  # fmt: skip
        self.assertTrue(merges[0] == merges[1])

    def test_onnx_runtime_gives_the_release_s_vectors(self):
        # fp32: gemvec's and ONNX Runtime's roundings, each within 1e-6 of the exact vector up to 2048 tokens. q8: one
        # scale a row; docs/convert.md has what was measured.
        for numbers, file, lowest in (("fp32", "model.onnx", 0.9999999), ("q8", "model_quantized.onnx", 0.995)):
            folder = self.convert(numbers, "--to", "onnx", "--numbers", numbers)
            session = onnxruntime.InferenceSession(str(folder / "onnx" / file), providers=["CPUExecutionProvider"])
            ids = self.ids(self.model, TEXTS)
            rows = numpy.zeros((len(ids), max(map(len, ids))), numpy.int64)
            mask = rows.copy()
            for i, row in enumerate(ids):
                rows[i, : len(row)], mask[i, : len(row)] = row, 1
            vectors = session.run(["sentence_embedding"], {"input_ids": rows, "attention_mask": mask})[0]
            self.assertGreater(self.cosines(vectors).min(), lowest)
            if numbers == "fp32":
                self.assertLess(numpy.abs(vectors - Release.expected).max(), 2e-6)


if __name__ == "__main__":
    unittest.main()
