"""The model as ONNX Runtime would run it: int64 rectangles in, last_hidden_state and sentence_embedding out."""

import os

import numpy as np

from . import _gemvec
from ._errors import InvalidArgument
from ._session import TOKENS, VECTORS, Session

INPUTS = ("input_ids", "attention_mask")
OUTPUTS = ("last_hidden_state", "sentence_embedding")


class NodeArg:
    """Name, type and shape of an input or an output."""

    def __init__(self, name, kind, shape):
        self.name, self.type, self.shape = name, kind, shape

    def __repr__(self):
        return f"NodeArg(name={self.name!r}, type={self.type!r}, shape={self.shape})"


class InferenceSession:
    """Stands where `onnxruntime.InferenceSession` stood: `run(None, inputs)` with the same arrays.

    `path_or_bytes` is an .onnx file, which is computed in fp32 over exactly its numbers, as ONNX Runtime does; or a
    model folder, a .gguf or .gemvec file, or None for the release. Of a folder with the fp32 release the weights are
    then rounded to bf16 and computed in fp32, which is what the ONNX release is; `dtype` chooses something else: "fp32",
    "bf16", "q8", "q4".

    `sess_options` is looked at for `intra_op_num_threads`. `providers` may name the CPU. Safe to use from many threads.
    """

    def __init__(self, path_or_bytes=None, sess_options=None, providers=None, provider_options=None, *, dtype=None,
                 threads=None, **options):
        if isinstance(path_or_bytes, (bytes, bytearray, memoryview)):
            raise TypeError("path_or_bytes: expected a path; the model's weights are in a file of their own")
        for provider in providers or ():
            name = provider[0] if isinstance(provider, (tuple, list)) else provider
            if name != "CPUExecutionProvider":
                raise InvalidArgument(f"providers {name!r}: gemvec computes on the processor, CPUExecutionProvider")
        asked = getattr(sess_options, "intra_op_num_threads", 0)
        if threads is None and asked:
            threads = asked
        self._session = Session(path_or_bytes, threads=threads, **self._numbers(path_or_bytes, dtype), **options)

    @staticmethod
    def _numbers(path, dtype):
        suffix = os.path.splitext(os.fspath(path))[1].lower() if path is not None else ""
        if dtype is not None:
            return {"dtype": dtype, "compute": "native"}
        if suffix == ".onnx":
            return {"dtype": None, "compute": "native", "exact": True}
        if suffix in (".gguf", ".gemvec"):
            return {"dtype": None, "compute": "native"}
        return {"dtype": "bf16", "compute": "fp32"}

    def get_inputs(self):
        return [NodeArg(name, "tensor(int64)", ["batch_size", "sequence_length"]) for name in INPUTS]

    def get_outputs(self):
        shapes = (["batch_size", "sequence_length", _gemvec.WIDTH], ["batch_size", _gemvec.WIDTH])
        return [NodeArg(name, "tensor(float)", shape) for name, shape in zip(OUTPUTS, shapes, strict=True)]

    def get_providers(self):
        return ["CPUExecutionProvider"]

    def run(self, output_names, input_feed, run_options=None):
        """Arrays float32 in the order of `output_names`, or both: last_hidden_state [batch, tokens, 768], with zeros
        where the mask is 0, and sentence_embedding [batch, 768] of unit length.

        `input_feed` has input_ids and attention_mask, int64 [batch, tokens]; the mask is 1 where a token is and 0 where
        padding is, before or behind the tokens of a row. Errors: TypeError, ValueError; both name the tensor.
        """
        names = list(OUTPUTS) if output_names is None else list(output_names)
        for name in names:
            if name not in OUTPUTS:
                raise InvalidArgument(f"output_names {name!r}: expected {' or '.join(OUTPUTS)}")
        ids, mask = self._inputs(input_feed)
        rows, tokens = ids.shape
        outputs = {}
        if rows == 0:
            outputs = {"last_hidden_state": np.zeros((0, tokens, _gemvec.WIDTH), np.float32),
                       "sentence_embedding": np.zeros((0, _gemvec.WIDTH), np.float32)}  # fmt: skip
        elif names:
            wanted = TOKENS * ("last_hidden_state" in names) | VECTORS * ("sentence_embedding" in names)
            vectors, states, _, _ = self._session.native.embed_padded(ids, mask, wanted, _gemvec.WIDTH, True)
            outputs["sentence_embedding"] = vectors
            if states is not None:
                outputs["last_hidden_state"] = states.reshape(rows, tokens, _gemvec.WIDTH)
        return [outputs[name] for name in names]

    def _inputs(self, feed):
        if not hasattr(feed, "items"):
            raise TypeError(f"input_feed: expected a dict of arrays, got {type(feed).__name__}")
        unknown = [name for name in feed if name not in INPUTS]
        if unknown:
            raise InvalidArgument(f"Invalid input name: {unknown[0]}; expected {' and '.join(INPUTS)}")
        missing = [name for name in INPUTS if name not in feed]
        if missing:
            raise InvalidArgument(f"Required inputs {missing} are missing from input_feed")
        ids, mask = (self._matrix(name, feed[name]) for name in INPUTS)
        if ids.shape != mask.shape:
            raise InvalidArgument(f"attention_mask: shape {mask.shape}, but input_ids has {ids.shape}")
        return ids, mask

    @staticmethod
    def _matrix(name, value):
        try:
            array = np.asarray(value)
        except ValueError:
            raise InvalidArgument(f"{name}: the rows have different lengths; expected [batch, tokens]") from None
        if array.dtype != np.int64:
            raise InvalidArgument(f"{name}: unexpected data type {array.dtype}; expected int64")
        if array.ndim != 2:
            raise InvalidArgument(f"{name}: {array.ndim} dimensions; expected 2, [batch, tokens]")
        return np.ascontiguousarray(array)

    def close(self):
        """Frees the model when the calls that run have ended. Later calls raise ValueError."""
        self._session.close()


class SessionOptions:
    """For scripts that set the number of threads; nothing else is looked at."""

    def __init__(self):
        self.intra_op_num_threads = 0
        self.inter_op_num_threads = 0
