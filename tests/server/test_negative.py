# What is refused, with the status and the body that text-embeddings-inference gives.

import json
import re
import unittest

from harness import ServerTest, long_text

JSON = {"Content-Type": "application/json"}
WRONG_TARGET = "Failed to deserialize the JSON body into the target type: "
# One token too many: BOS, EOS, and a token for each digit in between.
TOO_LONG = "1" * 2047


class Inputs(ServerTest):
    def test_no_text_at_all(self):
        empty = "Input validation error: `inputs` cannot be empty"
        for path in ("/embed", "/", "/invocations", "/embed_all"):
            for inputs in ("", [], [""], ["a", ""]):
                self.assertTeiError(self.post(path, {"inputs": inputs}), 400, "Empty", empty)

    def test_no_text_for_the_tokenizer(self):
        self.assertTeiError(self.post("/tokenize", {"inputs": []}), 400, "Empty", "`inputs` cannot be empty")
        empty = "Input validation error: `input_ids` cannot be empty"
        self.assertTeiError(self.post("/decode", {"ids": []}), 400, "Empty", empty)

    def test_nothing_to_compare_with(self):
        body = {"inputs": {"source_sentence": "a", "sentences": []}}
        self.assertTeiError(self.post("/similarity", body), 400, "Empty", "`inputs.sentences` cannot be empty")

    def test_more_texts_than_one_request_may_have(self):
        message = "batch size 33 > maximum allowed batch size 32"
        for path in ("/embed", "/embed_all", "/tokenize"):
            self.assertTeiError(self.post(path, {"inputs": ["a"] * 33}), 422, "Validation", message)
            self.assertEqual(self.post(path, {"inputs": ["a"] * 32}).status, 200, path)
        self.assertTeiError(self.post("/decode", {"ids": [[2]] * 33}), 422, "Validation", message)

    def test_similarity_counts_its_source_as_well(self):
        def ask(sentences):
            return self.post("/similarity", {"inputs": {"source_sentence": "a", "sentences": ["b"] * sentences}})

        self.assertTeiError(ask(32), 422, "Validation", "batch size 33 > maximum allowed batch size 32")
        self.assertEqual(ask(31).status, 200)

    def test_a_text_that_is_too_long_and_must_not_be_cut(self):
        tokens = len(self.ok("/tokenize", {"inputs": TOO_LONG})[0])
        self.assertEqual(tokens, 2049)
        message = f"Input validation error: `inputs` must have less than 2048 tokens. Given: {tokens}"
        for inputs in (TOO_LONG, ["a", TOO_LONG]):
            answer = self.post("/embed", {"inputs": inputs, "truncate": False})
            self.assertTeiError(answer, 422, "Validation", message)
        answer = self.post("/embed_all", {"inputs": TOO_LONG, "truncate": False})
        self.assertTeiError(answer, 422, "Validation", message)
        body = {"inputs": {"source_sentence": "a", "sentences": [TOO_LONG]}, "parameters": {"truncate": False}}
        self.assertTeiError(self.post("/similarity", body), 422, "Validation", message)

    def test_a_text_of_more_characters_than_the_window_could_hold(self):
        text = "a" * (2048 * 250 + 1)
        message = re.compile("^Input validation error: `inputs` must have less than 512000 characters. Given: 512001$")
        self.assertTeiError(self.post("/embed", {"inputs": text, "truncate": False}), 422, "Validation", message)
        self.assertEqual(self.post("/embed", {"inputs": text, "truncate": True}).status, 200)

    def test_dimensions_that_the_model_does_not_have(self):
        positive = "Input validation error: `dimensions` should be positive"
        smaller = "Input validation error: `dimensions` should be smaller than the maximum embedding dimension."
        self.assertTeiError(self.post("/embed", {"inputs": "a", "dimensions": 0}), 422, "Validation", positive)
        self.assertTeiError(self.post("/embed", {"inputs": "a", "dimensions": 769}), 422, "Validation", smaller)

    def test_a_prompt_that_the_model_does_not_have(self):
        message = re.compile(r"^Input validation error: `default-prompt-name` is set to `nothing` but it was not found in "
                             r"the Sentence Transformers prompts\. Available prompts: \[.*\"query\".*\]$")  # fmt: skip
        for path in ("/embed", "/embed_all", "/tokenize"):
            answer = self.post(path, {"inputs": "a", "prompt_name": "nothing"})
            self.assertTeiError(answer, 422, "Validation", message)

    def test_the_first_bad_text_fails_the_whole_request(self):
        answer = self.post("/embed", {"inputs": ["a", TOO_LONG, ""], "truncate": False})
        self.assertEqual((answer.status, answer.json["error_type"]), (422, "Validation"))
        answer = self.post("/embed", {"inputs": ["a", "", TOO_LONG], "truncate": False})
        self.assertEqual((answer.status, answer.json["error_type"]), (400, "Empty"))

    def test_token_ids_that_the_model_does_not_have(self):
        answer = self.post("/embed", {"inputs": [2, 4_000_000_000, 1]})
        self.assertIn(answer.status, (400, 422, 424), answer)
        self.assertIn("error_type", answer.json)


