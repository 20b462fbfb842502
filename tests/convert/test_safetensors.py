# Model folders, judged by the safetensors and tokenizers packages; what is refused; what is left behind.

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import numpy
import safetensors.numpy
import tokenizers
from conversions import TEXTS, ConvertTest, model_tensors, read_safetensors, to_bf16, write_safetensors
from harness import BIN, SANITIZED, TIMEOUT_S, environment, tiny_model

FILES = ["model.safetensors", "2_Dense/model.safetensors", "3_Dense/model.safetensors"]


def all_files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class Safetensors(ConvertTest):
    def test_the_package_reads_the_same_bits(self):
        folder = self.convert("out")
        for file in FILES:
            source = read_safetensors(self.model / file)
            got = safetensors.numpy.load_file(folder / file)
            self.assertEqual(sorted(got), sorted(source))
            for name, array in source.items():
                self.assertEqual(got[name].tobytes(), array.tobytes(), name)
        self.assertEqual(self.vectors(folder).tobytes(), self.vectors(self.model).tobytes())

    def test_what_the_package_writes_is_the_same_file(self):
        folder = self.convert("out")
        for file, metadata in zip(FILES, ({"format": "pt"}, None, None), strict=True):
            tensors = safetensors.numpy.load_file(folder / file)
            self.assertEqual((folder / file).read_bytes(), safetensors.numpy.save(tensors, metadata))

    def test_bf16_is_every_tensor_rounded(self):
        folder = self.convert("out", "--numbers", "bf16")
        self.assertSameTensors(folder, {name: to_bf16(x) for name, x in model_tensors(self.model).items()})
        self.assertEqual(json.loads((folder / "config.json").read_text())["dtype"], "bfloat16")
        back = self.convert("back", model=folder)
        self.assertEqual(json.loads((back / "config.json").read_text())["dtype"], "float32")
        self.assertSameTensors(back, model_tensors(folder))

    def test_the_other_files_travel_along(self):
        source = self.convert("source")
        for name in ("README.md", "LICENSE", "NOTICE.txt", "tokenizer_config.json", "added_tokens.json"):
            (source / name).write_text(f'{{"file": "{name}"}}')
        (source / "optimizer.bin").write_text("not the model's")
        folder = self.convert("out", model=source)
        self.assertEqual(all_files(folder), [name for name in all_files(source) if name != "optimizer.bin"])
        for name in all_files(folder):
            self.assertEqual((folder / name).read_bytes(), (source / name).read_bytes(), name)

    def test_a_tokenizer_made_of_a_gguf_file_gives_the_same_ids(self):
        folder = self.convert("out", model=self.convert("a.gguf"))
        made = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        texts = [*TEXTS, "  two   three\n\n\ttabs", "<bos> <table>é</table> <mask>😀 日本\u2581\u2581x", "\x00ÿ"]
        lines = [text for text in texts if "\n" not in text]
        self.assertEqual([made.encode(text).ids for text in lines], self.ids(folder, lines))
        original = tokenizers.Tokenizer.from_file(str(self.model / "tokenizer.json"))
        self.assertEqual([made.encode(text).ids for text in texts], [original.encode(text).ids for text in texts])
        config = json.loads((folder / "tokenizer_config.json").read_text())
        self.assertEqual((config["bos_token"], config["model_max_length"]), ("<bos>", 2048))

    def test_config_json_is_the_source_s_where_nothing_changes(self):
        folder = self.convert("out")
        self.assertEqual((folder / "config.json").read_bytes(), (self.model / "config.json").read_bytes())


