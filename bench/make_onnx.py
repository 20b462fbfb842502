#!/usr/bin/env python3
"""Write the model as an fp32 ONNX file for ONNX Runtime, from the safetensors folder, weights rounded to bf16 as in the
public ONNX release.

    bench/make_onnx.py MODEL_DIR OUT.onnx

The graph uses ONNX Runtime's own fused operators where it has them (RMSNorm with the residual addition, GELU), so that the
peer runs as well as it can: measured faster than the decomposed graph that an exporter writes.
"""
import json
import pathlib
import struct
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LAYERS, WIDTH, HEADS, HEAD, FFN, TOKENS = 24, 768, 3, 256, 1152, 2048


def to_bf16(a):
    """Round fp32 to the nearest bf16, ties to even, kept as fp32."""
    u = np.ascontiguousarray(a, np.float32).view(np.uint32).astype(np.uint64)
    return (((u + 0x7FFF + ((u >> 16) & 1)) >> 16) << 16).astype(np.uint32).view(np.float32)


def tensors(path):
    raw = np.memmap(path, np.uint8, "r")
    size = struct.unpack("<Q", raw[:8].tobytes())[0]
    header = json.loads(raw[8 : 8 + size].tobytes())
    data = raw[8 + size :]
    return {
        name: to_bf16(data[slice(*h["data_offsets"])].view(np.float32).reshape(h["shape"]))
        for name, h in header.items()
        if name != "__metadata__"
    }


class Graph:
    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0

    def weight(self, name, array):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def op(self, kind, *inputs, outputs=1, domain="", **attributes):
        names = [f"{kind}_{self.count}_{i}" for i in range(outputs)]
        self.count += 1
        self.nodes.append(helper.make_node(kind, list(inputs), names, domain=domain, **attributes))
        return names[0] if outputs == 1 else names


def norm(g, x, scale):
    return g.op("SimplifiedLayerNormalization", x, scale, axis=-1, epsilon=1e-6)


def rotate(g, x, cos, sin):
    a, b = g.op("Split", x, axis=-1, outputs=2, num_outputs=2)
    first = g.op("Sub", g.op("Mul", a, cos), g.op("Mul", b, sin))
    second = g.op("Add", g.op("Mul", b, cos), g.op("Mul", a, sin))
    return g.op("Concat", first, second, axis=-1)


def heads(g, x, count):
    shape = g.weight(f"shape_{g.count}", np.array([0, 0, count, HEAD], np.int64))
    return g.op("Reshape", x, shape)


def layer(g, w, i, x, tables):
    p = f"layers.{i}."
    matrix = lambda key: g.weight(p + key, w[f"{p}{key}.weight"].T)
    scale = lambda key: g.weight(p + key, 1 + w[f"{p}{key}.weight"])
    cos, sin, mask = tables
    h = norm(g, x, scale("input_layernorm"))
    q = heads(g, g.op("MatMul", h, matrix("self_attn.q_proj")), HEADS)
    k = heads(g, g.op("MatMul", h, matrix("self_attn.k_proj")), 1)
    v = heads(g, g.op("MatMul", h, matrix("self_attn.v_proj")), 1)
    q = g.op("Transpose", norm(g, q, scale("self_attn.q_norm")), perm=[0, 2, 1, 3])
    k = g.op("Transpose", norm(g, k, scale("self_attn.k_norm")), perm=[0, 2, 1, 3])
    q, k = rotate(g, q, cos, sin), rotate(g, k, cos, sin)
    scores = g.op("MatMul", q, g.op("Transpose", k, perm=[0, 1, 3, 2]))
    scores = g.op("Add", g.op("Mul", scores, "query_scale"), mask)
    mixed = g.op("MatMul", g.op("Softmax", scores, axis=-1), g.op("Transpose", v, perm=[0, 2, 1, 3]))
    mixed = g.op("Reshape", g.op("Transpose", mixed, perm=[0, 2, 1, 3]), "flat")
    o = g.op("MatMul", mixed, matrix("self_attn.o_proj"))
    x = g.op("Add", x, norm(g, o, scale("post_attention_layernorm")))
    h = norm(g, x, scale("pre_feedforward_layernorm"))
    gate = g.op("FastGelu", g.op("MatMul", h, matrix("mlp.gate_proj")), domain="com.microsoft")
    m = g.op("Mul", gate, g.op("MatMul", h, matrix("mlp.up_proj")))
    m = g.op("MatMul", m, matrix("mlp.down_proj"))
    return g.op("Add", x, norm(g, m, scale("post_feedforward_layernorm")))


