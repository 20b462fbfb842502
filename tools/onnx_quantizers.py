"""Weights as codes with scales, as the writers of ONNX files make them. Used by make_onnx.py."""
import numpy as np


def to_bf16(a):
    """Rounded to the nearest bf16, ties to even, kept as fp32."""
    u = np.ascontiguousarray(a, np.float32).view(np.uint32).astype(np.uint64)
    return (((u + 0x7FFF + ((u >> 16) & 1)) >> 16) << 16).astype(np.uint32).view(np.float32).reshape(np.shape(a))


def affine(w, signed, axis):
    """8-bit codes, scale and zero point of the whole, or one of each for every column (axis 0 is looked through)."""
    low, high = (-128, 127) if signed else (0, 255)
    dtype = np.int8 if signed else np.uint8
    smallest, largest = np.minimum(w.min(axis), 0), np.maximum(w.max(axis), 0)
    scale = np.maximum((largest - smallest) / np.float32(255), np.float32(1e-30)).astype(np.float32)
    zero = np.clip(np.rint(low - smallest / scale), low, high)
    codes = np.clip(np.rint(w / scale) + zero, low, high).astype(dtype)
    return codes, scale, zero.astype(dtype)


def split(w, block):
    """[rows, blocks, block], filled up with zeros."""
    rows, cols = w.shape
    padded = np.zeros((rows, -(-cols // block) * block), np.float32)
    padded[:, :cols] = w
    return padded.reshape(rows, -1, block)


def encode(parts, scales, zeros, bits):
    safe = np.where(scales == 0, 1, scales)[..., None]
    codes = np.clip(np.rint(parts / safe) + zeros[..., None], 0, 2**bits - 1)
    return codes.astype(np.uint8).reshape(len(parts), -1)


def blocks(w, bits, block, zero_points):
    """Unsigned codes [rows, cols filled up], scales [rows, blocks], and zero points [rows, blocks] or None.

    Without zero points the middle is 0, and the number furthest from it, whatever its sign, the lowest code: so
    scales may be negative.
    """
    parts, middle = split(w, block), 2 ** (bits - 1)
    if zero_points:
        smallest, largest = np.minimum(parts.min(-1), 0), np.maximum(parts.max(-1), 0)
        scales = ((largest - smallest) / np.float32(2**bits - 1)).astype(np.float32)
        zeros = np.clip(np.rint(-smallest / np.where(scales == 0, 1, scales)), 0, 2**bits - 1)
        return encode(parts, scales, zeros, bits), scales, zeros.astype(np.uint8)
    furthest = np.take_along_axis(parts, np.abs(parts).argmax(-1)[..., None], -1)[..., 0]
    scales = (furthest / np.float32(-middle)).astype(np.float32)
    return encode(parts, scales, np.full(scales.shape, middle), bits), scales, None


def rounded_blocks(w, bits, block):
    """Codes and scales of blocks(), the scales rounded to fp16 first."""
    scales = blocks(w, bits, block, False)[1].astype(np.float16).astype(np.float32)
    return encode(split(w, block), scales, np.full(scales.shape, 2 ** (bits - 1)), bits), scales


def pack4(codes):
    """Two codes a byte, the first in the low half; a row of odd length is filled up."""
    if codes.shape[-1] % 2:
        codes = np.concatenate([codes, np.zeros((*codes.shape[:-1], 1), codes.dtype)], -1)
    return np.ascontiguousarray(codes[..., ::2] | codes[..., 1::2] << 4).astype(np.uint8)
