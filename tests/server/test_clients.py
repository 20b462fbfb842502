# Clients that people use, as they come from the package index, get the release's golden vectors.

import asyncio
import unittest

import huggingface_hub
import numpy
import ollama
import openai
from golden import DOCUMENT, DOCUMENTS, MODEL, QUERIES, QUERY, TEXTS, GoldenTest, ids, tokens, vectors
from harness import Server


class OpenAi(GoldenTest):
    def setUp(self):
        self.client = openai.OpenAI(base_url=f"{self.url}/v1", api_key="-", max_retries=0)
        self.addCleanup(self.client.close)

    def create(self, texts, **options):
        return self.client.embeddings.create(model=MODEL, input=texts, **options)

    def test_vectors_as_base64_which_is_what_it_asks_for_by_itself(self):
        answer = self.create(TEXTS)
        self.assertVectors([row.embedding for row in answer.data], vectors(TEXTS))
        self.assertEqual([row.index for row in answer.data], list(range(len(TEXTS))))
        self.assertEqual((answer.model, answer.object), (MODEL, "list"))
        self.assertEqual((answer.usage.prompt_tokens, answer.usage.total_tokens), (tokens(TEXTS), tokens(TEXTS)))

    def test_vectors_as_floats_are_the_same(self):
        floats = [row.embedding for row in self.create(TEXTS, encoding_format="float").data]
        self.assertSameBits(floats, [row.embedding for row in self.create(TEXTS).data])

    def test_one_text_dimensions_and_token_ids(self):
        self.assertVectors([self.create(TEXTS[0]).data[0].embedding], vectors(TEXTS[:1]))
        for width in (512, 256, 128):
            got = [row.embedding for row in self.create(TEXTS, dimensions=width).data]
            self.assertVectors(got, vectors(TEXTS, dimensions=width))
        got = [row.embedding for row in self.create([ids(text) for text in TEXTS]).data]
        self.assertVectors(got, vectors(TEXTS))

    def test_asynchronously(self):
        async def many():
            async with openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key="-") as client:
                return await asyncio.gather(*(client.embeddings.create(model=MODEL, input=text) for text in TEXTS))

        self.assertVectors([answer.data[0].embedding for answer in asyncio.run(many())], vectors(TEXTS))

    def test_models(self):
        self.assertEqual([model.id for model in self.client.models.list()], [MODEL])
        self.assertEqual(self.client.models.retrieve(MODEL).id, MODEL)
        with self.assertRaises(openai.NotFoundError):
            self.client.models.retrieve("other")

    def test_errors_are_its_own_classes_with_the_message(self):
        with self.assertRaises(openai.UnprocessableEntityError) as caught:
            self.create(["a"] * 33)
        self.assertIn("batch size 33 > maximum allowed batch size 32", caught.exception.message)
        self.assertTrue(caught.exception.request_id)
        with self.assertRaises(openai.BadRequestError):
            self.create("")
        with self.assertRaises(openai.UnprocessableEntityError):
            self.create("a", dimensions=769)

    def test_headers_reach_it(self):
        raw = self.client.embeddings.with_raw_response.create(model=MODEL, input=TEXTS[0])
        self.assertEqual(raw.headers["x-compute-tokens"], str(tokens(TEXTS[:1])))
        self.assertEqual(raw.parse().data[0].index, 0)


class Refused(unittest.TestCase):
    def setUp(self):
        self.own = Server("--api-key", "right", "--max-concurrent-requests", "2", "--served-model-name", MODEL)
        self.addCleanup(self.own.close)

    def test_by_key_and_by_load(self):
        with openai.OpenAI(base_url=f"{self.own.url}/v1", api_key="wrong", max_retries=0) as client:
            with self.assertRaises(openai.AuthenticationError):
                client.embeddings.create(model=MODEL, input="a")
        with openai.OpenAI(base_url=f"{self.own.url}/v1", api_key="right", max_retries=0) as client:
            self.assertEqual(len(client.embeddings.create(model=MODEL, input="a").data), 1)
            with self.assertRaises(openai.RateLimitError) as caught:
                client.embeddings.create(model=MODEL, input=["a", "b", "c"])
            self.assertGreaterEqual(int(caught.exception.response.headers["retry-after"]), 1)
        client = huggingface_hub.InferenceClient(model=f"{self.own.url}/embed", token="right")
        self.assertEqual(client.feature_extraction("a").shape, (1, 768))
        with self.assertRaises(huggingface_hub.errors.HfHubHTTPError) as caught:
            huggingface_hub.InferenceClient(model=f"{self.own.url}/embed", token="wrong").feature_extraction("a")
        self.assertEqual(caught.exception.response.status_code, 401)


