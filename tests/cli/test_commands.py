# The other commands, on a tiny model: similarity, verify, info, bench, pull; and what is wrong usage.

import json
import os
import unittest

from harness import CliTest, tiny_model

DOCUMENTS = ["first document", "a second one", "first document", "[brackets, commas] {and} %braces%"]


class Similarity(CliTest):
    def ranked(self, *arguments, stdin=b""):
        return self.run_cli("similarity", "--json", "--query", "which?", *arguments, stdin=stdin).json["results"]

    def test_ranks_best_first_and_keeps_the_order_of_equals(self):
        results = self.ranked(*DOCUMENTS)
        self.assertEqual([result["rank"] for result in results], [1, 2, 3, 4])
        scores = [result["similarity"] for result in results]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertEqual({result["index"]: result["document"] for result in results}, dict(enumerate(DOCUMENTS)))
        equal = [result["index"] for result in results if result["document"] == "first document"]
        self.assertEqual(equal, [0, 2])

    def test_similarities_are_those_of_the_vectors(self):
        def vectors(task, texts):
            answer = self.run_cli("embed", "--task", task, "--dim", "256", stdin="\n".join(texts))
            return [row["embedding"] for row in answer.jsonl]

        query = vectors("retrieval-query", ["which?"])[0]
        expected = [sum(a * b for a, b in zip(query, v)) for v in vectors("retrieval-document", DOCUMENTS)]
        for result in self.ranked("--dim", "256", *DOCUMENTS):
            self.assertAlmostEqual(result["similarity"], expected[result["index"]], places=6)
        both = self.ranked("--query-task", "STS", "--doc-task", "STS", "which?")
        self.assertAlmostEqual(both[0]["similarity"], 1, places=6)

    def test_documents_from_arguments_lines_and_files_are_the_same(self):
        strip = lambda results: [(r["index"], r["similarity"]) for r in results]  # noqa: E731
        expected = strip(self.ranked(*DOCUMENTS))
        self.assertEqual(strip(self.ranked("--docs-file", "-", stdin="\n".join(DOCUMENTS))), expected)
        files = [self.path(f"d{i}", text) for i, text in enumerate(DOCUMENTS)]
        results = self.ranked("--files", *files)
        self.assertEqual(strip(results), expected)
        self.assertEqual({result["index"]: result["file"] for result in results}, dict(enumerate(files)))

    def test_text_output_has_four_decimals_and_one_line_a_document(self):
        answer = self.run_cli("similarity", "--query", "q", "two\nlines", "x", "--stats")
        self.assertEqual(len(answer.lines), 2)
        for line in answer.lines:
            self.assertRegex(line, r"^-?\d\.\d{4}  (two lines|x)$")
        self.assertRegex(answer.err, r"3 texts, \d+ tokens in .* tokens/s")

    def test_top_keeps_the_best(self):
        self.assertEqual(self.ranked("--top", "2", *DOCUMENTS), self.ranked(*DOCUMENTS)[:2])

    def test_no_documents_are_an_error(self):
        self.assertSays(self.run_cli("similarity", "--query", "q", code=2).err, "no document", "--docs-file")
        self.assertSays(self.run_cli("similarity", "--query", "q", "--docs-file", "-", code=2).err, "no document")
        self.assertSays(self.run_cli("similarity", "doc", code=2).err, "--query")
        self.assertSays(self.run_cli("similarity", "--query", "q", "--files", "missing", code=1).err, "missing")
        self.assertSays(self.run_cli("similarity", "--query", "q", "d", "--doc-task", "no", code=2).err, "clustering")

    def test_documents_that_are_cut_are_counted(self):
        self.assertSays(self.run_cli("similarity", "--query", "q", "word " * 5000).err, "1 of 2 texts cut to 2048")


