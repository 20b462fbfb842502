# Input of `gemvec embed` and `gemvec tokenize`: formats, prompts, lengths, and what is wrong with them.

import json
import os
import unittest

from harness import CliTest, tiny_model


def vectors(answer):
    return [row["embedding"] for row in answer.jsonl]


class Formats(CliTest):
    TEXTS = ["first", "", "a, \"quoted\" text", "two\nlines", "  spaces  ", "Grüße, 世界 🌍"]

    def setUp(self):
        super().setUp()
        self.objects = "".join(json.dumps({"id": i, "text": text}) + "\n" for i, text in enumerate(self.TEXTS))

    def test_jsonl_csv_and_files_give_the_same_vectors(self):
        expected = vectors(self.embed("--input-format", "jsonl", stdin=self.objects))
        self.assertEqual(len(expected), len(self.TEXTS))
        quoted = [text.replace('"', '""') for text in self.TEXTS]
        csv = "id,text\n" + "".join(f'{i},"{text}"\n' for i, text in enumerate(quoted))
        self.assertEqual(vectors(self.embed("--input-format", "csv", stdin=csv)), expected)
        files = [self.path(f"{i}.txt", text) for i, text in enumerate(self.TEXTS)]
        answer = self.embed("--input-format", "file", *files)
        self.assertEqual(vectors(answer), expected)
        self.assertEqual([row["id"] for row in answer.jsonl], files)

    def test_lines_from_files_standard_input_and_both(self):
        a, b = self.path("a", "one\ntwo\n"), self.path("b", "three")
        expected = vectors(self.embed(stdin="one\ntwo\nthree\n"))
        self.assertEqual(vectors(self.embed(a, b)), expected)
        self.assertEqual(vectors(self.embed(a, "-", stdin="three")), expected)
        self.assertEqual(vectors(self.embed(stdin="one\r\ntwo\r\nthree\r\n")), expected)

    def test_rows_come_in_the_order_of_the_texts_whatever_their_lengths(self):
        texts = [("word " * (i * 37 % 13)).strip() or f"t{i}" for i in range(600)]
        rows = self.embed("--dim", "128", stdin="\n".join(texts)).jsonl
        self.assertEqual([row["index"] for row in rows], list(range(len(texts))))
        for i in (0, 1, 299, 599):
            self.assertEqual(self.embed("--dim", "128", stdin=texts[i]).jsonl[0]["embedding"], rows[i]["embedding"])

    def test_empty_input_has_no_rows_and_an_empty_line_is_a_text(self):
        for form in ("lines", "jsonl", "csv"):
            self.assertEqual(self.embed("--input-format", form, stdin="").out, b"")
        rows = self.embed(stdin="\n").jsonl
        self.assertEqual([row["tokens"] for row in rows], [2])
        self.assertEqual(self.embed("--input-format", "jsonl", stdin='""\n').jsonl[0]["embedding"],
                         rows[0]["embedding"])  # fmt: skip

    def test_ids_are_carried_through(self):
        stdin = '{"text":"a","id":"x\\"y"}\n{"text":"b","id":12}\n{"text":"c"}\n{"key":"k","text":"d"}\n'
        rows = self.embed("--input-format", "jsonl", stdin=stdin).jsonl
        self.assertEqual([row.get("id") for row in rows], ['x"y', 12, None, None])
        rows = self.embed("--input-format", "jsonl", "--id-field", "key", stdin=stdin).jsonl
        self.assertEqual([row.get("id") for row in rows], [None, None, None, "k"])

    def test_field_names_the_text(self):
        a = self.embed("--input-format", "jsonl", "--field", "body", stdin='{"body":"x","text":"y"}')
        b = self.embed("--input-format", "csv", "--field", "body", stdin="text,body\ny,x\n")
        self.assertEqual(vectors(a), vectors(self.embed(stdin="x")))
        self.assertEqual(vectors(b), vectors(a))

    def test_errors_name_file_line_field_and_what_was_expected(self):
        bad = self.path("bad.jsonl", '{"text":"a"}\n{"text":5}\n')
        err = self.embed("--input-format", "jsonl", bad, code=1).err
        self.assertSays(err, f"{bad}:2: expected a string in \"text\", found a number.")
        err = self.embed("--input-format", "jsonl", stdin="{", code=1).err
        self.assertSays(err, "standard input:1: not valid JSON")
        err = self.embed("--input-format", "csv", stdin="a,b\n1,2\n", code=1).err
        self.assertSays(err, "standard input:1:", '"text"', "a, b")
        err = self.embed("--input-format", "csv", stdin='text\n"open\n', code=1).err
        self.assertSays(err, "not valid CSV", "never ends")
        self.assertSays(self.embed("missing.txt", code=1).err, "missing.txt: cannot open: No such file")
        self.assertSays(self.embed("/", code=1).err, "/: cannot read: Is a directory")

    def test_ten_megabytes_in_one_line_are_cut_and_counted(self):
        row = self.embed("--dim", "128", stdin=b"word " * 2_000_000)
        self.assertEqual([(r["tokens"], r["truncated"]) for r in row.jsonl], [(2048, True)])
        self.assertSays(row.err, "1 of 1 text cut to 2048 tokens (--truncate)")

    def test_a_line_above_the_limit_is_refused(self):
        err = self.embed(stdin=b"x" * (65 << 20), code=1).err
        self.assertSays(err, "standard input:1: the line is longer than 67108864 bytes")


