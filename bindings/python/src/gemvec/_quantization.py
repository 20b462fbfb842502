"""Vectors of float32 to bytes and bits, with the numbers of sentence-transformers."""

import logging

import numpy as np

from ._errors import InvalidArgument
from ._session import choose

LOGGER = logging.getLogger("gemvec")
PRECISIONS = {name: name for name in ("float32", "int8", "uint8", "binary", "ubinary")}
# So many vectors say well enough how far each dimension reaches; sentence-transformers warns below the same number.
ENOUGH = 100
STEPS = 255  # between the 256 codes of a byte


def ranges_of(embeddings):
    """[2, dim]: the least and the greatest number of each dimension, for `quantize_embeddings`."""
    embeddings = np.asarray(embeddings)
    return np.stack([embeddings.min(axis=0), embeddings.max(axis=0)])


def quantize_embeddings(embeddings, precision, ranges=None, calibration_embeddings=None):
    """`embeddings` [texts, dim] in fewer bits.

    int8 and uint8: each dimension's range, [2, dim] from `ranges`, else of the `calibration_embeddings`, else of the
    embeddings themselves, cut into 256 steps; [texts, dim]. What lies outside the range gets its nearest end. binary and
    ubinary: one bit a dimension, 1 if it is above zero, eight to a byte from the highest; [texts, dim / 8], int8 (less
    128) or uint8. Errors: InvalidArgument.
    """
    choose("precision", precision, PRECISIONS)
    embeddings = np.asarray(embeddings, dtype=np.float32)
    if embeddings.ndim != 2:
        raise InvalidArgument(f"embeddings: {embeddings.ndim} dimensions; expected 2, [texts, dim]")
    if precision == "float32":
        return embeddings
    if precision in ("binary", "ubinary"):
        bits = np.packbits(embeddings > 0, axis=1)
        return bits if precision == "ubinary" else (bits.astype(np.int16) - 128).astype(np.int8)
    return _to_bytes(embeddings, precision, _ranges(embeddings, ranges, calibration_embeddings))


def _ranges(embeddings, ranges, calibration):
    if ranges is None and calibration is None:
        if 0 < len(embeddings) < 2:
            raise InvalidArgument("One vector says nothing of how far each dimension reaches: give quantize_embeddings() "
                                  "calibration_embeddings or ranges, or encode more texts at once.")
        if 0 < len(embeddings) < ENOUGH:
            LOGGER.warning("%d vectors are few to take the ranges of int8 from: %d or more are better, or "
                           "calibration_embeddings.", len(embeddings), ENOUGH)
    if ranges is None:
        source = embeddings if calibration is None else np.asarray(calibration, dtype=np.float32)
        ranges = ranges_of(source) if len(source) else np.zeros((2, embeddings.shape[1]), np.float32)
    ranges = np.asarray(ranges, dtype=np.float32)
    if ranges.shape != (2, embeddings.shape[1]):
        raise InvalidArgument(f"ranges: shape {ranges.shape}; expected {(2, embeddings.shape[1])}")
    return ranges


def _to_bytes(embeddings, precision, ranges):
    steps = (ranges[1] - ranges[0]) / STEPS
    codes = (embeddings - ranges[0]) / np.where(steps > 0, steps, 1)
    codes = np.clip(np.floor(codes), 0, STEPS)
    return codes.astype(np.uint8) if precision == "uint8" else (codes - 128).astype(np.int8)
