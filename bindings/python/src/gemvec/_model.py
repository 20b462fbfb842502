"""EmbeddingGemma with the calls of sentence_transformers.SentenceTransformer."""

import contextlib
import itertools
import logging
from collections.abc import Iterable, Mapping, Sized

import numpy as np

from . import _gemvec
from ._errors import InvalidArgument
from ._quantization import PRECISIONS, quantize_embeddings
from ._session import LOGGER, TOKENS, VECTORS, Session, choose, whole_number
from ._similarity import ALL, similarity, similarity_pairwise
from ._tokenizer import Tokenizer, list_of_texts

# Texts that are taken from an iterator at a time: enough to sort by length, few enough to hold.
WINDOW = 1024
# Dimensions that the model was trained to be cut to.
TRAINED_DIMS = (768, 512, 256, 128)
TRUNCATIONS = {"right": 0, "left": 1, "error": 2}  # gemvec_truncate of the C API
OUTPUTS = {"sentence_embedding": VECTORS, "token_embeddings": TOKENS, None: VECTORS | TOKENS}


class EmbeddingGemma:
    """EmbeddingGemma-300M on the processor, in place of `SentenceTransformer("google/embeddinggemma-300m")`.

    model: a folder (the release's, or the ONNX release's), an .onnx, .gguf or .gemvec file, the release's name on the
        hub, or None: the model that GEMVEC_MODEL names or `gemvec pull` fetched.
    dtype: numbers in the weights: "q8", "q4", "bf16", "fp32", "mixed". None: "q8", or what a .gemvec file holds.
    compute: "native", or "fp32": fp32 arithmetic also over bf16 weights.
    truncate_dim: vectors keep this many of their 768 numbers (trained: 512, 256, 128). They are then shorter than 1, as
        sentence-transformers leaves them; `normalize_embeddings=True` makes them of unit length again.
    threads: None: one for each core.
    prompts: named prompts besides the model's own. default_prompt_name: the one that `encode` takes if none is named.
    truncate: what becomes of texts of more than `max_seq_length` tokens: "right" keeps the beginning, "left" the end,
        "error" raises TextTooLong.
    exact, allow_headless, cache_dir, use_cache, self_check, max_memory: as in gemvec/gemvec.h.

    All methods may be called from many threads at once. Errors: ModelNotFound, BadModel, Unsupported; ValueError and
    TypeError for arguments.
    """

    def __init__(self, model=None, dtype=None, truncate_dim=None, threads=None, *, compute="native", prompts=None,
                 default_prompt_name=None, similarity_fn_name="cosine", max_seq_length=None, truncate="right",
                 device=None, exact=False, allow_headless=False, cache_dir=None, use_cache=True, self_check=True,
                 max_memory=0):
        _check_device(device)
        self._truncate = choose("truncate", truncate, TRUNCATIONS)
        self._truncate_dim = None if truncate_dim is None else whole_number("truncate_dim", truncate_dim, 1, _gemvec.WIDTH)
        self._max_seq_length = _gemvec.MAX_TOKENS
        if max_seq_length is not None:
            self.max_seq_length = max_seq_length
        self.similarity_fn_name = similarity_fn_name
        self._session = Session(model, dtype, compute, threads, exact, allow_headless, cache_dir, use_cache, self_check,
                                max_memory)
        self.prompts = {**self._session.native.prompts(), **_checked_prompts(prompts)}
        if default_prompt_name is not None:
            self._prompt(default_prompt_name, None)
        self.default_prompt_name = default_prompt_name

    @contextlib.contextmanager
    def truncate_embeddings(self, truncate_dim):
        """In a `with` statement: vectors keep so many numbers meanwhile, as with the attribute truncate_dim."""
        before = self._truncate_dim
        self.truncate_dim = truncate_dim
        try:
            yield
        finally:
            self._truncate_dim = before

    truncate_sentence_embeddings = truncate_embeddings

    # What it is.

    @property
    def info(self):
        """Facts of the loaded model: dtype, instruction set, threads, bytes, whether its vectors are the release's."""
        return self._session.native.info()

    @property
    def tokenizer(self):
        session = self._session
        return Tokenizer(session.native.tokenizer(), session.path, self._max_seq_length, cache_dir=session.cache_dir)

    @property
    def device(self):
        """What stands where torch.device("cpu") stood."""
        return "cpu"

    @property
    def max_seq_length(self):
        """Tokens that are looked at, BOS, EOS and prompt included: 2 to 2048."""
        return self._max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, value):
        self._max_seq_length = whole_number("max_seq_length", value, 2, _gemvec.MAX_TOKENS)

    def get_max_seq_length(self):
        return self._max_seq_length

    @property
    def truncate_dim(self):
        return self._truncate_dim

    @truncate_dim.setter
    def truncate_dim(self, value):
        self._truncate_dim = None if value is None else whole_number("truncate_dim", value, 1, _gemvec.WIDTH)

    def get_sentence_embedding_dimension(self):
        """Numbers in a vector: truncate_dim, or 768."""
        return self._truncate_dim or _gemvec.WIDTH

    get_embedding_dimension = get_sentence_embedding_dimension

    @property
    def similarity_fn_name(self):
        return self._similarity_fn_name

    @similarity_fn_name.setter
    def similarity_fn_name(self, value):
        value = getattr(value, "value", value)  # an enum of sentence-transformers
        choose("similarity_fn_name", value, ALL)
        self._similarity_fn_name = value

    def __repr__(self):
        if self._session.native.closed:
            return f"EmbeddingGemma({self._session.path!r}, closed)"
        info = self.info
        return f"EmbeddingGemma({self._session.path!r}, dtype={info['dtype']!r}, threads={info['threads']})"

    def eval(self):
        return self

    def to(self, device=None, **_):
        _check_device(device)
        return self

    def close(self):
        """Frees the model when the calls that run have ended. Later calls raise ValueError."""
        self._session.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Vectors.

    def encode_query(self, inputs=None, prompt_name=None, prompt=None, *arguments, **options):
        """`encode` with the prompt named "query", unless another is given."""
        if prompt_name is None and prompt is None:
            prompt_name = "query"
        return self.encode(inputs, prompt_name, prompt, *arguments, **options)

    def encode_document(self, inputs=None, prompt_name=None, prompt=None, *arguments, title=None, **options):
        """`encode` with the prompt named "document", unless another is given; with `title` in it, if there is one."""
        if title is not None:
            if prompt_name is not None or prompt is not None:
                raise InvalidArgument("title: expected without prompt_name and prompt")
            prompt = self._session.native.prompt_for("retrieval-document", title)
        elif prompt_name is None and prompt is None:
            prompt_name = "document"
        return self.encode(inputs, prompt_name, prompt, *arguments, **options)

    def encode(self, inputs=None, prompt_name=None, prompt=None, batch_size=32, show_progress_bar=None,
               output_value="sentence_embedding", precision="float32", convert_to_numpy=True, convert_to_tensor=False,
               device=None, normalize_embeddings=False, truncate_dim=None, pool=None, chunk_size=None, *, task=None,
               sentences=None):
        """Vectors float32 [texts, 768] of an iterable of texts, or [768] of one text. (`sentences` is the name that
        `inputs` had before.)

        prompt_name: a key of `prompts`; prompt: the prompt itself; neither: the default prompt, or none. batch_size says
        how many texts at least are taken from an iterator at a time; it changes no number and no speed, because texts are
        sorted and cut into micro-batches inside. show_progress_bar needs tqdm. output_value: "token_embeddings" gives a
        list of [tokens, 768], BOS, prompt and EOS included; None gives a list of dicts with everything. precision:
        "float32", "int8", "uint8", "binary" or "ubinary", see quantize_embeddings(). convert_to_tensor: torch tensors;
        convert_to_numpy=False: a list of them. truncate_dim: instead of the model's.

        Ctrl-C ends it between micro-batches. Errors: TypeError for what is no text; InvalidArgument; TextTooLong with
        truncate="error".
        """
        _check_device(device)
        if pool is not None:
            raise InvalidArgument("pool: one process uses all cores; leave it out")
        inputs = sentences if inputs is None else inputs
        call = _Call(self, prompt_name, prompt, batch_size, output_value, precision, normalize_embeddings, truncate_dim)
        single = isinstance(inputs, str)
        texts = [inputs] if single else _checked_texts(inputs)
        with _Bar(show_progress_bar, texts) as bar:
            result = call.run(texts, bar)
        if output_value == "sentence_embedding":
            return _delivered(result[0] if single else result, convert_to_numpy, convert_to_tensor)
        if convert_to_tensor:
            result = [_tensors(item) for item in result]
        return result[0] if single else result

    def tokenize(self, texts, prompt=None):
        """What the model sees: input_ids and attention_mask, int64 [texts, tokens], padded behind the shorter texts."""
        texts = [(prompt or "") + text for text in list_of_texts(texts, "texts")[0]]
        return self.tokenizer(texts, padding=True, truncation=True, return_tensors="np").data

    preprocess = tokenize

    def _prompt(self, name, prompt):
        if prompt is not None:
            if not isinstance(prompt, str):
                raise TypeError(f"prompt: expected str, got {type(prompt).__name__}")
            return prompt
        if name is None:
            name = self.default_prompt_name
        if name is None:
            return ""
        try:
            return self.prompts[name]
        except (KeyError, TypeError):
            raise InvalidArgument(f"prompt_name {name!r}: expected one of {', '.join(self.prompts)}") from None

    # Similarity.

    def similarity(self, embeddings1, embeddings2):
        """[texts of the first, texts of the second], by `similarity_fn_name`. Tensors if tensors come in, else NumPy."""
        return similarity(self._similarity_fn_name, embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1, embeddings2):
        """[texts]: of the first with the first, and so on."""
        return similarity_pairwise(self._similarity_fn_name, embeddings1, embeddings2)