class Text(CliTest):
    def test_invalid_utf8_is_replaced_counted_and_no_error(self):
        answer = self.embed(stdin=b"a\xff\xfeb\nfine\n\xc3")
        self.assertEqual(vectors(answer), vectors(self.embed(stdin="a\ufffd\ufffdb\nfine\n\ufffd")))
        self.assertSays(answer.err, "2 of 3 texts had invalid UTF-8: 3 sequences replaced by U+FFFD.")
        jsonl = self.embed("--input-format", "jsonl", stdin=b'"a\xff\xfeb"')
        self.assertEqual(vectors(jsonl), vectors(answer)[:1])

    def test_truncation_sides_and_error(self):
        text = " ".join(f"w{i}" for i in range(200))
        right, left = (self.embed("--max-tokens", "20", "--truncate", side, stdin=text) for side in ("right", "left"))
        self.assertNotEqual(vectors(right), vectors(left))
        self.assertEqual([r.jsonl[0]["tokens"] for r in (right, left)], [20, 20])
        self.assertEqual([r.jsonl[0]["truncated"] for r in (right, left)], [True, True])
        path = self.path("long.txt", "short\n" + text + "\n")
        refused = self.embed("--max-tokens", "20", "--truncate", "error", path, code=1)
        self.assertSays(refused.err, f"{path}:2: the text has ", "tokens with its prompt, the most is 20")
        self.assertEqual(refused.out, b"")

    def test_control_text_is_parsed_or_read_as_characters(self):
        parse = self.run_cli("tokenize", "--control-text", "parse", stdin="<bos>").text.split()
        text = self.run_cli("tokenize", "--control-text", "text", stdin="<bos>").text.split()
        self.assertEqual(parse, ["2", "2", "1"])
        self.assertNotIn("2", text[1:])

    def test_task_is_required_and_errors_list_the_tasks(self):
        for arguments in ([], ["--task", "serach"]):
            answer = self.run_cli("embed", *arguments, stdin="x", code=2)
            self.assertSays(answer.err, "retrieval-query", "semantic-similarity", "none", "See: gemvec embed --help")
            self.assertEqual(answer.out, b"")

    def test_prompts_are_put_before_the_text(self):
        def same(arguments, text):
            answer = self.run_cli("embed", *arguments, stdin="x\n")
            self.assertEqual(vectors(answer), vectors(self.embed(stdin=text + "\n")), arguments)

        same(["--task", "retrieval-query"], "task: search result | query: x")
        same(["--task", "Retrieval_Query"], "task: search result | query: x")
        same(["--task", "retrieval-document"], "title: none | text: x")
        same(["--task", "retrieval-document", "--title", "T"], "title: T | text: x")
        same(["--prompt", "my: "], "my: x")
        same(["--task", "clustering", "--prompt", "my: "], "my: x")

    def test_titles_of_records_take_the_place_of_the_common_one(self):
        stdin = '{"text":"x","title":"A"}\n{"text":"y"}\n{"text":"z","title":""}\n'
        got = vectors(self.run_cli("embed", "--task", "document", "--input-format", "jsonl", stdin=stdin))
        lines = "title: A | text: x\ntitle: none | text: y\ntitle: none | text: z\n"
        self.assertEqual(got, vectors(self.embed(stdin=lines)))
        got = vectors(self.run_cli("embed", "--task", "query", "--input-format", "jsonl", stdin=stdin))
        self.assertEqual(got, vectors(self.run_cli("embed", "--task", "query", stdin="x\ny\nz\n")))

    def test_titles_and_prompts_that_contradict_are_refused(self):
        self.assertSays(self.run_cli("embed", "--task", "query", "--title", "T", code=2).err, "title")
        self.run_cli("embed", "--task", "document", "--title", "T", "--prompt", "p", code=2)

    def test_a_prompt_that_is_there_already_is_noticed(self):
        answer = self.run_cli("embed", "--task", "query", stdin="task: search result | query: x\ny\n")
        self.assertSays(answer.err, "1 of 2 texts began with the task's prompt already")

    def test_wrong_dimensions_types_and_formats_list_what_there_is(self):
        self.assertSays(self.embed("--dim", "100", code=2).err, "768", "512", "256", "128")
        self.assertSays(self.embed("--dtype", "fp16", code=2).err, "fp32", "bf16")
        self.assertSays(self.embed("--output-format", "xml", code=2).err, "jsonl", "csv", "npy", "f32")
        self.assertSays(self.embed("--input-format", "xml", code=2).err, "lines", "jsonl", "csv", "file")
        self.assertSays(self.embed("--frobnicate", code=2).err, "--frobnicate", "See: gemvec embed --help")


