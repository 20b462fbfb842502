# Output of `gemvec embed`: every format read back and compared, files that are whole or not there.

import csv
import io
import json
import os
import stat
import subprocess
import unittest

import numpy
from harness import BIN, CliTest, environment

TEXTS = "one\ntwo words\n\nand a third text\n"


class Formats(CliTest):
    def jsonl_array(self, *arguments):
        return numpy.array([row["embedding"] for row in self.embed(*arguments, stdin=TEXTS).jsonl], dtype="<f4")

    def test_all_formats_hold_the_same_bits(self):
        expected = self.jsonl_array()
        self.assertEqual(expected.shape, (4, 768))
        raw = numpy.frombuffer(self.embed("--output-format", "f32", stdin=TEXTS).out, dtype="<f4").reshape(-1, 768)
        npy = numpy.load(io.BytesIO(self.embed("--output-format", "npy", stdin=TEXTS).out))
        text = self.embed("--output-format", "csv", stdin=TEXTS).text
        rows = list(csv.DictReader(io.StringIO(text)))
        table = numpy.array([[row[f"e{i}"] for i in range(768)] for row in rows], dtype="<f4")
        for name, other in (("f32", raw), ("npy", npy), ("csv", table)):
            self.assertEqual(other.dtype, expected.dtype)
            self.assertTrue(numpy.array_equal(other, expected), name)
        self.assertEqual([row["index"] for row in rows], ["0", "1", "2", "3"])
        self.assertEqual({row["truncated"] for row in rows}, {"false"})

    def test_files_hold_the_same_bytes_as_pipes(self):
        for form in ("jsonl", "csv", "npy", "f32"):
            piped = self.embed("--output-format", form, stdin=TEXTS).out
            self.assertEqual(self.embed("--output-format", form, "-o", "out", stdin=TEXTS).out, b"")
            self.assertEqual(self.read("out"), piped, form)
            with open(self.path("redirected"), "wb") as file:
                self.embed("--output-format", form, stdin=TEXTS, stdout=file)
            self.assertEqual(self.read("redirected"), piped, form)
            os.remove(self.path("redirected"))
            self.assertNoLeftovers("out")

    def test_appending_keeps_what_was_there(self):
        for form in ("jsonl", "npy"):
            self.path("log", b"before")
            with open(self.path("log"), "ab") as file:
                self.embed("--output-format", form, stdin=TEXTS, stdout=file)
            self.assertEqual(self.read("log"), b"before" + self.embed("--output-format", form, stdin=TEXTS).out)

    def test_no_texts_are_an_empty_array(self):
        for arguments in ([], ["-o", "out.npy"]):
            out = self.embed("--output-format", "npy", "--dim", "256", *arguments).out
            array = numpy.load(self.path("out.npy") if arguments else io.BytesIO(out))
            self.assertEqual((array.shape, array.dtype), ((0, 256), numpy.dtype("<f4")))

    def test_smaller_dimensions_are_cut_and_of_unit_length_again(self):
        full = self.jsonl_array()
        for dim in (512, 256, 128):
            cut = self.jsonl_array("--dim", dim)
            self.assertEqual(cut.shape, (4, dim))
            self.assertLess(numpy.abs(numpy.linalg.norm(cut, axis=1) - 1).max(), 1e-6)
            expected = full[:, :dim] / numpy.linalg.norm(full[:, :dim].astype("f8"), axis=1, keepdims=True)
            self.assertLess(numpy.abs(cut - expected).max(), 1e-6)

    def test_without_normalisation_the_direction_is_the_same(self):
        raw = self.jsonl_array("--no-normalize").astype("f8")
        self.assertGreater(numpy.abs(numpy.linalg.norm(raw, axis=1) - 1).min(), 1e-3)
        unit = raw / numpy.linalg.norm(raw, axis=1, keepdims=True)
        self.assertLess(numpy.abs(unit - self.jsonl_array()).max(), 1e-6)

    def test_numbers_are_as_short_as_they_can_be(self):
        row = self.embed(stdin="one").text
        for word in json.loads(row, parse_float=str)["embedding"]:
            self.assertLessEqual(len(word), len(repr(float(numpy.float32(word)))), word)
            self.assertEqual(numpy.float32(word), numpy.float32(float(word)))


