# Models as files: what `gemvec quantize` writes, and what `gemvec info PATH` says of a folder or file.

import json
import os
import shutil
import unittest

from harness import SANITIZED, CliTest, tiny_model

TEXTS = "a\nsome words\n\nand a longer text, longer than the tiny window\n"


def model():
    return tiny_model()["GEMVEC_MODEL"]


class Quantize(CliTest):
    def vectors(self, *arguments, **options):
        return [line["embedding"] for line in self.embed("--dim", 128, *arguments, stdin=TEXTS, **options).jsonl]

    def test_a_file_gives_the_folders_vectors(self):
        for dtype in ("q8", "q4"):
            with self.subTest(dtype):
                name = f"{dtype}.gemvec"
                said = self.run_cli("quantize", "--dtype", dtype, name).text
                self.assertTrue(said.startswith(f"{name}: "), said)
                # Nothing but the file: no model, no cache.
                alone = self.vectors("--model", name, env={"GEMVEC_MODEL": None, "GEMVEC_CACHE": "/nowhere"})
                self.assertEqual(alone, self.vectors("--dtype", dtype))

    def test_tokens_and_prompts_come_from_the_file(self):
        self.run_cli("quantize", "m.gemvec")
        alone = {"GEMVEC_MODEL": self.path("m.gemvec"), "GEMVEC_CACHE": "/nowhere"}
        for task in ("none", "Retrieval-query"):
            arguments = ("tokenize", "--task", task, "--json")
            self.assertEqual(self.run_cli(*arguments, stdin=TEXTS, env=alone).out,
                             self.run_cli(*arguments, stdin=TEXTS).out)  # fmt: skip

    def test_the_report_says_what_texts_lose(self):
        texts = self.path("texts.txt", "".join(f"text {i} {'word ' * i}\n" for i in range(20)))
        report = self.run_cli("quantize", "--dtype", "mixed", "--texts", texts, "--json", "m.gemvec").json
        self.assertEqual(report["file"], "m.gemvec")
        self.assertEqual(report["bytes"], os.path.getsize(self.path("m.gemvec")))
        self.assertEqual(sum(row["texts"] for row in report["lengths"]), 20)
        self.assertEqual(len(report["worst"]), 10)
        lowest = min(row["lowest_cosine"] for row in report["lengths"])
        self.assertEqual(report["worst"][0]["cosine"], lowest)
        self.assertTrue(0 < report["top10_overlap"] <= 1)
        said = self.run_cli("quantize", "--dtype", "mixed", "--texts", texts, "--force", "m.gemvec").text
        self.assertIn("lowest cosines:", said)

    def test_every_instruction_set_with_avx2_writes_the_same_bytes(self):
        sets = [isa["name"] for isa in self.run_cli("info", "--json").json["instruction_sets"] if isa["supported"]]
        if SANITIZED:  # many times as slow there, and plain C++ most of all
            sets = [isa for isa in sets if isa in (sets[0], "avx2")]
        for dtype in ("q8", "q4"):
            files = set()
            for isa in sets:
                self.run_cli("quantize", "--dtype", dtype, "--force", "m.gemvec", env={"GEMVEC_ISA": isa})
                files.add((isa == "scalar", self.read("m.gemvec")))
            self.assertEqual(len(files), len({isa == "scalar" for isa in sets}))

    def test_gguf_types_are_written_and_reported_too(self):
        texts = self.path("texts.txt", "".join(f"text {i} {'word ' * i}\n" for i in range(20)))
        for dtype in ("Q8_0", "Q4_0"):
            report = self.run_cli("quantize", "--dtype", dtype, "--texts", texts, "--json", f"{dtype}.gguf").json
            self.run_cli("convert", model(), "same.gguf", "--force", "--numbers", dtype)
            self.assertEqual(self.read(f"{dtype}.gguf"), self.read("same.gguf"))
            self.assertEqual((report["bytes"], report["grid"]), (os.path.getsize(self.path("same.gguf")), None))
            self.assertEqual(sum(row["texts"] for row in report["lengths"]), 20)
            self.assertEqual(self.run_cli("info", f"{dtype}.gguf", "--json").json["numbers"], dtype)
        self.assertLess(report["worst"][0]["cosine"], 0.999)  # of 4 bits
        for arguments in (("--dtype", "Q4_0", "m.gemvec"), ("--dtype", "q4", "m.gguf"),
                          ("--dtype", "Q4_0", "--calibration", texts, "m.gguf")):  # fmt: skip
            self.assertSays(self.run_cli("quantize", *arguments, code=2).err, ".gguf" if len(arguments) == 3 else "measured")

    def test_weights_trained_for_q4_0_are_recognised_and_kept(self):
        # What a Q4_0 file means, as plain numbers again, is what training for Q4_0 leaves.
        self.run_cli("quantize", "--dtype", "Q4_0", "first.gguf")
        self.run_cli("convert", "first.gguf", "trained")
        grid = self.run_cli("info", "trained", "--json").json["grid"]
        self.assertEqual(grid, {"type": "Q4_0", "fit": "exact", "table_fit": "exact"})
        said = "weights sit on a Q4_0 grid: quantising to Q4_0 is lossless\n"
        self.assertSays(self.run_cli("info", "trained").text, said)
        self.assertSays(self.run_cli("quantize", "--model", "trained", "--dtype", "Q4_0", "second.gguf").text, said)
        # Packed from codes, a file still remembers that nothing can be promised of it.
        self.run_cli("quantize", "--model", "first.gguf", "from_codes.gemvec")
        for name, check in (("trained", "different"), ("from_codes.gemvec", "unpromised")):
            self.assertEqual(self.run_cli("info", "--json", "--model", name).json["check"], check)
        exact = [self.vectors("--exact", "--model", name) for name in ("trained", "second.gguf")]
        self.assertEqual(*exact)

    def test_what_cannot_be_written_leaves_nothing(self):
        self.path("there.gemvec", "mine")
        self.assertSays(self.run_cli("quantize", "there.gemvec", code=1).err, "there.gemvec: exists already")
        self.assertEqual(self.read("there.gemvec"), b"mine")
        self.assertSays(self.run_cli("quantize", "model.bin", code=1).err, "model.bin", ".gemvec")
        self.assertSays(self.run_cli("quantize", "a/b.gemvec", code=1).err, "a/b.gemvec")
        self.assertSays(self.run_cli("quantize", "--dtype", "fp32", "a.gemvec", code=2).err, "fp32")
        self.assertSays(self.run_cli("quantize", "--texts", "none.txt", "a.gemvec", code=1).err, "none.txt")
        self.assertNoLeftovers("there.gemvec")

    def test_another_type_than_the_files_is_an_error(self):
        self.run_cli("quantize", "--dtype", "q4", "m.gemvec")
        for arguments in (("--dtype", "q8"), ("--exact",)):
            said = self.embed("--model", "m.gemvec", *arguments, stdin="x", code=1).err
            self.assertSays(said, "m.gemvec: holds q4 weights and no others")

    def test_damage_is_named(self):
        self.run_cli("quantize", "m.gemvec")
        content = bytearray(self.read("m.gemvec"))
        content[5000] ^= 1
        self.path("m.gemvec", bytes(content))
        self.assertSays(self.embed("--model", "m.gemvec", stdin="x", code=1).err, "m.gemvec: the checksum of the")
        self.path("m.gemvec", bytes(content[:10000]))
        self.assertSays(self.embed("--model", "m.gemvec", stdin="x", code=1).err, "m.gemvec: expected", "bytes")