class Refused(ConvertTest):
    def refuse(self, *arguments, code=1, says=()):
        answer = self.run_cli("convert", *arguments, code=code)
        self.assertEqual(answer.text, "")
        self.assertSays(answer.err, *says)

    def test_wrong_usage(self):
        self.refuse(self.model, "out", "--to", "tflite", code=2, says=["tflite", "safetensors, gguf or onnx"])
        self.refuse(self.model, "out", "--numbers", "q8", code=2, says=["fp32, bf16", "safetensors"])
        self.refuse(self.model, "a.gguf", "--numbers", "fp16", code=2, says=["fp32, bf16, q8_0, q4_0"])
        self.refuse(self.model, "out", "--to", "onnx", "--numbers", "bf16", code=2, says=["fp32, q8, q4"])
        self.refuse(self.model, "out.onnx", code=2, says=["out.onnx", "folder", "--to onnx"])
        self.refuse(self.model, "out.gguf", "--to", "onnx", code=2, says=["out.gguf", "folder"])
        self.refuse(self.model, code=2, says=["OUTPUT"])
        self.assertNoLeftovers()

    def test_sources_that_are_none(self):
        self.refuse("nowhere", "out", says=["nowhere", "found nothing"])
        self.refuse(self.path("empty.gguf", b""), "out", says=["empty.gguf"])
        self.assertNoLeftovers("empty.gguf")

    def test_places_where_nothing_may_be_put(self):
        self.refuse(self.model, "no/such/out", says=["no/such", "expected a folder"])
        for output in ("a.gguf", "out"):
            self.path(output, "precious")
            self.refuse(self.model, output, says=[output, "exists already"])
        self.refuse(self.model, "out", "--force", says=["out", "expected an empty folder or a model folder"])
        self.assertEqual(self.read("out"), b"precious")
        os.makedirs(self.path("work/mine"))
        self.refuse(self.model, "work", "--force", says=["work", "expected an empty folder or a model folder"])
        self.refuse(self.model, "work/mine/", says=["exists already"])
        self.refuse(self.model, "work", "--to", "gguf", "--force", says=["work", "expected a file to replace"])
        self.refuse(self.model, ".", "--force", code=1, says=["expected the name"])
        self.assertNoLeftovers("a.gguf", "out", "work")

    def test_never_over_the_source(self):
        source = self.convert("source")
        before = all_files(source)
        self.refuse(source, source, "--force", says=["another place than the model's own"])
        self.refuse(source, source / "2_Dense", "--force", says=["outside the model's own folder"])
        self.refuse(source, self.folder, "--force", says=["expected an empty folder or a model folder"])
        self.refuse(source, source / "config.json", "--to", "gguf", "--force", says=["a file of the model"])
        os.symlink(source, self.path("link"))
        self.refuse(source, "link", "--force", says=["another place than the model's own"])
        self.assertEqual(all_files(source), before)
        self.assertSameTensors(source, model_tensors(self.model))
        # A folder that holds the model would go with it.
        os.makedirs(self.path("outer"))
        os.rename(source, self.path("outer/source"))
        self.path("outer/config.json", "{}")
        self.refuse("outer/source", "outer", "--force", says=["does not hold the model"])

    def test_force_replaces_and_leaves_nothing_else(self):
        self.path("a.gguf", "old")
        gguf = self.convert("a.gguf", "--force")
        self.assertEqual(gguf.read_bytes()[:4], b"GGUF")
        folder = self.convert("out")
        (folder / "old").write_text("old")
        self.convert("out", "--to", "onnx", "--force")
        self.assertFalse((folder / "old").exists() or (folder / "model.safetensors").exists())
        os.makedirs(self.path("empty"))
        self.convert("empty", "--force")
        self.assertNoLeftovers("a.gguf", "out", "empty")

    def test_numbers_that_are_none(self):
        for value, expected in ((numpy.nan, "found nan"), (-numpy.inf, "found -inf")):
            tensors = model_tensors(self.model)
            name = "layers.3.mlp.up_proj.weight"
            tensors[name] = tensors[name].copy()
            tensors[name][5, 7] = value
            source = self.model_with(f"source{expected[-3:]}", tensors)
            for output, *options in (["out"], ["out", "--to", "onnx"], ["a.gguf"], ["a.gguf", "--numbers", "q4_0"]):
                self.refuse(source, output, *options, says=[name, "finite" if output == "out" else "expected",
                                                            expected, "row 5, column 7"])  # fmt: skip
        # Finite, but no bf16 and no fp16 scale can be so large.
        tensors[name][5, 7] = 3.4e38
        source = self.model_with("large", tensors)
        self.refuse(source, "out", "--numbers", "bf16", says=[name, "at most 3.38", "row 5, column 7"])
        self.refuse(source, "a.gguf", "--numbers", "q8_0", says=[name, "at most 8319008", "row 5, column 7"])
        self.assertNoLeftovers("sourcenan", "sourceinf", "large")


class Large(ConvertTest):
    """A table so large that a conversion can be stopped in the middle."""

    @classmethod
    def setUpClass(cls):
        rows = 60_000
        cls.large = pathlib.Path(tempfile.mkdtemp(prefix="gemvec-convert-"))
        cls.addClassCleanup(shutil.rmtree, cls.large, ignore_errors=True)
        shutil.copytree(tiny_model()["GEMVEC_MODEL"], cls.large, dirs_exist_ok=True)
        config = json.loads((cls.large / "config.json").read_text())
        (cls.large / "config.json").write_text(json.dumps(config | {"vocab_size": rows}))
        tensors = read_safetensors(cls.large / "model.safetensors")
        table = tensors["embed_tokens.weight"]
        tensors["embed_tokens.weight"] = numpy.resize(table, (rows, table.shape[1]))
        write_safetensors(cls.large / "model.safetensors", tensors)

    def test_ctrl_c_leaves_nothing(self):
        for output, *options in (["out"], ["out", "--to", "onnx", "--numbers", "q8"], ["a.gguf"]):
            process = self.start("convert", self.large, output, *options)
            until = time.monotonic() + TIMEOUT_S
            while len(os.listdir(self.folder)) == 0 and process.poll() is None:
                self.assertLess(time.monotonic(), until)
                time.sleep(0.001)
            process.send_signal(signal.SIGINT)
            err = process.communicate(timeout=TIMEOUT_S)[1].decode()
            self.assertEqual(process.returncode, 130, err)
            self.assertNoLeftovers()

    def test_a_full_disk_is_an_error_and_leaves_nothing(self):
        for output, *options in (["out"], ["out", "--to", "onnx"], ["a.gguf"]):
            # A limit on the size of files stands for a disk that is full: the write fails in the middle.
            command = f'ulimit -f 20000; trap "" XFSZ; exec "{BIN}" convert "{self.large}" {output} {" ".join(options)}'
            done = subprocess.run(["bash", "-c", command], cwd=self.folder, env=environment(), check=False,
                                  capture_output=True, text=True, timeout=TIMEOUT_S)  # fmt: skip
            self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
            self.assertSays(done.stderr, "cannot write", "File too large")
            self.assertNoLeftovers()

    def test_memory_is_bounded(self):
        size = (self.large / "model.safetensors").stat().st_size
        program = ("import resource, subprocess, sys\n"
                   "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
                   "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)\n")  # fmt: skip
        if SANITIZED:
            self.skipTest("a sanitizer's own memory is more than the model")
        for output, *options in (["out"], ["out2", "--to", "onnx"], ["a.gguf", "--numbers", "q8_0"]):
            done = subprocess.run([sys.executable, "-c", program, BIN, "convert", self.large, output, *options], check=True,
                                  cwd=self.folder, env=environment(), capture_output=True, text=True,
                                  timeout=TIMEOUT_S)  # fmt: skip
            self.assertLess(int(done.stdout), size / 2, output)


if __name__ == "__main__":
    unittest.main()