class WrongModel(ServerTest):
    def test_rerank(self):
        message = "Backend error: model is not a re-ranker model"
        self.assertTeiError(self.post("/rerank", {"query": "a", "texts": ["b"]}), 424, "Backend", message)
        self.assertTeiError(self.post("/rerank", {"query": "a", "texts": []}), 400, "Empty", "`texts` cannot be empty")

    def test_predict(self):
        message = "Backend error: Model is not a classifier model"
        for inputs in ("a", ["a"], ["a", "b"], [["a"], ["a", "b"]]):
            self.assertTeiError(self.post("/predict", {"inputs": inputs}), 424, "Backend", message)

    def test_embed_sparse(self):
        message = "Backend error: Model is not an embedding model with SPLADE pooling"
        self.assertTeiError(self.post("/embed_sparse", {"inputs": "a"}), 424, "Backend", message)


class Bodies(ServerTest):
    ROUTES = {"/embed": "inputs", "/": "inputs", "/invocations": "inputs", "/embed_all": "inputs",
              "/similarity": "inputs", "/decode": "ids", "/vertex": "instances"}  # fmt: skip

    def test_a_field_that_is_missing(self):
        for path, field in self.ROUTES.items():
            self.assertPlain(self.post(path, {}), 422, WRONG_TARGET, f"missing field `{field}`")

    def test_a_field_of_another_type(self):
        for value in (None, 1, True, {"a": 1}, [1.5], [["a"]], [None], [-1], [True]):
            self.assertPlain(self.post("/embed", {"inputs": value}), 422, WRONG_TARGET, "inputs")
        for field, value in (("normalize", None), ("normalize", "yes"), ("truncate", 1), ("dimensions", "2"),
                             ("dimensions", -1), ("dimensions", 1.5), ("prompt_name", 3),
                             ("truncation_direction", "up"), ("truncation_direction", None)):  # fmt: skip
            self.assertPlain(self.post("/embed", {"inputs": "a", field: value}), 422, WRONG_TARGET)

    def test_a_body_that_is_no_object(self):
        for body in (b"[]", b"1", b'"a"', b"null", b"true"):
            self.assertPlain(self.post("/embed", body, JSON), 422, WRONG_TARGET)

    def test_a_body_that_is_no_json(self):
        for body in (b"", b"{", b'{"inputs": }', b"{'inputs': 'a'}", b'{"inputs": "a"} x', b'{"inputs": "a",}',
                     b'{"inputs": "\xff"}', b'{"inputs": "\\ud800"}', b'{"inputs": NaN}', b"\xef\xbb\xbf\x00"):  # fmt: skip
            self.assertPlain(self.post("/embed", body, JSON), 400, "Failed to parse the request body as JSON: ")

    def test_the_content_type_must_be_json(self):
        message = "Expected request with `Content-Type: application/json`"
        for kind in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
            answer = self.post("/embed", json.dumps({"inputs": "a"}), kind)
            self.assertPlain(answer, 415)
            self.assertEqual(answer.text, message)


