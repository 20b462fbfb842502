# The routes of text-embeddings-inference: what they take, what they give, and that the vectors are the command's own.

import json
import unittest

import numpy
from harness import ServerTest, embed, long_text, run_cli, tokenize

TEXTS = ["the query", "a task: one, two", "日本 is 9 times <b>there</b>", "no " * 30 + "rain"]
QUERY = "task: search result | query: "
TIMES = ("x-compute-time", "x-total-time", "x-tokenization-time", "x-queue-time", "x-inference-time")


def ids(text):
    return tokenize(text)["ids"]


class Embed(ServerTest):
    def test_one_text_is_a_list_of_one_vector_with_the_command_s_bits(self):
        self.assertSameBits(self.ok("/embed", {"inputs": TEXTS[0]}), embed(TEXTS[:1]))

    def test_many_texts_come_back_in_their_order(self):
        self.assertSameBits(self.ok("/embed", {"inputs": TEXTS}), embed(TEXTS))
        self.assertSameBits(self.ok("/embed", {"inputs": TEXTS[::-1]}), embed(TEXTS)[::-1])
        self.assertSameBits(self.ok("/embed", {"inputs": TEXTS[:1] * 3}), embed(TEXTS[:1] * 3))

    def test_aliases_answer_with_the_same_bytes(self):
        body = {"inputs": TEXTS, "prompt_name": "query"}
        expected = self.post("/embed", body).body
        for path in ("/", "/invocations"):
            self.assertEqual(self.post(path, body).body, expected, path)

    def test_the_body_is_compact_json_of_shortest_floats(self):
        body = self.post("/embed", {"inputs": TEXTS[:2]}).text
        self.assertRegex(body, r"^\[\[[-0-9.e,+]+\],\[[-0-9.e,+]+\]\]$")
        for number in body.strip("[]").replace("],[", ",").split(","):
            self.assertLessEqual(len(number.lstrip("-").replace(".", "").lstrip("0").partition("e")[0]), 9, number)

    def test_prompt_names_put_their_prompt_before_the_text(self):
        for name, prompt in (("query", QUERY), ("document", "title: none | text: "), ("Retrieval-query", QUERY),
                             ("Clustering", "task: clustering | query: "), (None, "")):  # fmt: skip
            got = self.ok("/embed", {"inputs": TEXTS, "prompt_name": name})
            self.assertSameBits(got, embed([prompt + text for text in TEXTS]))

    def test_tasks_and_titles_are_understood_as_well(self):
        self.assertSameBits(self.ok("/embed", {"inputs": TEXTS, "task": "retrieval-query"}),
                            embed(TEXTS, "--task", "retrieval-query"))  # fmt: skip
        self.assertSameBits(self.ok("/embed", {"inputs": TEXTS, "task": "retrieval-document", "title": "rain"}),
                            embed(TEXTS, "--task", "retrieval-document", "--title", "rain"))  # fmt: skip

    def test_normalize_false_gives_the_head_s_own_output(self):
        raw = self.ok("/embed", {"inputs": TEXTS, "normalize": False})
        self.assertSameBits(raw, embed(TEXTS, "--no-normalize"))
        self.assertGreater(abs(numpy.linalg.norm(raw[0]) - 1), 1e-3)

    def test_dimensions_are_a_prefix_made_unit_length_again(self):
        whole = embed(TEXTS).astype(numpy.float64)
        for width in (768, 512, 256, 128):
            got = self.ok("/embed", {"inputs": TEXTS, "dimensions": width})
            self.assertSameBits(got, embed(TEXTS, "--dim", str(width), width=width))
        for width in (1, 100, 767):
            prefix = whole[:, :width]
            expected = prefix / numpy.linalg.norm(prefix, axis=1, keepdims=True)
            self.assertNear(self.ok("/embed", {"inputs": TEXTS, "dimensions": width}), expected, 1e-6)
        self.assertSameBits(self.ok("/embed", {"inputs": TEXTS, "dimensions": None}), embed(TEXTS))

    def test_long_texts_are_cut_on_the_side_that_is_asked_for(self):
        text = long_text(1, words=3000)
        for direction, side in (("Right", "right"), ("right", "right"), ("Left", "left"), ("left", "left")):
            got = self.ok("/embed", {"inputs": text, "truncate": True, "truncation_direction": direction})
            self.assertSameBits(got, embed([text], "--truncate", side))
        self.assertSameBits(self.ok("/embed", {"inputs": text}), embed([text]))
        self.assertSameBits(self.ok("/embed", {"inputs": text, "truncate": None}), embed([text]))

    def test_token_ids_are_a_text_that_is_tokenised_already(self):
        rows = [ids(text) for text in TEXTS]
        self.assertSameBits(self.ok("/embed", {"inputs": rows[0]}), embed(TEXTS[:1]))
        self.assertSameBits(self.ok("/embed", {"inputs": rows}), embed(TEXTS))
        self.assertSameBits(self.ok("/embed", {"inputs": [rows[0], TEXTS[1], rows[2], TEXTS[3]]}), embed(TEXTS))

    def test_any_kind_of_json_content_type_will_do(self):
        for kind in ("application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"):
            answer = self.post("/embed", json.dumps({"inputs": TEXTS[0]}), {"Content-Type": kind})
            self.assertEqual(answer.status, 200, kind)

    def test_unknown_fields_are_ignored_and_counted(self):
        got = self.ok("/embed", {"inputs": TEXTS[0], "colour_of_it": {"deep": [1, None]}})
        self.assertSameBits(got, embed(TEXTS[:1]))
        self.assertIn("colour_of_it", self.server.metrics().text)

    def test_white_space_and_text_of_any_script_are_texts(self):
        texts = [" ", "\n", "\u0000", "😀", "é" * 10, '"\\', "<bos>"]
        self.assertSameBits(self.ok("/embed", {"inputs": texts}), embed(texts))


