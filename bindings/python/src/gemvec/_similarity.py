"""Similarity of vectors: cosine, dot product, or minus a distance. NumPy arrays, or tensors if tensors come in."""

import sys

import numpy as np

from ._errors import InvalidArgument


def _matrix(name, vectors):
    if is_tensor(vectors):
        vectors = vectors.detach().cpu().numpy()
    elif isinstance(vectors, (list, tuple)):
        vectors = [v.detach().cpu().numpy() if is_tensor(v) else v for v in vectors]
    array = np.asarray(vectors)
    if array.dtype.kind not in "fiu" or array.ndim not in (1, 2):
        raise InvalidArgument(f"{name}: expected vectors [texts, dim] of numbers, got {array.dtype} {array.shape}")
    return np.atleast_2d(array.astype(np.float32, copy=False))


def is_tensor(value):
    # torch takes seconds to import: if nobody has, nobody has a tensor.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _units(vectors):
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def _euclidean(a, b):
    return -np.stack([np.linalg.norm(row - b, axis=1) for row in a])


def _manhattan(a, b):
    return -np.stack([np.abs(row - b).sum(axis=1) for row in a])


ALL = {
    "cosine": lambda a, b: _units(a) @ _units(b).T,
    "dot": lambda a, b: a @ b.T,
    "euclidean": _euclidean,
    "manhattan": _manhattan,
}
PAIRS = {
    "cosine": lambda a, b: np.einsum("ij,ij->i", _units(a), _units(b)),
    "dot": lambda a, b: np.einsum("ij,ij->i", a, b),
    "euclidean": lambda a, b: -np.linalg.norm(a - b, axis=1),
    "manhattan": lambda a, b: -np.abs(a - b).sum(axis=1),
}


def similarity(kind, a, b):
    """[rows of a, rows of b]; see the module."""
    left, right = _matrix("embeddings1", a), _matrix("embeddings2", b)
    if left.shape[1] != right.shape[1]:
        raise InvalidArgument(f"embeddings2: vectors of {right.shape[1]} numbers, but embeddings1 has {left.shape[1]}")
    return _like(a, b, ALL[kind](left, right) if len(left) else np.zeros((0, len(right)), np.float32))


def similarity_pairwise(kind, a, b):
    """[rows], of the first with the first, the second with the second; see the module."""
    left, right = _matrix("embeddings1", a), _matrix("embeddings2", b)
    if left.shape != right.shape:
        raise InvalidArgument(f"embeddings2: shape {right.shape}, but embeddings1 has {left.shape}")
    return _like(a, b, PAIRS[kind](left, right))


def _like(a, b, array):
    if not any(is_tensor(v) or (isinstance(v, (list, tuple)) and v and is_tensor(v[0])) for v in (a, b)):
        return array
    return sys.modules["torch"].from_numpy(np.ascontiguousarray(array))
