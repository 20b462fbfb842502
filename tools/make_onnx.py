#!/usr/bin/env python3
"""Write the model as a complete ONNX file that ONNX Runtime runs, in one of the shapes in which such files go about.

    tools/make_onnx.py MODEL_DIR OUT.onnx --shape NAME [--round-bf16] [--headless]

MODEL_DIR is a folder in the sentence-transformers layout with fp32 weights, the release or one of the same architecture in
other sizes. Inputs: input_ids, attention_mask, int64 [batch, tokens]. Outputs: last_hidden_state [batch, tokens, width],
sentence_embedding [batch, width]. Large constants go to OUT.onnx_data.
"""
import argparse
import dataclasses
import json
import pathlib
import struct

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx_quantizers import affine, blocks, pack4, rounded_blocks, to_bf16

CONTRIB = "com.microsoft"
BLOCK = 32
LARGE = 1 << 20  # bytes of weights from which on they go to a file of their own


@dataclasses.dataclass(frozen=True)
class Shape:
    """What kinds of operators carry the weights."""

    linear: str
    table: str
    fused: bool = True  # ONNX Runtime's operators for norms, attention and GELU, or all written out
    named: bool = True  # tensors have the exporter's names, or numbers
    add_one: bool = False  # 1 + w of norms is computed in the graph
    rotary: str = "plain"


SHAPES = {
    "fused": Shape("matmul", "gather"),
    "plain": Shape("matmul", "gather", fused=False, named=False),
    "transposed": Shape("transpose", "gather", fused=False, named=False, add_one=True),
    "fp16": Shape("cast-float16", "cast-float16"),
    "bf16": Shape("cast-bfloat16", "cast-bfloat16", fused=False),
    "q8-dynamic": Shape("dynamic", "gather-dequantize"),
    "q8-dynamic-channel": Shape("dynamic-channel", "gather-dequantize", fused=False, named=False),
    # The numbers of the two before, multiplied in fp32.
    "q8-dequantize": Shape("dequantize", "dequantize-gather"),
    "q8-dequantize-channel": Shape("dequantize-channel", "dequantize-gather", fused=False),
    "q8-dequantize-rotary": Shape("dequantize", "dequantize-gather", rotary="dequantize"),
    "q8-blocks": Shape("blocks8", "blocks-uint8x8"),
    "q4": Shape("blocks4", "blocks-int4"),
    "q4-uint4": Shape("blocks4-zeros", "blocks-uint4", fused=False),
    "q4-uint8": Shape("blocks4", "blocks-uint8"),
    "q4-no-gather": Shape("blocks4", "one-hot"),
    "q4f16": Shape("blocks4-float16", "blocks-int4-float16"),
    # The numbers of the one before, multiplied in fp32.
    "q4f16-float": Shape("blocks4-rounded", "blocks-int4-rounded"),
}


class Config:
    def __init__(self, folder):
        c = json.loads((folder / "config.json").read_text())
        self.layers, self.width, self.ffn = c["num_hidden_layers"], c["hidden_size"], c["intermediate_size"]
        self.heads, self.head, self.vocab = c["num_attention_heads"], c["head_dim"], c["vocab_size"]
        self.tokens, self.window = c["max_position_embeddings"], c["sliding_window"] // 2
        self.full = [kind == "full_attention" for kind in c["layer_types"]]
        self.theta = {True: c["rope_theta"], False: c["rope_local_base_freq"]}
        self.scale, self.eps = c["query_pre_attn_scalar"] ** -0.5, c["rms_norm_eps"]


def tensors(path, round_bf16):
    raw = np.memmap(path, np.uint8, "r")
    size = struct.unpack("<Q", raw[:8].tobytes())[0]
    header = json.loads(raw[8 : 8 + size].tobytes())
    out = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] != "F32":
            raise SystemExit(f"{path}: {name}: expected F32, found {entry['dtype']}")
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        array = raw[begin:end].view(np.float32).reshape(entry["shape"])
        out[name.removeprefix("model.")] = to_bf16(array) if round_bf16 else array
    return out


