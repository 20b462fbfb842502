# The routes of OpenAI, Ollama, Cohere and llama-server: each in its own form, all with the command's own vectors.

import base64
import json
import unittest

import numpy
from harness import ServerTest, embed, long_text, tokenize

TEXTS = ["the query", "a task: one, two", "日本 is 9 times"]


def floats(text):
    return numpy.frombuffer(base64.b64decode(text, validate=True), "<f4")


def signs(rows):
    return numpy.packbits(rows > 0, axis=1)


def ids(text):
    return tokenize(text)["ids"]


class OpenAi(ServerTest):
    arguments = ("--served-model-name", "tiny")

    def vectors(self, body, path="/v1/embeddings"):
        answer = self.ok(path, dict({"model": "m"}, **body))
        self.assertEqual([row["index"] for row in answer["data"]], list(range(len(answer["data"]))))
        return [row["embedding"] for row in answer["data"]]

    def test_the_answer_s_form(self):
        answer = self.ok("/v1/embeddings", {"input": TEXTS, "model": "something else", "user": "x"})
        self.assertEqual(list(answer), ["object", "data", "model", "usage"])
        self.assertEqual((answer["object"], answer["model"]), ("list", "tiny"))
        tokens = sum(len(ids(text)) for text in TEXTS)
        self.assertEqual(answer["usage"], {"prompt_tokens": tokens, "total_tokens": tokens})
        for row in answer["data"]:
            self.assertEqual(list(row), ["object", "embedding", "index"])
            self.assertEqual(row["object"], "embedding")

    def test_texts_and_ids_alone_and_in_lists(self):
        for path in ("/v1/embeddings", "/embeddings"):
            self.assertSameBits(self.vectors({"input": TEXTS[0]}, path), embed(TEXTS[:1]))
            self.assertSameBits(self.vectors({"input": TEXTS}, path), embed(TEXTS))
            self.assertSameBits(self.vectors({"input": ids(TEXTS[0])}, path), embed(TEXTS[:1]))
            self.assertSameBits(self.vectors({"input": [ids(text) for text in TEXTS]}, path), embed(TEXTS))

    def test_base64_is_little_endian_floats(self):
        got = [floats(text) for text in self.vectors({"input": TEXTS, "encoding_format": "base64"})]
        self.assertSameBits(got, embed(TEXTS))
        self.assertSameBits(self.vectors({"input": TEXTS, "encoding_format": "float"}), embed(TEXTS))

    def test_dimensions(self):
        got = self.vectors({"input": TEXTS, "dimensions": 256})
        self.assertSameBits(got, embed(TEXTS, "--dim", "256", width=256))
        self.assertSameBits(self.vectors({"input": TEXTS, "dimensions": None}), embed(TEXTS))

    def test_formats_with_fewer_bytes(self):
        codes = numpy.asarray(self.vectors({"input": TEXTS, "encoding_format": "int8"}))
        self.assertTrue((codes == codes.astype(numpy.int8)).all())
        cosines = (codes * embed(TEXTS)).sum(1) / numpy.linalg.norm(codes, axis=1)
        self.assertGreater(cosines.min(), 0.99)
        bits = numpy.asarray(self.vectors({"input": TEXTS, "encoding_format": "binary"}))
        self.assertEqual(bits.shape, (3, 96))

    def test_text_that_is_too_long_is_cut(self):
        text = long_text(1)
        self.assertSameBits(self.vectors({"input": text}), embed([text]))

    def test_models(self):
        answer = self.get("/v1/models").json
        self.assertEqual(answer["object"], "list")
        self.assertEqual([model["id"] for model in answer["data"]], ["tiny"])
        model = answer["data"][0]
        self.assertEqual(model["object"], "model")
        self.assertIsInstance(model["created"], int)
        self.assertIsInstance(model["owned_by"], str)
        self.assertEqual(self.get("/v1/models/tiny").json, model)
        missing = self.get("/v1/models/other")
        self.assertEqual(missing.status, 404)
        self.assertIn("other", missing.json["error"]["message"])