class TokenIds(CliTest):
    def test_ids_from_tokenize_give_the_vectors_of_the_texts(self):
        texts = "one text\nanother\n\n"
        expected = vectors(self.run_cli("embed", "--task", "query", stdin=texts))
        plain = self.run_cli("tokenize", "--task", "query", stdin=texts)
        self.assertEqual(vectors(self.run_cli("embed", "--ids", stdin=plain.out)), expected)
        rows = self.run_cli("tokenize", "--task", "query", "--json", stdin=texts)
        self.assertEqual(vectors(self.run_cli("embed", "--ids", "--input-format", "jsonl", stdin=rows.out)), expected)

    def test_ids_are_checked(self):
        self.assertSays(self.run_cli("embed", "--ids", stdin="2 1\n\n", code=1).err,
                        "standard input:2: expected 1 to 2048 token ids, found 0.")  # fmt: skip
        self.assertSays(self.run_cli("embed", "--ids", stdin="2 99999999 1", code=1).err,
                        "standard input:1: token id 99999999 is outside the table")  # fmt: skip
        self.run_cli("embed", "--ids", stdin="2 -5 1", code=1)
        self.run_cli("embed", "--ids", stdin="2 " * 2049, code=1)
        self.assertSays(self.run_cli("embed", "--ids", "--task", "query", stdin="2 1", code=2).err, "--ids")
        self.assertSays(self.run_cli("embed", "--ids", stdin="\x1b[31mred", code=1).err, 'found " [31mred"')
        self.run_cli("embed", "--ids", "--task", "none", stdin="2 1")


class Tokenize(CliTest):
    def test_one_line_a_text(self):
        rows = self.run_cli("tokenize", "--json", stdin="ab\n\nx\n").jsonl
        plain = self.run_cli("tokenize", stdin="ab\n\nx\n").lines
        self.assertEqual([" ".join(map(str, row["ids"])) for row in rows], plain)
        for row in rows:
            self.assertEqual(list(row), ["ids", "tokens", "truncated"])
            self.assertEqual((row["ids"][0], row["ids"][-1], row["tokens"]), (2, 1, len(row["ids"])))
        self.assertEqual(rows[1]["ids"], [2, 1])

    def test_pieces_and_offsets_are_in_bytes_of_prompt_and_text(self):
        text = "Grüße an 世界\tx"
        row = self.run_cli("tokenize", "--pieces", "--task", "query", stdin=text).json
        whole = ("task: search result | query: " + text).encode()
        self.assertEqual(row["prompt_bytes"], len("task: search result | query: "))
        self.assertEqual(len(row["pieces"]), len(row["ids"]))
        self.assertEqual(b"".join(whole[begin:end] for begin, end in row["offsets"]), whole)
        self.assertEqual((row["pieces"][0], row["pieces"][-1]), ("<bos>", "<eos>"))

    def test_needs_the_tokenizer_only(self):
        os.mkdir(self.path("m"))
        with open(os.path.join(tiny_model()["GEMVEC_MODEL"], "tokenizer.json"), "rb") as file:
            self.path("m/tokenizer.json", file.read())
        got = self.run_cli("tokenize", "--model", "m", stdin="hello")
        self.assertEqual(got.out, self.run_cli("tokenize", stdin="hello").out)

    def test_lengths_and_bos_eos(self):
        text = " ".join(f"w{i}" for i in range(3000))
        cut = self.run_cli("tokenize", "--json", stdin=text)
        self.assertEqual((cut.json["tokens"], cut.json["truncated"]), (2048, True))
        self.assertSays(cut.err, "1 of 1 text cut to 2048 tokens")
        whole = self.run_cli("tokenize", "--json", "--max-tokens", "0", stdin=text).json
        self.assertGreater(whole["tokens"], 2048)
        self.assertFalse(whole["truncated"])
        bare = self.run_cli("tokenize", "--json", "--max-tokens", "0", "--no-bos-eos", stdin=text).json
        self.assertEqual(bare["ids"], whole["ids"][1:-1])
        self.run_cli("tokenize", "--max-tokens", "1", stdin="x", code=2)
        err = self.run_cli("tokenize", "--truncate", "error", stdin="x\n" + text, code=1).err
        self.assertSays(err, "standard input:2: ", "2048")

    def test_model_folders_without_a_tokenizer_are_named(self):
        self.assertSays(self.run_cli("tokenize", "--model", "nowhere", code=1).err, "nowhere")


if __name__ == "__main__":
    unittest.main()
