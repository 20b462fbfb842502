"""An embedding function for Chroma. Needs chromadb.

    from gemvec.chroma import GemvecEmbeddingFunction
    collection = client.create_collection("notes", embedding_function=GemvecEmbeddingFunction())
"""

from chromadb.api.types import EmbeddingFunction
from chromadb.utils.embedding_functions import register_embedding_function

from ._model import EmbeddingGemma


@register_embedding_function
class GemvecEmbeddingFunction(EmbeddingFunction):
    """Unit vectors with the retrieval prompts: queries and documents each with their own.

    Arguments are EmbeddingGemma's. Chroma writes them down with the collection, and loads the model again from them.
    """

    def __init__(self, model=None, dtype=None, truncate_dim=None, query_prompt_name="query",
                 document_prompt_name="document"):
        self._config = {"model": model, "dtype": dtype, "truncate_dim": truncate_dim,
                        "query_prompt_name": query_prompt_name, "document_prompt_name": document_prompt_name}
        self._model = EmbeddingGemma(model, dtype, truncate_dim)

    def _embed(self, texts, prompt_name):
        return list(self._model.encode(texts, prompt_name=prompt_name, normalize_embeddings=True))

    def __call__(self, input):
        return self._embed(input, self._config["document_prompt_name"])

    def embed_query(self, input):
        return self._embed(input, self._config["query_prompt_name"])

    @staticmethod
    def name():
        return "gemvec"

    def default_space(self):
        return "cosine"

    def supported_spaces(self):
        return ["cosine", "l2", "ip"]

    def get_config(self):
        return dict(self._config)

    @staticmethod
    def build_from_config(config):
        return GemvecEmbeddingFunction(**config)

    def validate_config_update(self, old_config, new_config):
        for name in ("model", "truncate_dim"):
            if old_config.get(name) != new_config.get(name):
                raise ValueError(f"{name}: the collection's vectors were made with {old_config.get(name)!r}")