class _Call:
    """One encode(): its arguments, checked, and the work on windows of texts."""

    def __init__(self, owner, prompt_name, prompt, batch_size, output_value, precision, normalize, truncate_dim):
        self.native = owner._session.native
        self.prompt = owner._prompt(prompt_name, prompt)
        self.outputs = choose("output_value", output_value, OUTPUTS)
        self.output_value = output_value
        self.precision = choose("precision", precision, PRECISIONS)
        self.window = max(WINDOW, whole_number("batch_size", batch_size, 1, 2**31 - 1))
        self.limit, self.truncate = owner.max_seq_length, owner._truncate
        dim = owner.truncate_dim if truncate_dim is None else truncate_dim
        self.dim = _gemvec.WIDTH if dim is None else whole_number("truncate_dim", dim, 1, _gemvec.WIDTH)
        self.normalize = normalize
        self.tokenizer = owner.tokenizer

    def run(self, texts, bar):
        if isinstance(texts, list):
            parts = [self.window_of(texts, bar.progress_of(0))]
        else:
            parts, done = [], 0
            while window := list(itertools.islice(texts, self.window)):
                parts.append(self.window_of(window, bar.progress_of(done)))
                done += len(window)
        if self.output_value != "sentence_embedding":
            return list(itertools.chain.from_iterable(parts))
        vectors = parts[0] if len(parts) == 1 else np.concatenate(parts or [np.zeros((0, self.dim), np.float32)])
        return vectors if self.precision == "float32" else quantize_embeddings(vectors, self.precision)

    def window_of(self, texts, progress):
        if not texts:
            return np.zeros((0, self.dim), np.float32) if self.output_value == "sentence_embedding" else []
        # A shorter vector of unit length comes from the engine if the model was trained for it.
        cut_inside = bool(self.normalize) and self.dim in TRAINED_DIMS
        vectors, states, offsets, _ = self.native.embed(
            texts, self.prompt, self.outputs, self.dim if cut_inside else _gemvec.WIDTH, True, self.limit, self.truncate,
            True, progress)
        if vectors is not None and not cut_inside and self.dim < _gemvec.WIDTH:
            vectors = np.ascontiguousarray(vectors[:, : self.dim])
            if self.normalize:
                vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        if self.output_value == "sentence_embedding":
            return vectors
        rows = [states[begin:end] for begin, end in itertools.pairwise(offsets.tolist())]
        return rows if self.output_value == "token_embeddings" else self.everything(texts, vectors, rows)

    def everything(self, texts, vectors, rows):
        encoded = self.tokenizer([self.prompt + text for text in texts], truncation=True)
        return [{"input_ids": np.array(ids, np.int64), "attention_mask": np.ones(len(ids), np.int64),
                 "token_embeddings": states, "sentence_embedding": vector}
                for ids, states, vector in zip(encoded.input_ids, rows, vectors, strict=True)]  # fmt: skip


