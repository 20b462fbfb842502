# Frameworks that have embeddings of their own get the golden vectors from the server, through their own classes.

import os
import unittest

os.environ.update(ANONYMIZED_TELEMETRY="False", OPENAI_API_KEY="-", CHROMA_OPENAI_API_KEY="-")

import base64

import chromadb
import cohere
import numpy
from chromadb.utils import embedding_functions
from golden import DOCUMENT, DOCUMENTS, MODEL, QUERIES, QUERY, TEXTS, GoldenTest, vectors
from langchain_ollama import OllamaEmbeddings
from langchain_openai import OpenAIEmbeddings
from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference


class LangChain(GoldenTest):
    def test_openai_embeddings(self):
        for options, width in (({}, 768), ({"dimensions": 256}, 256)):
            client = OpenAIEmbeddings(base_url=f"{self.url}/v1", api_key="-", model=MODEL, chunk_size=32,
                                      check_embedding_ctx_length=False, **options)  # fmt: skip
            self.assertVectors(client.embed_documents(TEXTS), vectors(TEXTS, dimensions=width))
            self.assertVectors([client.embed_query(TEXTS[0])], vectors(TEXTS[:1], dimensions=width))

    def test_more_texts_than_one_request_may_have(self):
        client = OpenAIEmbeddings(base_url=f"{self.url}/v1", api_key="-", model=MODEL, chunk_size=32,
                                  check_embedding_ctx_length=False)  # fmt: skip
        many = TEXTS[:5] * 8
        self.assertVectors(client.embed_documents(many), numpy.tile(vectors(TEXTS[:5]), (8, 1)))

    def test_ollama_embeddings_that_ask_whether_the_model_is_there(self):
        client = OllamaEmbeddings(base_url=self.url, model=MODEL, validate_model_on_init=True, dimensions=128)
        self.assertVectors(client.embed_documents(TEXTS), vectors(TEXTS, dimensions=128))
        self.assertVectors([client.embed_query(TEXTS[0])], vectors(TEXTS[:1], dimensions=128))
        with self.assertRaises(ValueError):
            OllamaEmbeddings(base_url=self.url, model="llama3", validate_model_on_init=True)


class LlamaIndex(GoldenTest):
    def test_text_embeddings_inference(self):
        client = TextEmbeddingsInference(model_name="m", base_url=self.url, auth_token="k", embed_batch_size=10)
        self.assertVectors(client.get_text_embedding_batch(TEXTS), vectors(TEXTS))
        self.assertVectors([client.get_query_embedding(TEXTS[0])], vectors(TEXTS[:1]))

    def test_instructions_are_prompts(self):
        # The class puts a space of its own between an instruction and the text.
        client = TextEmbeddingsInference(model_name="m", base_url=self.url, query_instruction=QUERY.rstrip(),
                                         text_instruction=DOCUMENT.rstrip())  # fmt: skip
        self.assertVectors([client.get_query_embedding(QUERIES[0])], vectors(QUERIES[:1], QUERY))
        self.assertVectors(client.get_text_embedding_batch(DOCUMENTS), vectors(DOCUMENTS, DOCUMENT))


class Cohere(GoldenTest):
    def embed(self, texts, kind, types=("float",), **options):
        client = cohere.ClientV2(api_key="k", base_url=self.url)
        answer = client.embed(model=MODEL, texts=texts, input_type=kind, embedding_types=list(types), **options)
        return answer.embeddings

    def test_input_types_are_prompts(self):
        self.assertVectors(self.embed(QUERIES, "search_query").float_, vectors(QUERIES, QUERY))
        self.assertVectors(self.embed(DOCUMENTS, "search_document").float_, vectors(DOCUMENTS, DOCUMENT))

    def test_dimensions(self):
        got = self.embed(DOCUMENTS, "search_document", output_dimension=256)
        self.assertVectors(got.float_, vectors(DOCUMENTS, DOCUMENT, 256))

    def test_every_type_of_numbers(self):
        expected = vectors(DOCUMENTS, DOCUMENT)
        got = self.embed(DOCUMENTS, "search_document", ("float", "int8", "uint8", "binary", "ubinary", "base64"))
        self.assertVectors(got.float_, expected)
        self.assertVectors([numpy.frombuffer(base64.b64decode(text), "<f4") for text in got.base64], expected)
        for codes in (numpy.asarray(got.int8), numpy.asarray(got.uint8) - 128):
            cosines = (codes * expected).sum(1) / numpy.linalg.norm(codes, axis=1)
            self.assertGreater(cosines.min(), 0.999)
        signs = numpy.packbits(numpy.asarray(got.float_) > 0, axis=1)
        self.assertTrue((numpy.asarray(got.ubinary) == signs).all())
        self.assertEqual(numpy.shape(got.binary), signs.shape)


class Chroma(GoldenTest):
    def functions(self):
        return (
            embedding_functions.HuggingFaceEmbeddingServer(url=f"{self.url}/embed", api_key_env_var=None),
            embedding_functions.OllamaEmbeddingFunction(url=self.url, model_name=MODEL),
            embedding_functions.OpenAIEmbeddingFunction(api_base=f"{self.url}/v1", api_key="-", model_name=MODEL),
        )

    def test_each_of_its_three_functions(self):
        for function in self.functions():
            with self.subTest(type(function).__name__):
                self.assertVectors(function(TEXTS), vectors(TEXTS))

    def test_a_collection_finds_the_nearest(self):
        client = chromadb.EphemeralClient()
        for i, function in enumerate(self.functions()):
            collection = client.create_collection(f"planets-{i}", embedding_function=function)
            documents = [DOCUMENT + text for text in DOCUMENTS]
            collection.add(ids=[str(k) for k in range(len(documents))], documents=documents)
            found = collection.query(query_texts=[QUERY + QUERIES[0]], n_results=1)
            self.assertIn("Mars", found["documents"][0][0])


if __name__ == "__main__":
    unittest.main()