class InfoFile(CliTest):
    def test_a_folder(self):
        found = self.run_cli("info", model(), "--json").json
        self.assertTrue(found["complete"])
        self.assertEqual(found["format"], "safetensors")
        self.assertEqual(found["numbers"], "fp32")
        self.assertTrue(found["has_dense"])
        self.assertEqual([file["format"] for file in found["files"]], ["safetensors"] * 3)
        self.assertEqual(found["files"][-1]["types"]["F32"]["tensors"], 7 * 13 + 2)
        said = self.run_cli("info", model(), "--tensors", "--hash").text
        self.assertIn("layers.6.mlp.down_proj.weight F32 [768, 96]", said)
        self.assertRegex(said, r"SHA-256 +[0-9a-f]{64}\n")

    def test_a_file_of_its_own(self):
        self.run_cli("quantize", "--dtype", "q4", "m.gemvec")
        found = self.run_cli("info", "m.gemvec", "--json").json
        self.assertTrue(found["complete"])
        self.assertEqual((found["format"], found["numbers"]), ("gemvec", "q4"))
        self.assertTrue(found["has_prompts"])
        description = json.loads(found["files"][0]["properties"]["description"])
        self.assertEqual(description["dtype"], "q4")

    def test_what_is_missing_is_said(self):
        shutil.copytree(model(), self.path("m"))
        shutil.rmtree(self.path("m/3_Dense"))
        found = self.run_cli("info", "m", "--json", code=1).json
        self.assertFalse(found["complete"])
        self.assertIn("3_Dense", found["problem"])
        self.assertSays(self.run_cli("info", "m", code=1).text, "complete            no: ")

    def test_what_is_no_model(self):
        self.path("a.txt", "x")
        self.assertSays(self.run_cli("info", "a.txt", code=1).err, "a.txt: expected a .safetensors")
        self.assertSays(self.run_cli("info", "nowhere", code=1).err, "nowhere: expected a model folder or file")
        for extension in ("safetensors", "gguf", "onnx", "gemvec"):
            self.path(f"a.{extension}", "not a model")
            self.assertSays(self.run_cli("info", f"a.{extension}", code=1).err, f"a.{extension}: ")


if __name__ == "__main__":
    unittest.main()