class Others(CliTest):
    def test_verify_refuses_another_model(self):
        for arguments in ([], ["--json"]):
            answer = self.run_cli("verify", *arguments, code=1)
            self.assertEqual(answer.out, b"")
            self.assertSays(answer.err, "verify", "release")

    def test_foreign_weights_are_warned_of_at_every_load(self):
        for _ in range(2):
            self.assertSays(self.embed(stdin="x").err, "warning", "do not give the release's vectors")

    def test_info_as_text_and_json(self):
        info = self.run_cli("info", "--json", "--dtype", "fp32", "--threads", "1").json
        self.assertEqual((info["dtype"], info["threads"], info["width"]), ("fp32", 1, 768))
        self.assertEqual(info["model"], tiny_model()["GEMVEC_MODEL"])
        self.assertEqual(info["check"], "different")
        self.assertEqual([isa["name"] for isa in info["instruction_sets"] if isa["selected"]], [info["isa"]])
        self.assertGreater(info["peak_memory_bytes"], info["workspace_bytes"])
        self.assertSays(self.run_cli("info").text, "gemvec", "weights", "instruction set", "threads", "peak memory")

    def test_info_hashes_the_files_when_asked(self):
        answer = self.run_cli("info", "--json", "--hash").json
        self.assertIn("model.safetensors", answer["sha256"])
        self.assertEqual({file["release"] for file in answer["sha256"].values()}, {False})
        self.assertSays(self.run_cli("info", "--hash").text, "DIFFERENT")

    def test_info_without_a_model_downloads_nothing(self):
        empty = {"GEMVEC_MODEL": None, "GEMVEC_CACHE": self.path("cache")}
        self.assertSays(self.run_cli("info", env=empty).text, "gemvec pull")
        self.assertNotIn("model", self.run_cli("info", "--json", env=empty).json)

    def test_forced_instruction_sets_are_used_or_refused(self):
        self.assertEqual(self.run_cli("info", "--json", env={"GEMVEC_ISA": "scalar"}).json["isa"], "scalar")
        self.assertSays(self.embed(stdin="x", env={"GEMVEC_ISA": "mmx"}, code=1).err, "mmx")
        for isa in self.run_cli("info", "--json").json["instruction_sets"]:
            if not isa["supported"]:
                self.assertSays(self.embed(stdin="x", env={"GEMVEC_ISA": isa["name"]}, code=1).err, isa["name"])

    def test_bench_reports_what_it_ran(self):
        report = self.run_cli("bench", "--json", "--lengths", "16,64", "--batch", "3", "--seconds", "0").json
        self.assertEqual([(row["name"], row["texts"], row["tokens"]) for row in report["results"]],
                         [("16 tokens", 3, 48), ("64 tokens", 3, 192)])  # fmt: skip
        self.assertGreater(report["peak_gflops"], 0)
        for row in report["results"]:
            self.assertGreaterEqual(row["calls"], 3)
            self.assertAlmostEqual(row["tokens_per_second"] / (row["tokens"] / row["median_seconds"]), 1, places=2)
        text = self.run_cli("bench", "--lengths", "16", "--batch", "1", "--seconds", "0").lines
        self.assertEqual(len(text), 3)
        self.assertIn("GFLOP/s", text[0])

    def test_bench_takes_texts(self):
        groups = self.path("texts.json", json.dumps({"short": ["a", "b"], "one": ["some words"]}))
        report = self.run_cli("bench", "--json", "--texts", groups, "--seconds", "0").json
        self.assertEqual([(row["name"], row["texts"]) for row in report["results"]], [("short", 2), ("one", 1)])
        lines = self.path("texts.txt", "a\nb\nc\n")
        report = self.run_cli("bench", "--json", "--texts", lines, "--seconds", "0", "--task", "query").json
        self.assertEqual(report["results"][0]["texts"], 3)
        self.assertSays(self.run_cli("bench", "--texts", self.path("bad", '{"a": [1]}'), code=1).err, '"a"')
        self.assertSays(self.run_cli("bench", "--lengths", "1", code=2).err, "--lengths")

    def test_pull_prints_the_folder_and_what_differs(self):
        answer = self.run_cli("pull")
        self.assertEqual(answer.text, tiny_model()["GEMVEC_MODEL"] + "\n")
        self.assertSays(answer.err, "model.safetensors")
        self.assertSays(self.run_cli("pull", "--verify", code=1).err, "SHA-256")

    def test_pull_offline_says_what_to_do(self):
        empty = {"GEMVEC_MODEL": None, "GEMVEC_CACHE": self.path("cache")}
        self.assertSays(self.run_cli("pull", "--offline", env=empty, code=1).err, "gemvec pull")

    def test_folders_that_are_no_models_are_named(self):
        for command in (["embed", "--task", "none"], ["info"], ["verify"], ["bench"], ["tokenize"]):
            self.assertSays(self.run_cli(*command, "--model", "nowhere", stdin="x", code=1).err, "nowhere")
        os.mkdir(self.path("empty"))
        self.assertSays(self.embed("--model", "empty", stdin="x", code=1).err, "empty: expected a model folder")


class Usage(CliTest):
    def test_version_help_and_wrong_usage(self):
        self.assertRegex(self.run_cli("--version").text, r"^gemvec \d+\.\d+\.\d+\n$")
        for command in ("embed", "similarity", "tokenize", "verify", "info", "bench", "pull"):
            self.assertSays(self.run_cli("--help").text, command)
            self.assertSays(self.run_cli(command, "--help").text, f"Usage: gemvec {command}")
        self.assertSays(self.run_cli(code=2).err, "embed", "See: gemvec --help")
        self.assertSays(self.run_cli("frobnicate", code=2).err, "frobnicate", "See: gemvec --help")
        self.assertSays(self.embed("--threads", "0", code=2).err, "--threads", "See: gemvec embed --help")
        self.assertSays(self.embed("--max-tokens", "1", code=2).err, "--max-tokens")


if __name__ == "__main__":
    unittest.main()