class Routes(ServerTest):
    def test_an_unknown_path(self):
        for path in ("/nothing", "/embed/", "/embed/x", "//embed", "/v1", "/../etc/passwd", "/static/../../etc/passwd",
                     "/%2e%2e/%2e%2e/etc/passwd", "/static/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
                     "/docs/../../etc/hosts"):  # fmt: skip
            answer = self.get(path)
            self.assertEqual(answer.status, 404, f"{path}: {answer}")
            self.assertNotIn("root:", answer.text)
        self.assertEqual(self.get("/nothing").body, b"")

    def test_a_method_that_a_path_does_not_have(self):
        for method, path, allowed in (("GET", "/embed", "POST"), ("PUT", "/embed", "POST"), ("DELETE", "/tokenize", "POST"),
                                      ("POST", "/health", "GET"), ("POST", "/metrics", "GET"), ("POST", "/info", "GET"),
                                      ("HEAD", "/embed", "POST")):  # fmt: skip
            answer = self.server.request(method, path)
            self.assertEqual((answer.status, answer.body), (405, b""), f"{method} {path}")
            self.assertIn(allowed, answer.headers["allow"])

    def test_head_is_get_without_the_body(self):
        for path in ("/health", "/metrics", "/info", "/v1/models", "/api/version", "/"):
            head, whole = self.server.request("HEAD", path), self.get(path)
            self.assertEqual((head.status, head.body), (200, b""), path)
            self.assertEqual(head.headers.get("content-type"), whole.headers.get("content-type"), path)

    def test_a_query_string_changes_nothing(self):
        self.assertEqual(self.get("/health?verbose=1").status, 200)
        self.assertEqual(self.post("/embed?x=%00", {"inputs": "a"}).status, 200)


class OpenAi(ServerTest):
    """Flat as TEI has it, and nested as OpenAI has it, in one."""

    def check(self, answer, status, kind, message):
        self.assertEqual((answer.status, answer.type), (status, "application/json"), answer)
        body = answer.json
        self.assertEqual((body["message"], body["code"], body["type"]), (message, status, kind))
        self.assertEqual(body["error"]["message"], message)
        self.assertEqual({"message", "type", "param", "code"} - set(body["error"]), set())

    def test_texts_that_are_empty_too_many_or_too_wide(self):
        for path in ("/v1/embeddings", "/embeddings"):
            empty = "Input validation error: `inputs` cannot be empty"
            for value in ("", [], ["a", ""]):
                self.check(self.post(path, {"input": value, "model": "m"}), 400, "Empty", empty)
            self.check(self.post(path, {"input": ["a"] * 33}), 422, "Validation",
                       "batch size 33 > maximum allowed batch size 32")  # fmt: skip
            self.check(self.post(path, {"input": "a", "dimensions": 0}), 422, "Validation",
                       "Input validation error: `dimensions` should be positive")  # fmt: skip
            smaller = "Input validation error: `dimensions` should be smaller than the maximum embedding dimension."
            self.check(self.post(path, {"input": "a", "dimensions": 769}), 422, "Validation", smaller)

    def test_bodies_that_cannot_be_read(self):
        for body, kind, status in ((b"{", JSON, 400), (b'{"input": "a"}', {}, 415), (b"{}", JSON, 422),
                                   (b'{"input": 1}', JSON, 422), (b'{"input": "a", "encoding_format": "hex"}', JSON, 422),
                                   (b'{"input": "a", "encoding_format": null}', JSON, 422)):  # fmt: skip
            self.assertEqual(self.post("/v1/embeddings", body, kind).status, status, body)


class NoTruncation(ServerTest):
    arguments = ("--auto-truncate", "false", "--max-client-batch-size", "4")

    def test_flags_change_the_defaults(self):
        answer = self.post("/embed", {"inputs": long_text(1, words=3000)})
        self.assertEqual((answer.status, answer.json["error_type"]), (422, "Validation"), answer)
        self.assertEqual(self.post("/embed", {"inputs": long_text(1, words=3000), "truncate": True}).status, 200)
        self.assertTeiError(self.post("/embed", {"inputs": ["a"] * 5}), 422, "Validation",
                            "batch size 5 > maximum allowed batch size 4")  # fmt: skip
        info = self.get("/info").json
        self.assertEqual((info["auto_truncate"], info["max_client_batch_size"]), (False, 4))


if __name__ == "__main__":
    unittest.main()