class Graph:
    def __init__(self, shape):
        self.shape, self.nodes, self.constants, self.names = shape, [], [], set()

    def op(self, kind, *inputs, outputs=1, domain="", name=None, **attributes):
        names = [f"{kind}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=name or names[0], domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def rename_last(self, output):
        self.nodes[-1].output[0] = output
        return output

    def add(self, tensor):
        if tensor.name not in self.names:
            self.names.add(tensor.name)
            self.constants.append(tensor)
        return tensor.name

    def constant(self, name, value, dtype):
        return self.add(numpy_helper.from_array(np.asarray(value, dtype, order="C"), name))

    def raw(self, name, kind, dims, values):
        """A constant of a type that NumPy does not have, from its bytes."""
        return self.add(helper.make_tensor(name, kind, dims, values.tobytes(), raw=True))

    def ints(self, *values):
        return self.constant("ints_" + "_".join(map(str, values)).replace("-", "m"), values, np.int64)

    def number(self, name, value):
        return self.constant(name, value, np.float32)

    def weight_name(self, name, kind):
        """The exporter's name, or the one it makes of the operator and a number."""
        return name if self.shape.named else f"onnx::{kind}_{1000 + len(self.nodes)}"


class Weights:
    """Puts weights into a graph in the shape's operators."""

    def __init__(self, graph):
        self.g = graph

    def linear(self, x, w, name):
        """x [..., in] times the transpose of w [out, in]."""
        style = self.g.shape.linear
        if style.startswith("blocks"):
            return self.blocks(x, w, name, style)
        name = self.g.weight_name(name + ".MatMul.weight", "MatMul")
        if style == "matmul":
            return self.g.op("MatMul", x, self.g.constant(name, w.T, np.float32))
        if style == "transpose":
            return self.g.op("MatMul", x, self.g.op("Transpose", self.g.constant(name, w, np.float32), perm=[1, 0]))
        if style.startswith("cast-"):
            return self.g.op("MatMul", x, self.cast(name, w.T, style))
        # Per tensor in unsigned codes, per output in signed ones, as ONNX Runtime's quantiser does by default.
        per_output = style.endswith("-channel")
        codes, scale, zero = affine(w.T, signed=per_output, axis=0 if per_output else None)
        names = [
            self.g.constant(name + suffix, value, value.dtype)
            for suffix, value in (("_quantized", codes), ("_scale", scale), ("_zero_point", zero))
        ]
        if style.startswith("dequantize"):
            return self.g.op("MatMul", x, self.g.op("DequantizeLinear", *names, axis=1))
        return self.dynamic(x, *names)

    def cast(self, name, array, style):
        if style.endswith("-float16"):
            stored = self.g.constant(name, array, np.float16)
        else:
            bits = (to_bf16(array).view(np.uint32) >> 16).astype(np.uint16)
            stored = self.g.raw(name, TensorProto.BFLOAT16, array.shape, np.ascontiguousarray(bits))
        return self.g.op("Cast", stored, to=TensorProto.FLOAT)

    def dynamic(self, x, codes, scale, zero):
        quantized, x_scale, x_zero = self.g.op("DynamicQuantizeLinear", x, outputs=3)
        product = self.g.op("MatMulInteger", quantized, codes, x_zero, zero)
        return self.g.op("Mul", self.g.op("Cast", product, to=TensorProto.FLOAT), self.g.op("Mul", x_scale, scale))

    def blocks(self, x, w, name, style):
        bits = 8 if style.startswith("blocks8") else 4
        codes, scales, zeros = blocks(w, bits, BLOCK, zero_points=style.endswith("-zeros"))
        if style.endswith(("-float16", "-rounded")):
            codes, scales = rounded_blocks(w, bits, BLOCK)
        half = style.endswith("-float16")
        name = self.g.weight_name(name + ".MatMul.weight", "MatMul")
        stored = codes if bits == 8 else pack4(codes)
        inputs = [
            self.g.op("Cast", x, to=TensorProto.FLOAT16) if half else x,
            self.g.constant(name + "_Q4", stored.reshape(len(w), -1, BLOCK * bits // 8), np.uint8),
            self.g.constant(name + "_scales", scales.reshape(-1), np.float16 if half else np.float32),
        ]
        if zeros is not None:
            inputs.append(self.g.constant(name + "_zp", pack4(zeros), np.uint8))
        out = self.g.op("MatMulNBits", *inputs, domain=CONTRIB, K=w.shape[1], N=len(w), bits=bits, block_size=BLOCK)
        return self.g.op("Cast", out, to=TensorProto.FLOAT) if half else out

    def table(self, ids, w, vocab):
        """Rows of w [vocab, width]."""
        style, g, name = self.g.shape.table, self.g, "model.embed_tokens.weight"
        if style == "gather":
            return g.op("Gather", g.constant(name, w, np.float32), ids)
        if style.startswith("cast-"):
            return g.op("Gather", self.cast(name, w, style), ids)
        if style in ("gather-dequantize", "dequantize-gather"):
            codes, *rest = affine(w, signed=False, axis=None)
            suffixes = ("_scale", "_zero_point")
            codes = g.constant(name + "_quantized", codes, codes.dtype)
            rest = [g.constant(name + suffix, value, value.dtype) for suffix, value in zip(suffixes, rest)]
            if style == "gather-dequantize":
                return g.op("DequantizeLinear", g.op("Gather", codes, ids), *rest)
            return g.op("Gather", g.op("DequantizeLinear", codes, *rest), ids)
        if style == "one-hot":
            every = g.constant("every_id", np.arange(vocab), np.int64)
            same = g.op("Equal", g.op("Unsqueeze", ids, g.ints(-1)), every)
            return self.blocks(g.op("Cast", same, to=TensorProto.FLOAT), w.T, "model.embed_tokens", "blocks4")
        return self.table_blocks(ids, w, name, style)

    def table_blocks(self, ids, w, name, style):
        g, half = self.g, style.endswith("-float16")
        bits = 8 if style == "blocks-uint8x8" else 4
        codes, scales, zeros = blocks(w, bits, BLOCK, zero_points=style == "blocks-uint4")
        if style.endswith(("-float16", "-rounded")):
            codes, scales = rounded_blocks(w, bits, BLOCK)
        if style == "blocks-uint8x8":
            stored = g.constant(name + "_Q8", codes, np.uint8)
        elif style == "blocks-uint8":
            stored = g.constant(name + "_Q4", pack4(codes), np.uint8)
        elif style == "blocks-uint4":
            stored = g.raw(name + "_Q4", TensorProto.UINT4, w.shape, pack4(codes))
        else:  # around 0 instead of 8: the same four bits but for the sign
            stored = g.raw(name + "_Q4", TensorProto.INT4, w.shape, pack4(codes ^ 8))
        inputs = [stored, ids, g.constant(name + "_scales", scales, np.float16 if half else np.float32)]
        if zeros is not None:
            inputs.append(g.raw(name + "_zp", TensorProto.UINT4, zeros.shape, pack4(zeros.reshape(1, -1))))
        attributes = {"gather_axis": 0, "quantize_axis": 1, "block_size": BLOCK}
        if style.startswith("blocks-uint8"):
            attributes["bits"] = bits
        out = g.op("GatherBlockQuantized", *inputs, domain=CONTRIB, **attributes)
        return g.op("Cast", out, to=TensorProto.FLOAT) if half else out

    def norm_weight(self, w, name):
        """1 + w."""
        if self.g.shape.add_one:
            stored = self.g.constant(self.g.weight_name(name, "Add"), w, np.float32)
            return self.g.op("Add", self.g.number("one", 1), stored)
        return self.g.constant(self.g.weight_name(name, "Mul"), np.float32(1) + w, np.float32)


class Transformer:
    def __init__(self, config, graph, weights, w):
        self.c, self.g, self.weights, self.w = config, graph, weights, w

    def norm(self, x, key, name):
        weight = self.weights.norm_weight(self.w[key + ".weight"], name)
        if self.g.shape.fused:
            return self.g.op("SimplifiedLayerNormalization", x, weight, axis=-1, epsilon=self.c.eps)
        return self.written_norm(x, weight)

    def written_norm(self, x, weight):
        g = self.g
        mean = g.op("ReduceMean", g.op("Pow", x, g.number("square", 2)), g.ints(-1), keepdims=1)
        root = g.op("Sqrt", g.op("Add", mean, g.number("eps", self.c.eps)))
        if g.shape.add_one:
            return g.op("Mul", g.op("Mul", x, g.op("Reciprocal", root)), weight)
        return g.op("Mul", g.op("Div", x, root), weight)

    def add_norm(self, x, y, key, name):
        """x + y, and its norm."""
        if not self.g.shape.fused:
            total = self.g.op("Add", x, y)
            return total, self.norm(total, key, name)
        weight = self.weights.norm_weight(self.w[key + ".weight"], name)
        out = self.g.op("SkipSimplifiedLayerNormalization", x, y, weight, outputs=4, domain=CONTRIB, epsilon=self.c.eps)
        self.g.nodes[-1].output[1] = self.g.nodes[-1].output[2] = ""  # mean and deviation, which CPUs do not give
        return out[3], out[0]

    def gelu(self, x):
        g = self.g
        if g.shape.fused:
            return g.op("FastGelu", x, domain=CONTRIB)
        cube = g.op("Mul", g.op("Mul", x, x), x)
        inner = g.op("Add", x, g.op("Mul", cube, g.number("gelu_cubic", 0.044715)))
        tanh = g.op("Tanh", g.op("Mul", inner, g.number("gelu_root", (2 / np.pi) ** 0.5)))
        return g.op("Mul", g.op("Mul", x, g.number("half", 0.5)), g.op("Add", tanh, g.number("one", 1)))

    def split(self, x, heads):
        return self.g.op("Reshape", x, self.g.ints(0, 0, heads, self.c.head))

    def rotate(self, x, cos, sin):
        g = self.g
        a, b = g.op("Split", x, axis=-1, outputs=2, num_outputs=2)
        first = g.op("Sub", g.op("Mul", a, cos), g.op("Mul", b, sin))
        second = g.op("Add", g.op("Mul", b, cos), g.op("Mul", a, sin))
        return g.op("Concat", first, second, axis=-1)

    def attend(self, q, k, v, tables):
        """q, k, v [batch, tokens, heads, head] -> [batch, tokens, heads * head]."""
        g, c = self.g, self.c
        cos, sin, mask, length = tables
        flat = g.ints(0, 0, -1)
        if g.shape.fused:
            q, k = (
                g.op("RotaryEmbedding", g.op("Reshape", x, flat), g.ints(0), cos, sin, domain=CONTRIB) for x in (q, k)
            )
            k = g.op("Concat", *[k] * c.heads, axis=-1)
            v = g.op("Concat", *[g.op("Reshape", v, flat)] * c.heads, axis=-1)
            return g.op("MultiHeadAttention", q, k, v, "", "", mask, domain=CONTRIB, num_heads=c.heads, scale=c.scale)
        cos, sin = (g.op("Slice", x, g.ints(0), length) for x in (cos, sin))
        q, k, v = (g.op("Transpose", x, perm=[0, 2, 1, 3]) for x in (q, k, v))
        q, k = self.rotate(q, cos, sin), self.rotate(k, cos, sin)
        scores = g.op("MatMul", q, g.op("Transpose", k, perm=[0, 1, 3, 2]))
        scores = g.op("Add", g.op("Mul", scores, g.number("query_scale", c.scale)), mask)
        mixed = g.op("MatMul", g.op("Softmax", scores, axis=-1), v)
        return g.op("Reshape", g.op("Transpose", mixed, perm=[0, 2, 1, 3]), flat)

    def run(self, ids, tables):
        c, g = self.c, self.g
        x = self.weights.table(ids, self.w["embed_tokens.weight"], c.vocab)
        x = g.op("Mul", x, g.number("root_width", c.width**0.5))
        h, delta = None, None
        for i in range(c.layers):
            p, at = f"layers.{i}.", f"model.layers.{i}."
            linear = lambda y, part, name: self.weights.linear(y, self.w[p + part + ".weight"], at + name)
            key, name = p + "input_layernorm", at + "input_layernorm.weight"
            x, h = (x, self.norm(x, key, name)) if delta is None else self.add_norm(x, delta, key, name)
            # As exporters do: not in the order q, k, v everywhere.
            order = "kvq" if i % 2 else "qkv"
            parts = {part: linear(h, f"self_attn.{part}_proj", f"attn.{part}_proj") for part in order}
            q, k, v = (self.split(parts[part], c.heads if part == "q" else 1) for part in "qkv")
            k = self.norm(k, p + "self_attn.k_norm", at + "attn.k_norm.layernorm.weight")
            q = self.norm(q, p + "self_attn.q_norm", at + "attn.q_norm.layernorm.weight")
            o = linear(self.attend(q, k, v, tables[c.full[i]]), "self_attn.o_proj", "attn.o_proj")
            delta = self.norm(o, p + "post_attention_layernorm", at + "post_attention_layernorm.weight")
            x, h = self.add_norm(x, delta, p + "pre_feedforward_layernorm", at + "pre_feedforward_layernorm.weight")
            if i % 2:
                up = linear(h, "mlp.up_proj", "mlp.up_proj")
            gate = self.gelu(linear(h, "mlp.gate_proj", "mlp.gate_proj"))
            if not i % 2:
                up = linear(h, "mlp.up_proj", "mlp.up_proj")
            m = linear(g.op("Mul", gate, up), "mlp.down_proj", "mlp.down_proj")
            delta = self.norm(m, p + "post_feedforward_layernorm", at + "post_feedforward_layernorm.weight")
        return self.add_norm(x, delta, "norm", f"model.layers.{c.layers}.final_norm_layernorm.weight")[1]


def position_tables(c, g):
    """For full and sliding layers: cosines, sines [max tokens, head / 2], additive mask [batch, 1, T, T]; and T."""
    lowest, one = g.number("lowest", -1e9), g.number("one", 1)
    length = g.op("Slice", g.op("Shape", "input_ids"), g.ints(1), g.ints(2))
    positions = g.op("Range", g.constant("from", 0, np.int64), g.op("Squeeze", length), g.constant("step", 1, np.int64))
    pad = g.op("Mul", g.op("Sub", one, g.op("Cast", "attention_mask", to=TensorProto.FLOAT)), lowest)
    apart = g.op("Abs", g.op("Sub", g.op("Unsqueeze", positions, g.ints(1)), g.op("Unsqueeze", positions, g.ints(0))))
    far = g.op("Cast", g.op("Greater", apart, g.constant("window", c.window, np.int64)), to=TensorProto.FLOAT)
    near = g.op("Mul", far, g.number("zero_float", 0))
    out = {}
    for full, kind in ((True, "global"), (False, "local")):
        angle = np.outer(np.arange(c.tokens), c.theta[full] ** (-np.arange(0, c.head, 2) / c.head))
        part = [rotary(g, f"{f.__name__}_cache_{kind}", f(angle).astype(np.float32)) for f in (np.cos, np.sin)]
        # ONNX Runtime wants [batch, 1, T, T] whole, also where only the padding matters.
        window = near if full else g.op("Mul", far, lowest)
        out[full] = (*part, g.op("Add", g.op("Unsqueeze", pad, g.ints(1, 2)), window), length)
    return out


def rotary(g, name, table):
    if g.shape.rotary == "plain":
        return g.constant(name, table, np.float32)
    codes, scale, zero = affine(table, signed=False, axis=None)
    parts = (("_quantized", codes), ("_scale", scale), ("_zero_point", zero))
    return g.op("DequantizeLinear", *(g.constant(name + s, value, value.dtype) for s, value in parts))


def head(g, weights, hidden, dense):
    """Mean over the tokens that are not padding, the dense layers, length 1."""
    mask = g.op("Unsqueeze", g.op("Cast", "attention_mask", to=TensorProto.FLOAT), g.ints(2))
    total = g.op("ReduceSum", g.op("Mul", hidden, mask), g.ints(1), keepdims=0)
    e = g.op("Div", total, g.op("ReduceSum", mask, g.ints(1), keepdims=0))
    for i, d in enumerate(dense):
        e = weights.linear(e, d, f"dense.{i}")
    g.op("Div", e, g.op("ReduceL2", e, g.ints(-1), keepdims=1))
    g.rename_last("sentence_embedding")


def make(folder, shape, round_bf16=False, headless=False):
    c, g = Config(folder), Graph(shape)
    w = tensors(folder / "model.safetensors", round_bf16)
    dense = [] if headless else [
        tensors(folder / f"{i}_Dense/model.safetensors", round_bf16)["linear.weight"] for i in (2, 3)
    ]  # fmt: skip
    weights = Weights(g)
    hidden = Transformer(c, g, weights, w).run("input_ids", position_tables(c, g))
    # A copy: in some shapes it is the first of several outputs.
    g.op("Identity", hidden)
    head(g, weights, g.rename_last("last_hidden_state"), dense)
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "tokens"]) for n in ("input_ids", "attention_mask")]
    outputs = [
        helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", c.width]),
        helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", c.width]),
    ]
    graph = helper.make_graph(g.nodes, "embeddinggemma", inputs, outputs, g.constants)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(CONTRIB, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="gemvec")


def save(model, out):
    size = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    external = {"save_as_external_data": True, "location": out.name + "_data", "size_threshold": 1024}
    (out.parent / (out.name + "_data")).unlink(missing_ok=True)  # it would be added to
    onnx.save_model(model, out, **(external if size >= LARGE else {}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--round-bf16", action="store_true", help="round weights to bf16, as the public release has them")
    parser.add_argument("--headless", action="store_true", help="leave the two dense layers out")
    args = parser.parse_args()
    save(make(args.folder, SHAPES[args.shape], args.round_bf16, args.headless), args.out)


if __name__ == "__main__":
    main()
