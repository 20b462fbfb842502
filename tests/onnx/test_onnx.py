# ONNX Runtime as the judge: the tiny model in every shape of tools/make_onnx.py, the same token ids through both.
#
# Both compute in fp32 over the same numbers, so they differ by roundings alone. A vector of length 1 has elements
# of some 768^-0.5 = 0.036. Seven layers of four products in a row, and the head's two, each of some hundred terms
# or more in another order: 30 products with errors of about sqrt(768) * 2^-24 = 1.7e-6 of their size each, which
# add up as random ones do to 9e-6, or 3e-7 of an element. Norms keep that in proportion. The largest of the texts'
# 6000 elements is three to four times as much, the largest of their tokens' 300,000 five times or so.

import logging
import pathlib
import shutil
import unittest

import numpy as np
import onnx
import onnxruntime
from harness import CliTest, tiny_model
from make_onnx import SHAPES, make, save
from onnx.numpy_helper import from_array, to_array
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16

logging.getLogger().setLevel(logging.WARNING)  # the quantiser has a line for every node

TOLERANCE = 1e-6
TOKEN_TOLERANCE = 2e-6
WIDTH = 768
# About the window, which is 8 tokens to either side, and longer than a block of the engine's rows.
LENGTHS = (2, 3, 9, 10, 17, 18, 64, 257)

# Where ONNX Runtime's own arithmetic is not fp32, the shape with the same numbers whose arithmetic is.
JUDGES = {"q8-dynamic": "q8-dequantize", "q8-dynamic-channel": "q8-dequantize-channel", "q4f16": "q4f16-float",
          "q8-dequantize-rotary": "q8-dequantize"}  # fmt: skip


def sequences():
    random = np.random.default_rng(1)
    return [[2, *random.integers(3, 600, length - 2).tolist(), 1] for length in LENGTHS]


def cosine(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


class Judge(CliTest):
    def source(self):
        return pathlib.Path(tiny_model()["GEMVEC_MODEL"])

    def write(self, shape, name=None, **options):
        """The tiny model's ONNX file in a folder of its own, with the configuration and the tokenizer above it."""
        folder = pathlib.Path(self.path(shape))
        (folder / "onnx").mkdir(parents=True, exist_ok=True)
        for file in ("config.json", "tokenizer.json"):
            shutil.copy(self.source() / file, folder / file)
        out = folder / "onnx" / (name or "model.onnx")
        save(make(self.source(), SHAPES[shape], **options), out)
        return out

    def gemvec(self, file, *arguments):
        """A vector for each sequence."""
        lines = "\n".join(" ".join(map(str, ids)) for ids in sequences())
        answer = self.run_cli("embed", "--model", file, "--ids", "--output-format", "f32", *arguments, stdin=lines)
        return np.frombuffer(answer.out, np.float32).reshape(-1, WIDTH)

    @staticmethod
    def runtime(file):
        """(a vector for each sequence, the vectors of all its tokens), each sequence by itself."""
        options = onnxruntime.SessionOptions()
        # Optimised, DequantizeLinear and MatMul become one operator with 8-bit inputs.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        outputs = []
        for ids in sequences():
            inputs = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), np.int64)}
            outputs.append(session.run(["sentence_embedding", "last_hidden_state"], inputs))
        return np.concatenate([o[0] for o in outputs]), np.concatenate([o[1][0] for o in outputs])

    def check_shape(self, shape, **options):
        file = self.write(shape, **options)
        judge = self.write(JUDGES[shape], "judge.onnx", **options) if shape in JUDGES else file
        self.check_vectors(file, judge, ["--allow-headless"] if options.get("headless") else [])

    def check_vectors(self, file, judge, headless=()):
        expected, expected_tokens = self.runtime(judge)
        found = self.gemvec(file, "--exact", *headless)
        self.assertGreaterEqual(cosine(found, expected).min(), 1 - 1e-7)
        self.assertLessEqual(np.abs(found - expected).max(), TOLERANCE)
        # Vectors of tokens are not scaled to length 1.
        tokens = self.gemvec(file, "--exact", "--output", "tokens", *headless)
        self.assertEqual(tokens.shape, expected_tokens.shape)
        size = np.linalg.norm(expected_tokens, axis=-1, keepdims=True)
        self.assertLessEqual((np.abs(tokens - expected_tokens) / size).max(), TOKEN_TOLERANCE)


class Shapes(Judge):
    """One test a shape."""


def add_test(shape):
    def test(self):
        self.check_shape(shape)

    setattr(Shapes, "test_" + shape.replace("-", "_"), test)


for every_shape in SHAPES:
    add_test(every_shape)


