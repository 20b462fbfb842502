"""Embedders for Haystack pipelines. Needs haystack-ai.

    from gemvec.haystack import GemvecDocumentEmbedder, GemvecTextEmbedder
"""

from dataclasses import replace

from haystack import Document, component, default_from_dict, default_to_dict

from ._model import EmbeddingGemma


def load(model, options):
    return EmbeddingGemma(model, **(options or {}))


@component
class GemvecTextEmbedder:
    """A query to a unit vector.

    `model` and `model_options` are what EmbeddingGemma's constructor takes. It is loaded by warm_up() or the first run().
    """

    def __init__(self, model: str | None = None, prompt_name: str = "query", model_options: dict | None = None):
        self.model, self.prompt_name, self.model_options = model, prompt_name, model_options
        self._loaded = None

    def warm_up(self):
        if self._loaded is None:
            self._loaded = load(self.model, self.model_options)

    def to_dict(self):
        return default_to_dict(self, model=self.model, prompt_name=self.prompt_name, model_options=self.model_options)

    @classmethod
    def from_dict(cls, data):
        return default_from_dict(cls, data)

    @component.output_types(embedding=list[float])
    def run(self, text: str):
        self.warm_up()
        vector = self._loaded.encode(text, prompt_name=self.prompt_name, normalize_embeddings=True)
        return {"embedding": vector.tolist()}


@component
class GemvecDocumentEmbedder:
    """Documents to documents with `embedding`, a unit vector of their content.

    `title_field` names the field of `meta` that has a document's title, which then goes into its prompt. The rest is as
    in GemvecTextEmbedder.
    """

    def __init__(self, model: str | None = None, prompt_name: str = "document", model_options: dict | None = None,
                 title_field: str | None = None):
        self.model, self.prompt_name, self.model_options = model, prompt_name, model_options
        self.title_field = title_field
        self._loaded = None

    def warm_up(self):
        if self._loaded is None:
            self._loaded = load(self.model, self.model_options)

    def to_dict(self):
        return default_to_dict(self, model=self.model, prompt_name=self.prompt_name, model_options=self.model_options,
                               title_field=self.title_field)  # fmt: skip

    @classmethod
    def from_dict(cls, data):
        return default_from_dict(cls, data)

    def _text_of(self, document):
        title = document.meta.get(self.title_field) if self.title_field else None
        prompt = f"title: {title} | text: " if title else self._loaded.prompts[self.prompt_name]
        return prompt + (document.content or "")

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]):
        self.warm_up()
        texts = [self._text_of(document) for document in documents]
        vectors = self._loaded.encode(texts, prompt="", normalize_embeddings=True)
        return {"documents": [replace(document, embedding=vector.tolist())
                              for document, vector in zip(documents, vectors, strict=True)]}  # fmt: skip
