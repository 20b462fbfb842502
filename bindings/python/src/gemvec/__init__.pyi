"""Types of gemvec. A vector is float32; shapes are in the docstrings."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from os import PathLike
from types import TracebackType
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

__version__: str

_Path = str | PathLike[str]
_DType = Literal["q8", "q4", "bf16", "bfloat16", "fp32", "float32", "mixed"]
_Compute = Literal["native", "fp32"]
_Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]
_Similarity = Literal["cosine", "dot", "euclidean", "manhattan"]

class Error(Exception): ...
class InvalidArgument(Error, ValueError): ...
class ModelNotFound(Error, FileNotFoundError): ...
class ModelUnreadable(Error, OSError): ...
class BadModel(Error, ValueError): ...
class Unsupported(Error, RuntimeError): ...
class TextTooLong(Error, ValueError): ...
class Internal(Error, RuntimeError): ...

class EmbeddingGemma:
    prompts: dict[str, str]
    default_prompt_name: str | None
    def __init__(
        self,
        model: _Path | None = None,
        dtype: _DType | None = None,
        truncate_dim: int | None = None,
        threads: int | None = None,
        *,
        compute: _Compute = "native",
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
        similarity_fn_name: _Similarity = "cosine",
        max_seq_length: int | None = None,
        truncate: Literal["right", "left", "error"] = "right",
        device: Any = None,
        exact: bool = False,
        allow_headless: bool = False,
        cache_dir: _Path | None = None,
        use_cache: bool = True,
        self_check: bool = True,
        max_memory: int = 0,
    ) -> None: ...
    @property
    def info(self) -> dict[str, Any]: ...
    @property
    def tokenizer(self) -> Tokenizer: ...
    @property
    def device(self) -> str: ...
    @property
    def max_seq_length(self) -> int: ...
    @max_seq_length.setter
    def max_seq_length(self, value: int) -> None: ...
    @property
    def truncate_dim(self) -> int | None: ...
    @truncate_dim.setter
    def truncate_dim(self, value: int | None) -> None: ...
    @property
    def similarity_fn_name(self) -> _Similarity: ...
    @similarity_fn_name.setter
    def similarity_fn_name(self, value: _Similarity) -> None: ...
    def get_max_seq_length(self) -> int: ...
    def get_sentence_embedding_dimension(self) -> int: ...
    def get_embedding_dimension(self) -> int: ...
    def truncate_embeddings(self, truncate_dim: int | None) -> AbstractContextManager[None]: ...
    def truncate_sentence_embeddings(self, truncate_dim: int | None) -> AbstractContextManager[None]: ...
    def eval(self) -> EmbeddingGemma: ...
    def to(self, device: Any = None, **_: Any) -> EmbeddingGemma: ...
    def close(self) -> None: ...
    def __enter__(self) -> EmbeddingGemma: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    # [texts, 768], or [768] of one text. Tensors, lists and dicts as convert_to_tensor and output_value say.
    def encode(
        self,
        inputs: str | Iterable[str] | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: Literal["sentence_embedding", "token_embeddings"] | None = "sentence_embedding",
        precision: _Precision = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        pool: None = None,
        chunk_size: int | None = None,
        *,
        task: str | None = None,
        sentences: str | Iterable[str] | None = None,
    ) -> Any: ...
    def encode_query(
        self,
        inputs: str | Iterable[str] | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        *arguments: Any,
        **options: Any,
    ) -> Any: ...
    def encode_document(
        self,
        inputs: str | Iterable[str] | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        *arguments: Any,
        title: str | None = None,
        **options: Any,
    ) -> Any: ...
    def tokenize(self, texts: str | Sequence[str], prompt: str | None = None) -> dict[str, NDArray[np.int64]]: ...
    def preprocess(self, texts: str | Sequence[str], prompt: str | None = None) -> dict[str, NDArray[np.int64]]: ...
    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any: ...
    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any: ...

class NodeArg:
    name: str
    type: str
    shape: list[str | int]

class SessionOptions:
    intra_op_num_threads: int
    inter_op_num_threads: int
    def __init__(self) -> None: ...

class InferenceSession:
    def __init__(
        self,
        path_or_bytes: _Path | None = None,
        sess_options: Any = None,
        providers: Sequence[Any] | None = None,
        provider_options: Any = None,
        *,
        dtype: _DType | None = None,
        threads: int | None = None,
        **options: Any,
    ) -> None: ...
    def get_inputs(self) -> list[NodeArg]: ...
    def get_outputs(self) -> list[NodeArg]: ...
    def get_providers(self) -> list[str]: ...
    # last_hidden_state [batch, tokens, 768] and sentence_embedding [batch, 768], as output_names says.
    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, ArrayLike], run_options: Any = None
    ) -> list[NDArray[np.float32]]: ...
    def close(self) -> None: ...

class BatchEncoding(dict[str, Any]):
    @property
    def data(self) -> dict[str, Any]: ...
    input_ids: Any
    attention_mask: Any

class Tokenizer:
    model_max_length: int
    padding_side: Literal["right", "left"]
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: _Path | None = None,
        *,
        cache_dir: _Path | None = None,
        padding_side: Literal["right", "left"] = "right",
        model_max_length: int = 2048,
        **ignored: Any,
    ) -> Tokenizer: ...
    def __len__(self) -> int: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def pad_token_id(self) -> int: ...
    @property
    def eos_token_id(self) -> int: ...
    @property
    def bos_token_id(self) -> int: ...
    @property
    def pad_token(self) -> str: ...
    @property
    def eos_token(self) -> str: ...
    @property
    def bos_token(self) -> str: ...
    def __call__(
        self,
        text: str | Sequence[str],
        text_pair: None = None,
        *,
        add_special_tokens: bool = True,
        padding: bool | Literal["longest", "max_length", "do_not_pad"] = False,
        truncation: bool | str = False,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: Literal["right", "left"] | None = None,
        return_tensors: Literal["np", "pt"] | None = None,
        return_attention_mask: bool = True,
        return_length: bool = False,
        **unknown: Any,
    ) -> BatchEncoding: ...
    def encode(self, text: str, add_special_tokens: bool = True, **options: Any) -> Any: ...
    def tokenize(self, text: str, add_special_tokens: bool = False) -> list[str]: ...
    def decode(self, token_ids: ArrayLike, skip_special_tokens: bool = False) -> str: ...
    def batch_decode(self, sequences: Iterable[ArrayLike], skip_special_tokens: bool = False) -> list[str]: ...
    @overload
    def convert_ids_to_tokens(self, ids: int) -> str: ...
    @overload
    def convert_ids_to_tokens(self, ids: Iterable[int]) -> list[str]: ...

class AutoTokenizer:
    @staticmethod
    def from_pretrained(pretrained_model_name_or_path: _Path | None = None, **options: Any) -> Tokenizer: ...

def quantize_embeddings(
    embeddings: ArrayLike,
    precision: _Precision,
    ranges: ArrayLike | None = None,
    calibration_embeddings: ArrayLike | None = None,
) -> NDArray[Any]: ...
