#!/usr/bin/env python3
"""Write the model as an fp32 ONNX file for ONNX Runtime, from the safetensors folder, weights rounded to bf16 as in the
public ONNX release.

    bench/make_onnx.py MODEL_DIR OUT.onnx [--plain]

RMSNorm and GELU are ONNX Runtime's own fused operators; with --plain they are written out as an exporter does, and its
optimiser may fuse them. Neither is always the faster: bench/peers tries both.
"""
import argparse
import json
import pathlib
import struct

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
    def __init__(self, plain):
        self.nodes, self.weights, self.count, self.plain = [], [], 0, plain

    def weight(self, name, array):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def op(self, kind, *inputs, outputs=1, domain="", **attributes):
        names = [f"{kind}_{self.count}_{i}" for i in range(outputs)]
        self.count += 1
        self.nodes.append(helper.make_node(kind, list(inputs), names, domain=domain, **attributes))
        return names[0] if outputs == 1 else names


def norm(g, x, scale):
    if g.plain:
        mean = g.op("ReduceMean", g.op("Mul", x, x), "last", keepdims=1)
        return g.op("Mul", g.op("Div", x, g.op("Sqrt", g.op("Add", mean, "eps"))), scale)
    return g.op("SimplifiedLayerNormalization", x, scale, axis=-1, epsilon=1e-6)


def gelu(g, x):
    if g.plain:
        cube = g.op("Mul", g.op("Mul", x, x), x)
        inner = g.op("Mul", g.op("Add", x, g.op("Mul", cube, "gelu_cubic")), "gelu_root")
        return g.op("Mul", g.op("Mul", x, "half"), g.op("Add", g.op("Tanh", inner), "one_float"))
    return g.op("FastGelu", x, domain="com.microsoft")


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
    gate = gelu(g, g.op("MatMul", h, matrix("mlp.gate_proj")))
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
        "one_scalar": np.array(1), "window": np.array(256), "flat": np.array([0, 0, HEADS * HEAD]), "last": np.array([-1]),
    }.items():
        g.weight(name, value.astype(np.int64))
    numbers = {"one_float": 1, "lowest": -1e9, "query_scale": 1 / 16, "root_width": WIDTH**0.5}
    if g.plain:
        numbers |= {"eps": 1e-6, "half": 0.5, "gelu_cubic": 0.044715, "gelu_root": (2 / np.pi) ** 0.5}
    for name, value in numbers.items():
        g.weight(name, np.array(value, np.float32))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--plain", action="store_true")
    args = parser.parse_args()
    folder, out = args.folder, args.out
    w = tensors(folder / "model.safetensors")
    dense = [tensors(folder / f"{i}_Dense/model.safetensors")["linear.weight"] for i in (2, 3)]
    g = Graph(args.plain)
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
    e = g.op("Div", e, g.op("ReduceL2", e, "last", keepdims=1))
    g.nodes[-1].output[0] = "sentence_embedding"
    ids = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "tokens"]) for n in ("input_ids", "attention_mask")]
    result = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", WIDTH])
    graph = helper.make_graph(g.nodes, "embeddinggemma", ids, [result], g.weights)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    onnx.save_model(model, out, save_as_external_data=True, location=out.name + "_data")


if __name__ == "__main__":
    main()
