"""Embeddings for LangChain. Needs langchain-core.

    from gemvec.langchain import GemvecEmbeddings
    store = InMemoryVectorStore(GemvecEmbeddings())
"""

from langchain_core.embeddings import Embeddings

from ._model import EmbeddingGemma


class GemvecEmbeddings(Embeddings):
    """Unit vectors with the retrieval prompts: queries and documents each with their own.

    `model` is an EmbeddingGemma, or what its constructor takes, with its other arguments as `options`. `query_prompt_name`
    and `document_prompt_name` choose other prompts, for example "STS" for both.
    """

    def __init__(self, model=None, *, query_prompt_name="query", document_prompt_name="document", **options):
        self.model = model if isinstance(model, EmbeddingGemma) else EmbeddingGemma(model, **options)
        self.query_prompt_name = query_prompt_name
        self.document_prompt_name = document_prompt_name

    def embed_documents(self, texts):
        """A list of floats for each text."""
        return self.model.encode(texts, prompt_name=self.document_prompt_name, normalize_embeddings=True).tolist()

    def embed_query(self, text):
        """A list of floats."""
        return self.model.encode(text, prompt_name=self.query_prompt_name, normalize_embeddings=True).tolist()
