"""Embeddings for LlamaIndex. Needs llama-index-core.

    from gemvec.llama_index import GemvecEmbedding
    Settings.embed_model = GemvecEmbedding()
"""

import asyncio

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr

from ._model import EmbeddingGemma

# Texts that LlamaIndex hands over at a time; more are sorted and cut better inside than its 10.
BATCH = 256


class GemvecEmbedding(BaseEmbedding):
    """Unit vectors with the retrieval prompts: queries and documents each with their own.

    `model` is an EmbeddingGemma, or what its constructor takes, with its other arguments as `model_options`.
    """

    query_prompt_name: str = "query"
    document_prompt_name: str = "document"
    _model: EmbeddingGemma = PrivateAttr()

    def __init__(self, model=None, model_options=None, **options):
        options = {"model_name": "embeddinggemma-300m", "embed_batch_size": BATCH, **options}
        super().__init__(**options)
        self._model = model if isinstance(model, EmbeddingGemma) else EmbeddingGemma(model, **(model_options or {}))

    @classmethod
    def class_name(cls):
        return "GemvecEmbedding"

    def _get_query_embedding(self, query):
        return self._model.encode(query, prompt_name=self.query_prompt_name, normalize_embeddings=True).tolist()

    def _get_text_embedding(self, text):
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts):
        return self._model.encode(texts, prompt_name=self.document_prompt_name, normalize_embeddings=True).tolist()

    async def _aget_query_embedding(self, query):
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text):
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts):
        return await asyncio.to_thread(self._get_text_embeddings, texts)