class Ollama(ServerTest):
    arguments = ("--served-model-name", "embeddinggemma")

    def error(self, path, body, status, message):
        answer = self.post(path, body)
        self.assertEqual((answer.status, answer.json), (status, {"error": message}))

    def test_embed_takes_a_text_or_a_list(self):
        for name in ("embeddinggemma", "embeddinggemma:latest"):
            answer = self.ok("/api/embed", {"model": name, "input": TEXTS})
            self.assertEqual(answer["model"], name)
            self.assertSameBits(answer["embeddings"], embed(TEXTS))
            self.assertEqual(answer["prompt_eval_count"], sum(len(ids(text)) for text in TEXTS))
            for field in ("total_duration", "load_duration"):
                self.assertIsInstance(answer.get(field, 0), int)
        answer = self.ok("/api/embed", {"model": "embeddinggemma", "input": TEXTS[0]})
        self.assertSameBits(answer["embeddings"], embed(TEXTS[:1]))

    def test_embed_ignores_options_and_the_content_type(self):
        body = {"model": "embeddinggemma", "input": TEXTS[0], "options": {"num_ctx": 8}, "keep_alive": "5m", "truncate": True}
        answer = self.post("/api/embed", json.dumps(body), {"Content-Type": "text/plain"})
        self.assertEqual(answer.status, 200, answer)
        self.assertSameBits(answer.json["embeddings"], embed(TEXTS[:1]))

    def test_no_input_is_no_vector(self):
        for body in ({}, {"input": ""}, {"input": []}):
            answer = self.ok("/api/embed", dict({"model": "embeddinggemma"}, **body))
            self.assertEqual(answer["embeddings"], [])

    def test_dimensions_beyond_the_model_s_are_ignored(self):
        for asked, width in ((128, 128), (768, 768), (1000, 768), (0, 768)):
            answer = self.ok("/api/embed", {"model": "embeddinggemma", "input": TEXTS, "dimensions": asked})
            expected = embed(TEXTS, "--dim", str(width), width=width)
            self.assertSameBits(answer["embeddings"], expected)

    def test_the_older_route_gives_the_same_vector(self):
        body = {"model": "embeddinggemma", "prompt": TEXTS[0]}
        self.assertSameBits([self.ok("/api/embeddings", body)["embedding"]], embed(TEXTS[:1]))
        self.assertEqual(self.ok("/api/embeddings", {"model": "embeddinggemma", "prompt": ""}), {"embedding": []})

    def test_what_is_refused(self):
        missing = 'model "llama3" not found, try pulling it first'
        self.error("/api/embed", {"model": "llama3", "input": "a"}, 404, missing)
        self.error("/api/embeddings", {"model": "llama3", "prompt": "a"}, 404, missing)
        self.error("/api/embeddings", {"prompt": "a"}, 400, "model is required")
        for value in ([1], [["a"]], 3, {"a": 1}):
            self.error("/api/embed", {"model": "embeddinggemma", "input": value}, 400, "invalid input type")
        self.error("/api/embed", b"", 400, "missing request body")
        self.assertEqual(self.post("/api/embed", b"{").status, 400)
        self.error("/api/embed", {"model": "embeddinggemma", "input": long_text(1), "truncate": False}, 400,
                   "the input length exceeds the context length")  # fmt: skip

    def test_the_model_is_listed(self):
        models = self.get("/api/tags").json["models"]
        self.assertEqual(len(models), 1)
        model = models[0]
        self.assertEqual((model["name"], model["model"]), ("embeddinggemma:latest", "embeddinggemma:latest"))
        self.assertRegex(model["digest"], r"^[0-9a-f]{64}$")
        self.assertRegex(model["modified_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
        self.assertGreater(model["size"], 0)
        self.assertEqual(model["details"]["family"], "gemma3")
        running = self.get("/api/ps").json["models"]
        self.assertEqual([(m["model"], m["digest"]) for m in running], [(model["model"], model["digest"])])

    def test_show_says_that_it_embeds(self):
        shown = self.ok("/api/show", {"model": "embeddinggemma"})
        self.assertIn("embedding", shown["capabilities"])
        self.assertEqual(shown["model_info"]["gemma3.embedding_length"], 768)
        self.assertEqual(shown["model_info"]["gemma3.context_length"], 2048)
        self.assertEqual(self.post("/api/show", {"model": "llama3"}).status, 404)

    def test_pull_of_the_served_model_succeeds(self):
        self.assertEqual(self.ok("/api/pull", {"model": "embeddinggemma", "stream": False})["status"], "success")
        answer = self.post("/api/pull", {"model": "embeddinggemma"})
        self.assertEqual(answer.status, 200)
        self.assertEqual(json.loads(answer.text.splitlines()[-1])["status"], "success")
        other = self.post("/api/pull", {"model": "llama3", "stream": False})
        self.assertIn("error", other.json)

    def test_version_and_greeting(self):
        self.assertRegex(self.get("/api/version").json["version"], r"^\d+\.\d+\.\d+")
        self.assertEqual(self.get("/").text, "Ollama is running")


class Cohere(ServerTest):
    def ask(self, **fields):
        return self.ok("/v2/embed", dict({"model": "m", "texts": TEXTS, "input_type": "search_document"}, **fields))

    def test_input_types_are_prompts(self):
        for kind, task in (("search_query", "query"), ("search_document", "document"), ("classification", "Classification"),
                           ("clustering", "Clustering")):  # fmt: skip
            answer = self.ask(input_type=kind, embedding_types=["float"])
            vectors = embed(TEXTS, "--task", task.lower() if task[0].isupper() else task)
            self.assertSameBits(answer["embeddings"]["float"], vectors)

    def test_the_answer_s_form(self):
        answer = self.ask(embedding_types=["float"])
        self.assertEqual(list(answer["embeddings"]), ["float"])
        self.assertEqual(answer["texts"], TEXTS)
        self.assertIsInstance(answer["id"], str)
        self.assertEqual(answer["meta"]["api_version"]["version"], "2")
        tokens = sum(len(ids("title: none | text: " + text)) for text in TEXTS)
        self.assertEqual(answer["meta"]["billed_units"]["input_tokens"], tokens)

    def test_every_type_of_numbers(self):
        kinds = ["float", "int8", "uint8", "binary", "ubinary", "base64"]
        got = self.ask(embedding_types=kinds)["embeddings"]
        self.assertEqual(sorted(got), sorted(kinds))
        vectors = embed(TEXTS, "--task", "document")
        self.assertSameBits(got["float"], vectors)
        self.assertSameBits([floats(text) for text in got["base64"]], vectors)
        codes = numpy.asarray(got["int8"])
        self.assertTrue((codes == codes.astype(numpy.int8)).all())
        cosines = (codes * vectors).sum(1) / numpy.linalg.norm(codes, axis=1)
        self.assertGreater(cosines.min(), 0.99)
        self.assertTrue((numpy.asarray(got["uint8"]) - 128 == codes).all())
        self.assertTrue((numpy.asarray(got["ubinary"]) == signs(vectors)).all())
        self.assertTrue((numpy.asarray(got["binary"]) == signs(vectors).astype(int) - 128).all())

    def test_floats_are_what_comes_if_no_type_is_named(self):
        self.assertSameBits(self.ask()["embeddings"]["float"], embed(TEXTS, "--task", "document"))

    def test_dimensions_and_truncation(self):
        got = self.ask(embedding_types=["float"], output_dimension=256)["embeddings"]["float"]
        self.assertSameBits(got, embed(TEXTS, "--task", "document", "--dim", "256", width=256))
        text = long_text(1)
        for truncate, side in (("END", "right"), ("START", "left")):
            got = self.ask(texts=[text], truncate=truncate, embedding_types=["float"])["embeddings"]["float"]
            self.assertSameBits(got, embed([text], "--task", "document", "--truncate", side))

    def test_what_is_refused(self):
        for fields in ({"texts": [long_text(1)], "truncate": "NONE"}, {"input_type": "nothing"}, {"texts": []},
                       {"embedding_types": ["hex"]}, {"texts": "a"}, {"output_dimension": 0}):  # fmt: skip
            body = dict({"model": "m", "texts": TEXTS, "input_type": "search_query"}, **fields)
            answer = self.post("/v2/embed", body)
            self.assertIn(answer.status, (400, 422), f"{fields}: {answer}")
            self.assertIsInstance(answer.json["message"], str)


class LlamaServer(ServerTest):
    def vectors(self, body):
        answer = self.ok("/embedding", body)
        self.assertEqual([row["index"] for row in answer], list(range(len(answer))))
        self.assertEqual({len(row["embedding"]) for row in answer}, {1})
        return [row["embedding"][0] for row in answer]

    def test_embedding_takes_content_or_input(self):
        for key in ("content", "input"):
            self.assertSameBits(self.vectors({key: TEXTS[0]}), embed(TEXTS[:1]))
            self.assertSameBits(self.vectors({key: TEXTS}), embed(TEXTS))
            self.assertSameBits(self.vectors({key: ids(TEXTS[0])}), embed(TEXTS[:1]))

    def test_normalisations(self):
        raw = embed(TEXTS, "--no-normalize")
        self.assertSameBits(self.vectors({"content": TEXTS, "embd_normalize": -1}), raw)
        self.assertSameBits(self.vectors({"content": TEXTS, "embd_normalize": 2}), embed(TEXTS))
        taxicab = raw / numpy.abs(raw).sum(1, keepdims=True)
        self.assertNear(self.vectors({"content": TEXTS, "embd_normalize": 1}), taxicab, 1e-6)

    def test_tokenize_by_its_own_key(self):
        self.assertEqual(self.ok("/tokenize", {"content": TEXTS[2]}), {"tokens": ids(TEXTS[2])[1:-1]})
        special = self.ok("/tokenize", {"content": TEXTS[2], "add_special": True})["tokens"]
        self.assertIn(special, (ids(TEXTS[2]), ids(TEXTS[2])[:-1]))
        pieces = self.ok("/tokenize", {"content": TEXTS[0], "with_pieces": True})["tokens"]
        self.assertEqual([piece["id"] for piece in pieces], ids(TEXTS[0])[1:-1])
        self.assertEqual("".join(piece["piece"] for piece in pieces), TEXTS[0])

    def test_detokenize_gives_the_text_back(self):
        for text in TEXTS:
            self.assertEqual(self.ok("/detokenize", {"tokens": ids(text)[1:-1]}), {"content": text})

    def test_what_is_refused(self):
        for body, message in (({}, '"input" or "content" must be provided'),
                              ({"content": ""}, "Input content cannot be empty")):  # fmt: skip
            answer = self.post("/embedding", body)
            self.assertEqual(answer.status, 400, answer)
            self.assertEqual(answer.json, {"error": {"code": 400, "message": message, "type": "invalid_request_error"}})

    def test_a_text_that_is_too_long_says_by_how_much(self):
        answer = self.post("/embedding", {"content": "1" * 2047})  # a token for each digit, BOS and EOS
        self.assertEqual((answer.status, answer.json), (400, {"error": {
            "code": 400, "message": "input (2049 tokens) is larger than the max context size (2048 tokens). skipping",
            "type": "exceed_context_size_error", "n_prompt_tokens": 2049, "n_ctx": 2048}}))  # fmt: skip
        uncounted = self.post("/embedding", {"content": "a" * (2048 * 250 + 1)}).json["error"]
        self.assertEqual((uncounted["type"], uncounted["n_ctx"]), ("exceed_context_size_error", 2048))
        self.assertNotIn("n_prompt_tokens", uncounted)
        answer = self.post("/embedding", {"content": [2, 4_000_000_000, 1]}).json["error"]
        self.assertEqual((answer["code"], answer["type"]), (400, "invalid_request_error"))


if __name__ == "__main__":
    unittest.main()