def tables(g):
    """cos, sin and additive mask [B, 1, T, T] of the sliding and of the full layers."""
    length = g.op("Slice", g.op("Shape", "input_ids"), "one", "two")
    positions = g.op("Range", "zero_scalar", g.op("Squeeze", length), "one_scalar")
    pad = g.op("Mul", g.op("Sub", "one_float", g.op("Cast", "attention_mask", to=TensorProto.FLOAT)), "lowest")
    full = g.op("Unsqueeze", pad, g.weight("axes_12", np.array([1, 2], np.int64)))
    apart = g.op("Abs", g.op("Sub", g.op("Unsqueeze", positions, "one"), g.op("Unsqueeze", positions, "zero")))
    far = g.op("Mul", g.op("Cast", g.op("Greater", apart, "window"), to=TensorProto.FLOAT), "lowest")
    out = {}
    for name, theta, mask in (("full", 1e6, full), ("sliding", 1e4, g.op("Add", full, far))):
        angle = np.outer(np.arange(TOKENS), theta ** (-np.arange(0, HEAD, 2) / HEAD))
        part = [
            g.op("Slice", g.weight(f"{f.__name__}_{name}", f(angle).astype(np.float32)), "zero", length)
            for f in (np.cos, np.sin)
        ]
        out[name] = (*part, mask)
    return out


def constants(g):
    for name, value in {
        "zero": np.array([0]), "one": np.array([1]), "two": np.array([2]), "zero_scalar": np.array(0),
        "one_scalar": np.array(1), "window": np.array(256), "flat": np.array([0, 0, HEADS * HEAD]),
    }.items():
        g.weight(name, value.astype(np.int64))
    for name, value in {"one_float": 1, "lowest": -1e9, "query_scale": 1 / 16, "root_width": WIDTH**0.5}.items():
        g.weight(name, np.array(value, np.float32))


def main():
    folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    w = tensors(folder / "model.safetensors")
    dense = [tensors(folder / f"{i}_Dense/model.safetensors")["linear.weight"] for i in (2, 3)]
    g = Graph()
    constants(g)
    kinds = tables(g)
    x = g.op("Mul", g.op("Gather", g.weight("embedding", w["embed_tokens.weight"]), "input_ids"), "root_width")
    for i in range(LAYERS):
        x = layer(g, w, i, x, kinds["full" if i % 6 == 5 else "sliding"])
    hidden = norm(g, x, g.weight("norm", 1 + w["norm.weight"]))
    mask = g.op("Unsqueeze", g.op("Cast", "attention_mask", to=TensorProto.FLOAT), g.weight("axis_2", np.array([2], np.int64)))
    total = g.op("ReduceSum", g.op("Mul", hidden, mask), "one", keepdims=0)
    e = g.op("Div", total, g.op("ReduceSum", mask, "one", keepdims=0))
    for i, d in enumerate(dense):
        e = g.op("MatMul", e, g.weight(f"dense_{i}", d.T))
    e = g.op("Div", e, g.op("ReduceL2", e, g.weight("last", np.array([-1], np.int64)), keepdims=1))
    g.nodes[-1].output[0] = "sentence_embedding"
    ids = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "tokens"]) for n in ("input_ids", "attention_mask")]
    result = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", WIDTH])
    graph = helper.make_graph(g.nodes, "embeddinggemma", ids, [result], g.weights)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    onnx.save_model(model, out, save_as_external_data=True, location=out.name + "_data")


if __name__ == "__main__":
    main()