class Headers(ServerTest):
    def check(self, answer, characters, tokens):
        self.assertEqual(answer.status, 200, answer)
        self.assertTrue(answer.headers["x-compute-type"])
        for name in TIMES:
            self.assertRegex(answer.headers[name] or "", r"^\d+$", name)
        self.assertEqual(answer.headers["x-compute-characters"], str(characters))
        self.assertEqual(answer.headers["x-compute-tokens"], str(tokens))

    def test_count_characters_without_and_tokens_with_the_prompt(self):
        text = TEXTS[2]
        self.check(self.post("/embed", {"inputs": text}), len(text), len(ids(text)))
        self.check(self.post("/embed", {"inputs": text, "prompt_name": "query"}), len(text), len(ids(QUERY + text)))
        self.check(self.post("/embed", {"inputs": ids(text)}), len(ids(text)), len(ids(text)))

    def test_add_up_over_a_batch(self):
        characters, tokens = sum(map(len, TEXTS)), sum(len(ids(text)) for text in TEXTS)
        self.check(self.post("/embed", {"inputs": TEXTS}), characters, tokens)
        self.check(self.post("/embed_all", {"inputs": TEXTS}), characters, tokens)
        self.check(self.post("/v1/embeddings", {"input": TEXTS, "model": "m"}), characters, tokens)
        similarity = {"source_sentence": TEXTS[0], "sentences": TEXTS[1:]}
        self.check(self.post("/similarity", {"inputs": similarity}), characters, tokens)

    def test_are_only_where_something_was_computed(self):
        answers = [self.post("/tokenize", {"inputs": "a"}), self.post("/decode", {"ids": [2]}), self.get("/info"),
                   self.post("/embed", {"inputs": ""})]  # fmt: skip
        for answer in answers:
            self.assertNotIn("x-compute-tokens", answer.headers)


class EmbedAll(ServerTest):
    def test_gives_a_row_per_token(self):
        rows = self.ok("/embed_all", {"inputs": TEXTS})
        lines = run_cli("embed", "--task", "none", "--output", "tokens", "--input-format", "jsonl",
                        stdin="".join(json.dumps({"text": text}) + "\n" for text in TEXTS)).splitlines()  # fmt: skip
        self.assertEqual(len(rows), len(TEXTS))
        for row, line in zip(rows, lines, strict=True):
            self.assertSameBits(row, json.loads(line)["token_embeddings"])

    def test_one_text_is_a_list_of_one_and_prompts_count(self):
        rows = self.ok("/embed_all", {"inputs": TEXTS[0], "prompt_name": "query"})
        self.assertEqual(numpy.shape(rows), (1, len(ids(QUERY + TEXTS[0])), 768))


class Similarity(ServerTest):
    def ask(self, **parameters):
        body = {"inputs": {"source_sentence": TEXTS[0], "sentences": TEXTS[1:]}}
        return self.ok("/similarity", dict(body, **parameters))

    def test_is_the_cosine_of_each_sentence(self):
        vectors = embed(TEXTS).astype(numpy.float64)
        self.assertNear(self.ask(), vectors[1:] @ vectors[0], 1e-6)

    def test_takes_parameters_that_may_be_absent_null_or_empty(self):
        for parameters in (None, {}, {"truncate": True, "truncation_direction": "left"}):
            self.assertEqual(self.ask(parameters=parameters), self.ask())
        vectors = embed([QUERY + text for text in TEXTS]).astype(numpy.float64)
        self.assertNear(self.ask(parameters={"prompt_name": "query"}), vectors[1:] @ vectors[0], 1e-6)