class Tokens(CliTest):
    def test_one_vector_a_token_in_every_format(self):
        rows = self.embed("--output", "tokens", stdin=TEXTS).jsonl
        lengths = [row["tokens"] for row in self.run_cli("tokenize", "--json", stdin=TEXTS).jsonl]
        self.assertEqual([len(row["token_embeddings"]) for row in rows], lengths)
        expected = numpy.concatenate([numpy.array(row["token_embeddings"], dtype="<f4") for row in rows])
        self.assertEqual(expected.shape, (sum(lengths), 768))
        npy = numpy.load(io.BytesIO(self.embed("--output", "tokens", "--output-format", "npy", stdin=TEXTS).out))
        self.assertTrue(numpy.array_equal(npy, expected))
        table = list(csv.DictReader(
            io.StringIO(self.embed("--output", "tokens", "--output-format", "csv", stdin=TEXTS).text)))  # fmt: skip
        self.assertEqual([(row["index"], row["token"]) for row in table],
                         [(str(i), str(t)) for i, n in enumerate(lengths) for t in range(n)])  # fmt: skip
        self.assertEqual(numpy.float32(table[-1]["e767"]), expected[-1, -1])

    def test_ids_have_tokens_too(self):
        ids = self.run_cli("tokenize", stdin=TEXTS).out
        a = self.run_cli("embed", "--ids", "--output", "tokens", "--output-format", "f32", stdin=ids).out
        self.assertEqual(a, self.embed("--output", "tokens", "--output-format", "f32", stdin=TEXTS).out)


class Files(CliTest):
    def test_an_error_leaves_whole_records_beside_and_the_old_file_alone(self):
        self.path("out", b"old")
        stdin = "".join(json.dumps(f"text {i}") + "\n" for i in range(300)) + "{broken\n"
        answer = self.embed("--input-format", "jsonl", "-o", "out", stdin=stdin, code=1)
        self.assertSays(answer.err, "standard input:301: not valid JSON", "written to out.part",
                        "which gets its name only when it is complete")  # fmt: skip
        self.assertEqual(self.read("out"), b"old")
        rows = [json.loads(line) for line in self.read("out.part").splitlines()]
        self.assertGreater(len(rows), 0)
        self.assertEqual([row["index"] for row in rows], list(range(len(rows))))
        self.assertSays(answer.err, f"{len(rows)} whole record")
        self.embed("-o", "out", stdin="fine")
        self.assertEqual(len(self.read("out").splitlines()), 1)
        self.assertNoLeftovers("out")

    def test_wrong_usage_touches_no_file(self):
        self.run_cli("embed", "--task", "nonsense", "-o", "out", stdin="x", code=2)
        self.embed("--dim", "5", "-o", "out", stdin="x", code=2)
        self.assertNoLeftovers()

    def test_full_disks_are_said_to_be_full(self):
        for form in ("jsonl", "csv", "npy", "f32"):
            answer = self.embed("--output-format", form, "-o", "/dev/full", stdin=TEXTS, code=1)
            self.assertSays(answer.err, "/dev/full: cannot write: No space left on device.", "0 whole records")
        with open("/dev/full", "wb") as full:
            for command in (["embed", "--task", "none"], ["tokenize"]):
                err = self.run_cli(*command, stdin="x\n", stdout=full, code=1).err
                self.assertSays(err, "standard output: cannot write: No space left on device.")
            for command in (["--version"], ["--help"], ["embed", "--help"], ["info"]):
                self.assertSays(self.run_cli(*command, stdout=full, code=1).err, "No space left on device")

    def test_a_file_that_hits_the_limit_ends_with_a_whole_record(self):
        script = f"ulimit -f 64; trap '' XFSZ; exec '{BIN}' embed --task none -o out"
        stdin = "".join(f"text {i}\n" for i in range(100)).encode()
        done = subprocess.run(["bash", "-c", script], input=stdin, capture_output=True, cwd=self.folder,
                              env=environment({"GEMVEC_CACHE": "/nowhere"}), check=False)  # fmt: skip
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertSays(done.stderr.decode(), "out.part: cannot write: File too large.")
        rows = [json.loads(line) for line in self.read("out.part").splitlines()]
        self.assertTrue(self.read("out.part").endswith(b"}\n"))
        self.assertSays(done.stderr.decode(), f"{len(rows)} whole records")

    def test_pipes_and_devices_are_written_directly(self):
        self.embed("-o", "/dev/null", stdin="x")
        self.assertFalse(os.path.exists("/dev/null.part"))
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))
        self.assertEqual(self.embed("-o", "/dev/stdout", stdin="x").out, self.embed(stdin="x").out)
        self.assertEqual(self.embed("-o", "-", stdin="x").out, self.embed(stdin="x").out)
        self.assertNoLeftovers()

    def test_a_folder_that_is_not_there_is_named(self):
        self.assertSays(self.embed("-o", "no/out", stdin="x", code=1).err, "no/out.part: cannot create: No such file")
        self.assertSays(self.embed("-o", ".", stdin="x", code=1).err, ".: cannot write: Is a directory")


if __name__ == "__main__":
    unittest.main()