class HuggingFace(GoldenTest):
    def client(self, path="/embed"):
        return huggingface_hub.InferenceClient(model=self.url + path)

    def test_feature_extraction(self):
        for path in ("/embed", ""):
            got = self.client(path).feature_extraction(TEXTS)
            self.assertEqual(got.dtype, numpy.float32)
            self.assertVectors(got, vectors(TEXTS))
        self.assertVectors(self.client().feature_extraction(TEXTS[0]), vectors(TEXTS[:1]))

    def test_every_option(self):
        got = self.client().feature_extraction(QUERIES, normalize=True, prompt_name="query", truncate=True,
                                               truncation_direction="left", dimensions=256)  # fmt: skip
        self.assertVectors(got, vectors(QUERIES, QUERY, 256))
        got = self.client().feature_extraction(DOCUMENTS, prompt_name="document", truncation_direction="right")
        self.assertVectors(got, vectors(DOCUMENTS, DOCUMENT))
        raw = self.client().feature_extraction(TEXTS, normalize=False)
        self.assertVectors(raw / numpy.linalg.norm(raw, axis=1, keepdims=True), vectors(TEXTS))

    def test_sentence_similarity(self):
        expected = vectors(TEXTS)
        got = self.client("/similarity").sentence_similarity(TEXTS[0], TEXTS[1:])
        self.assertNear(got, expected[1:] @ expected[0], 2e-5)

    def test_endpoint_info_and_health(self):
        client = huggingface_hub.InferenceClient(model=self.url, provider="hf-inference")
        info = client.get_endpoint_info()
        self.assertEqual((info["served_model_name"], info["max_input_length"]), (MODEL, 2048))
        self.assertTrue(client.health_check())

    def test_asynchronously(self):
        async def ask():
            async with huggingface_hub.AsyncInferenceClient(model=f"{self.url}/embed") as client:
                return await client.feature_extraction(TEXTS)

        self.assertVectors(asyncio.run(ask()), vectors(TEXTS))

    def test_errors(self):
        with self.assertRaises(huggingface_hub.errors.HfHubHTTPError) as caught:
            self.client().feature_extraction("a", prompt_name="nothing")
        self.assertEqual(caught.exception.response.status_code, 422)


class Ollama(GoldenTest):
    def setUp(self):
        self.client = ollama.Client(host=self.url)

    def test_embed(self):
        answer = self.client.embed(model=MODEL, input=TEXTS)
        self.assertVectors(answer.embeddings, vectors(TEXTS))
        self.assertEqual((answer.model, answer.prompt_eval_count), (MODEL, tokens(TEXTS)))
        answer = self.client.embed(model=MODEL, input=TEXTS, dimensions=128, truncate=True, keep_alive="5m")
        self.assertVectors(answer.embeddings, vectors(TEXTS, dimensions=128))
        self.assertVectors(self.client.embed(model=MODEL, input=TEXTS[0]).embeddings, vectors(TEXTS[:1]))

    def test_the_older_call(self):
        raw = numpy.asarray(self.client.embeddings(model=MODEL, prompt=TEXTS[0]).embedding)
        self.assertVectors([raw / numpy.linalg.norm(raw)], vectors(TEXTS[:1]))

    def test_list_show_ps_and_pull(self):
        listed = self.client.list().models
        self.assertEqual([model.model for model in listed], [f"{MODEL}:latest"])
        self.assertGreater(listed[0].size, 0)
        self.assertIsNotNone(listed[0].modified_at)
        shown = self.client.show(MODEL)
        self.assertIn("embedding", shown.capabilities)
        self.assertEqual(shown.modelinfo["gemma3.embedding_length"], 768)
        self.assertEqual([model.model for model in self.client.ps().models], [f"{MODEL}:latest"])
        self.assertEqual(self.client.pull(MODEL).status, "success")
        self.assertEqual(list(self.client.pull(MODEL, stream=True))[-1].status, "success")

    def test_asynchronously(self):
        async def ask():
            async with ollama.AsyncClient(host=self.url) as client:
                return await client.embed(model=MODEL, input=TEXTS)

        self.assertVectors(asyncio.run(ask()).embeddings, vectors(TEXTS))

    def test_errors(self):
        with self.assertRaises(ollama.ResponseError) as caught:
            self.client.embed(model="llama3", input="a")
        self.assertEqual(caught.exception.status_code, 404)
        self.assertIn("not found, try pulling it first", caught.exception.error)


if __name__ == "__main__":
    unittest.main()
