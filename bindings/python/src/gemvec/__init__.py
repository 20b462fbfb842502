"""EmbeddingGemma-300M as native software: the release's vectors, with the calls that you know.

    import gemvec
    model = gemvec.EmbeddingGemma()                       # in place of SentenceTransformer("google/embeddinggemma-300m")
    query = model.encode_query("Which planet is known as the Red Planet?")
    documents = model.encode_document(["Mars ...", "Venus ..."])
    print(model.similarity(query, documents))

`InferenceSession` and `AutoTokenizer` stand in for ONNX Runtime's and transformers'. gemvec.langchain, gemvec.llama_index,
gemvec.haystack, gemvec.chroma and gemvec.mteb are thin and need the package that each is named after.
"""

from . import _gemvec
from ._errors import (
    BadModel,
    Error,
    Internal,
    InvalidArgument,
    ModelNotFound,
    ModelUnreadable,
    TextTooLong,
    Unsupported,
)
from ._inference import InferenceSession, SessionOptions
from ._model import EmbeddingGemma
from ._quantization import quantize_embeddings
from ._tokenizer import AutoTokenizer, BatchEncoding, Tokenizer

__version__ = _gemvec.version()

__all__ = [
    "AutoTokenizer",
    "BadModel",
    "BatchEncoding",
    "EmbeddingGemma",
    "Error",
    "InferenceSession",
    "Internal",
    "InvalidArgument",
    "ModelNotFound",
    "ModelUnreadable",
    "SessionOptions",
    "TextTooLong",
    "Tokenizer",
    "Unsupported",
    "quantize_embeddings",
]