class Others(Judge):
    def test_weights_rounded_to_bf16(self):
        self.check_shape("plain", round_bf16=True)

    def test_without_dense_layers(self):
        self.check_shape("fused", headless=True)
        file = self.write("fused", headless=True)
        answer = self.run_cli("embed", "--model", file, "--ids", stdin="2 1", code=1)
        self.assertSays(answer.err, "two dense layers", "--allow-headless")

    def test_a_folder_offers_the_file_of_the_dtype(self):
        for shape, name in (("fused", "model"), ("q8-dynamic", "model_quantized"), ("q4", "model_q4")):
            file = self.write(shape, name + ".onnx")
            target = pathlib.Path(self.path("all")) / "onnx"
            shutil.copytree(file.parent, target, dirs_exist_ok=True)
            for other in ("config.json", "tokenizer.json"):
                shutil.copy(file.parents[1] / other, target.parent / other)
        for dtype, numbers in (("fp32", "fp32"), ("q8", "q8"), ("q4", "q4")):
            info = self.run_cli("info", "--json", "--model", self.path("all"), "--dtype", dtype).json
            self.assertEqual((info["source_format"], info["source_numbers"]), ("ONNX", numbers))
            # Nobody can say how near somebody's rounding is to the release.
            self.assertEqual(info["check"], "different" if numbers == "fp32" else "unpromised")

    def test_the_runtimes_integer_products_are_near(self):
        expected, _ = self.runtime(self.write("q8-dynamic"))
        found = self.gemvec(self.write("q8-dynamic"), "--exact")
        self.assertGreater(cosine(found, expected).min(), 0.98)


def is_weight(tensor):
    """Neither a number of the graph's, such as epsilon, nor a rotary table: gemvec has its own of these."""
    return len(tensor.dims) > 0 and np.prod(tensor.dims) >= 32 and not any(part in tensor.name for part in ("cos", "sin"))


class RuntimesTools(Judge):
    """Files that ONNX Runtime's own tools make of an fp32 file: their numbers, put back into that file, are the judge."""

    def sources(self):
        """Fused operators, all written out, and what `gemvec convert` writes."""
        self.run_cli("convert", self.source(), "converted", "--to", "onnx")
        return self.write("fused"), self.write("plain"), pathlib.Path(self.path("converted")) / "onnx/model.onnx"

    @staticmethod
    def judge(source, changed):
        numbers = {tensor.name: tensor for tensor in onnx.load(str(changed)).graph.initializer}
        model, replaced = onnx.load(str(source)), 0
        for tensor in model.graph.initializer:
            if tensor.name + "_quantized" in numbers:
                parts = (numbers[tensor.name + suffix] for suffix in ("_quantized", "_scale", "_zero_point"))
                codes, scale, zero = (to_array(part).astype(np.float32) for part in parts)
                value = (codes - zero) * scale
            elif is_weight(tensor) and tensor.name in numbers:
                value = to_array(numbers[tensor.name]).astype(np.float32)
            else:
                continue
            replaced += not np.array_equal(value, to_array(tensor))
            tensor.CopyFrom(from_array(value, tensor.name))
        save(model, changed.parent / "judge.onnx")
        return changed.parent / "judge.onnx", replaced

    def test_its_quantiser(self):
        for source in self.sources():
            for kind, channel in ((QuantType.QInt8, False), (QuantType.QUInt8, False), (QuantType.QInt8, True)):
                with self.subTest(source=source, kind=kind, channel=channel):
                    changed = source.parent / "quantised.onnx"
                    quantize_dynamic(str(source), str(changed), per_channel=channel, weight_type=kind,
                                     op_types_to_quantize=["MatMul", "Gather"],
                                     extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT})  # fmt: skip
                    judge, replaced = self.judge(source, changed)
                    self.assertEqual(replaced, 7 * 7 + 2 + 1)  # linear layers and the table
                    self.check_vectors(changed, judge)
                    self.optimise(changed, changed.parent / "optimised.onnx")
                    self.check_vectors(changed.parent / "optimised.onnx", judge)

    @staticmethod
    def optimise(source, target):
        """What it computes with: DynamicQuantizeMatMul, FusedMatMul and the like."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(target)
        onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])

    def test_its_optimiser(self):
        for source in self.sources():
            with self.subTest(source=source):
                self.optimise(source, source.parent / "optimised.onnx")
                self.check_vectors(source.parent / "optimised.onnx", source)

    def test_its_converter_to_fp16(self):
        for source in self.sources():
            with self.subTest(source=source):
                changed = source.parent / "fp16.onnx"
                # Its nodes are in no order: casts come last.
                save(convert_float_to_float16(onnx.load(str(source)), keep_io_types=True, disable_shape_infer=True), changed)
                self.check_vectors(changed, self.judge(source, changed)[0])


if __name__ == "__main__":
    unittest.main()