class _Bar:
    """tqdm's bar over texts, if it was asked for and is installed."""

    def __init__(self, show, texts):
        self.bar = None
        if show is None:
            show = LOGGER.getEffectiveLevel() in (logging.INFO, logging.DEBUG)
        if show:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self.bar = tqdm(total=len(texts) if isinstance(texts, Sized) else None, desc="Texts", unit="text")

    def progress_of(self, before):
        """The callback of a window of texts that begins after `before` texts; None if there is no bar."""
        if self.bar is None:
            return None
        return lambda done, _: self.bar.update(before + done - self.bar.n)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.bar is not None:
            self.bar.close()


def _checked_texts(inputs):
    """A list, or an iterator of texts that is checked as it goes."""
    if inputs is None or isinstance(inputs, (bytes, Mapping)) or not isinstance(inputs, Iterable):
        raise TypeError(f"inputs: expected str or an iterable of str, got {type(inputs).__name__}")
    return list(inputs) if isinstance(inputs, Sized) else iter(inputs)


def _checked_prompts(prompts):
    for name, prompt in (prompts or {}).items():
        if not isinstance(name, str) or not isinstance(prompt, str):
            raise TypeError(f"prompts[{name!r}]: expected names and prompts to be str")
    return dict(prompts or {})


def _check_device(device):
    if device is not None and not str(device).startswith("cpu"):
        raise InvalidArgument(f"device {str(device)!r}: gemvec computes on the processor; leave it out, or say 'cpu'")


def _tensors(value):
    import torch

    if isinstance(value, dict):
        return {name: torch.from_numpy(array) for name, array in value.items()}
    return torch.from_numpy(value)


def _delivered(vectors, convert_to_numpy, convert_to_tensor):
    if convert_to_tensor:
        return _tensors(vectors)
    if convert_to_numpy:
        return vectors
    return _tensors(vectors) if vectors.ndim == 1 else [_tensors(vector) for vector in vectors]
