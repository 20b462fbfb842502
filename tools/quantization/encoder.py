# EmbeddingGemma's forward pass in numpy for many texts at once, with the linears left to the caller.

import json
import math
import pathlib
import struct

import numpy as np

LAYERS, WIDTH, HEADS, HEAD, WINDOW = 24, 768, 3, 256, 256
CHUNK = 1024  # rows per step of what is done row by row: stays in the cache
NAMES = {
    "q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj", "o": "self_attn.o_proj",
    "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj",
}


def to_bf16(a):
    """fp32 rounded to the nearest bf16, ties to even, kept as fp32."""
    bits = np.ascontiguousarray(a, np.float32).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32)


class Weights:
    """The bf16-rounded weights of the safetensors release in a folder."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.header, self.data = open_safetensors(folder / "model.safetensors")
        dense = [open_safetensors(folder / name / "model.safetensors") for name in ("2_Dense", "3_Dense")]
        d2, d3 = (to_bf16(read(header, data, "linear.weight")) for header, data in dense)
        self.head = d3 @ d2  # [768, 768]

    def linear(self, layer, name):
        return to_bf16(read(self.header, self.data, f"layers.{layer}.{NAMES[name]}.weight"))

    def norm(self, layer, name):
        return 1 + to_bf16(read(self.header, self.data, f"layers.{layer}.{name}.weight"))

    def last_norm(self):
        return 1 + to_bf16(read(self.header, self.data, "norm.weight"))

    def embedding(self, ids=None):
        table = read(self.header, self.data, "embed_tokens.weight")
        return table if ids is None else to_bf16(table[ids])


def open_safetensors(path):
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
    return header, np.memmap(path, np.uint8, "r", offset=8 + size)


def read(header, data, name):
    begin, end = header[name]["data_offsets"]
    return data[begin:end].view(np.float32).reshape(header[name]["shape"])


def embed(weights, texts, linears, keep=lambda *_: None):
    """Unit vectors [texts, 768] of lists of ids.

    linears.table(ids, rows [ids, 768]) gives what is left of rows of the embedding table; linears.apply(layer, names,
    x [rows, K]) the outputs of the linears of one shared input, as a dict.
    """
    offsets = np.cumsum([0] + [len(ids) for ids in texts])
    ids, which = np.unique(np.concatenate(texts), return_inverse=True)
    x = linears.table(ids, weights.embedding(ids))[which] * np.float32(math.sqrt(WIDTH))
    for layer in range(LAYERS):
        x = one_layer(weights, layer, x, offsets, linears)
        keep(layer, x)
    last = weights.last_norm()
    pooled = np.stack([rms(x[a:b], last).mean(0) for a, b in zip(offsets[:-1], offsets[1:])])
    vectors = pooled @ weights.head.T
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def one_layer(weights, layer, x, offsets, linears):
    def norm(name):
        return weights.norm(layer, name)

    full = layer % 6 == 5
    y = linears.apply(layer, ("q", "k", "v"), rms(x, norm("input_layernorm")))
    q_norm, k_norm = norm("self_attn.q_norm"), norm("self_attn.k_norm")
    mixed = np.empty((len(x), WIDTH), np.float32)
    for a, b in zip(offsets[:-1], offsets[1:]):
        q = rms(y["q"][a:b].reshape(b - a, HEADS, HEAD), q_norm).transpose(1, 0, 2)
        k = rms(y["k"][a:b], k_norm)
        theta = 1e6 if full else 1e4
        mixed[a:b] = attention(rope(q, theta), rope(k, theta), y["v"][a:b], full)
    o = linears.apply(layer, ("o",), mixed)["o"]
    x = x + rms(o, norm("post_attention_layernorm"))
    y = linears.apply(layer, ("gate", "up"), rms(x, norm("pre_feedforward_layernorm")))
    m = y["gate"]
    for i in range(0, len(m), CHUNK):
        m[i : i + CHUNK] = gelu(m[i : i + CHUNK]) * y["up"][i : i + CHUNK]
    down = linears.apply(layer, ("down",), m)["down"]
    return x + rms(down, norm("post_feedforward_layernorm"))


def attention(q, k, v, full):
    """q [3, tokens, 256], k and v [tokens, 256] -> [tokens, 768]"""
    tokens = len(k)
    out = np.empty((tokens, HEADS, HEAD), np.float32)
    for a in range(0, tokens, WINDOW):
        b = min(a + WINDOW, tokens)
        begin, end = (0, tokens) if full else (max(0, a - WINDOW), min(tokens, b + WINDOW))
        s = q[:, a:b] @ k[begin:end].T
        s *= np.float32(1 / 16)
        if not full:
            far = np.abs(np.subtract.outer(np.arange(a, b), np.arange(begin, end))) > WINDOW
            s[:, far] = -np.inf
        s -= s.max(-1, keepdims=True)
        np.exp(s, out=s)
        s /= s.sum(-1, keepdims=True)
        out[a:b] = (s @ v[begin:end]).transpose(1, 0, 2)
    return out.reshape(tokens, WIDTH)


def rms(x, weight):
    return x / np.sqrt((x * x).mean(-1, keepdims=True, dtype=np.float32) + np.float32(1e-6)) * weight


def gelu(x):
    return np.float32(0.5) * x * (1 + np.tanh(np.float32(0.7978845608028654) * (x + np.float32(0.044715) * x * x * x)))


def rope(x, theta):
    """Turns the pairs (i, i + 128) of x [..., tokens, 256]."""
    angle = np.outer(np.arange(x.shape[-2]), theta ** (-np.arange(0, HEAD, 2) / HEAD))
    c, s = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    a, b = x[..., : HEAD // 2], x[..., HEAD // 2 :]
    return np.concatenate([a * c - b * s, b * c + a * s], -1)