class Tokens(ServerTest):
    def expected(self, text, prompt=""):
        """What TEI makes of the command's pieces: byte ranges of the text, none for BOS and EOS."""
        pieces, raw = tokenize(prompt + text), (prompt + text).encode()
        rows, last = [], len(pieces["ids"]) - 1
        for i, (number, piece, (start, stop)) in enumerate(
                zip(pieces["ids"], pieces["pieces"], pieces["offsets"], strict=True)):  # fmt: skip
            if i in (0, last):
                rows.append({"id": number, "text": piece, "special": True, "start": None, "stop": None})
            else:
                part = raw[start:stop].decode(errors="replace")
                rows.append({"id": number, "text": part, "special": False, "start": start, "stop": stop})
        return rows

    def test_tokens_have_the_range_of_bytes_they_stand_for(self):
        rows = self.ok("/tokenize", {"inputs": TEXTS})
        self.assertEqual(rows, [self.expected(text) for text in TEXTS])
        self.assertEqual(list(rows[0][0]), ["id", "text", "special", "start", "stop"])

    def test_one_text_is_a_list_of_one(self):
        self.assertEqual(self.ok("/tokenize", {"inputs": TEXTS[2]}), [self.expected(TEXTS[2])])

    def test_prompts_are_part_of_the_text(self):
        rows = self.ok("/tokenize", {"inputs": TEXTS[0], "prompt_name": "query"})
        self.assertEqual(rows, [self.expected(TEXTS[0], QUERY)])

    def test_special_tokens_can_be_left_out(self):
        rows = self.ok("/tokenize", {"inputs": TEXTS[0], "add_special_tokens": False})
        self.assertEqual(rows, [self.expected(TEXTS[0])[1:-1]])

    def test_text_longer_than_the_model_s_window_is_tokenised_whole(self):
        text = long_text(1, words=3000)
        self.assertEqual(len(self.ok("/tokenize", {"inputs": text})[0]), len(tokenize(text, "--max-tokens", "0")["ids"]))

    def test_decode_gives_the_text_back(self):
        rows = [[token["id"] for token in row] for row in self.ok("/tokenize", {"inputs": TEXTS})]
        self.assertEqual(self.ok("/decode", {"ids": rows}), TEXTS)
        self.assertEqual(self.ok("/decode", {"ids": rows[1]}), [TEXTS[1]])

    def test_decode_shows_special_tokens_if_asked(self):
        body = {"ids": ids(TEXTS[0]), "skip_special_tokens": False}
        self.assertEqual(self.ok("/decode", body), ["<bos>" + TEXTS[0] + "<eos>"])

    def test_text_of_a_special_token_is_one(self):
        row = self.ok("/tokenize", {"inputs": "a<eos>", "add_special_tokens": False})[0]
        self.assertEqual(row[-1]["id"], 1)


class Other(ServerTest):
    arguments = ("--served-model-name", "tiny")

    def test_vertex_wraps_requests_and_answers(self):
        got = self.ok("/vertex", {"instances": [{"inputs": TEXTS[0]}, {"inputs": TEXTS[1:], "dimensions": 128}]})
        self.assertEqual(list(got), ["predictions"])
        self.assertSameBits(got["predictions"][0], embed(TEXTS[:1]))
        self.assertSameBits(got["predictions"][1], embed(TEXTS[1:], "--dim", "128", width=128))

    def test_info_has_every_field_in_its_order(self):
        info = self.ok_get("/info")
        self.assertEqual(list(info), ["model_id", "model_sha", "model_dtype", "served_model_name", "model_type",
                                      "max_concurrent_requests", "max_input_length", "max_batch_tokens",
                                      "max_batch_requests", "max_client_batch_size", "auto_truncate",
                                      "tokenization_workers", "version", "sha", "docker_label"])  # fmt: skip
        self.assertEqual(info["served_model_name"], "tiny")
        self.assertEqual(info["model_type"], {"embedding": {"pooling": "mean"}})
        limits = ("max_concurrent_requests", "max_input_length", "max_batch_tokens", "max_client_batch_size")
        self.assertEqual([info[name] for name in limits], [512, 2048, 16384, 32])
        self.assertIs(info["auto_truncate"], True)
        self.assertGreaterEqual(info["tokenization_workers"], 1)
        for name in ("model_id", "model_dtype", "version"):
            self.assertIsInstance(info[name], str)

    def ok_get(self, path):
        answer = self.get(path)
        self.assertEqual((answer.status, answer.type), (200, "application/json"), answer)
        return answer.json

    def test_health_is_told_to_whoever_asks(self):
        for path in ("/health", "/ping", "/"):
            for method in ("GET", "HEAD"):
                self.assertEqual(self.server.request(method, path).status, 200, f"{method} {path}")

    def test_a_browser_gets_the_page_and_nobody_else_does(self):
        page = self.get("/", {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
        self.assertEqual((page.status, page.type), (200, "text/html"), page)
        for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
            answer = self.get("/", accept)
            self.assertEqual(answer.status, 200)
            self.assertNotIn("<html", answer.text.lower())

    def test_the_documentation_is_there(self):
        for path in ("/docs", "/docs/"):
            answer = self.get(path)
            self.assertIn(answer.status, (200, 303, 307, 308), answer)
        document = self.ok_get("/api-doc/openapi.json")
        self.assertRegex(document["openapi"], r"^3\.")
        for path in ("/embed", "/embed_all", "/similarity", "/v1/embeddings", "/tokenize", "/decode", "/vertex", "/info",
                     "/health", "/metrics", "/api/embed", "/v2/embed"):  # fmt: skip
            self.assertIn(path, document["paths"])


if __name__ == "__main__":
    unittest.main()
