# ONNX folders, judged by the onnx package's checker and by ONNX Runtime: the graph means what gemvec computes.

import json
import unittest

import numpy
import onnx
import onnxruntime
from conversions import TEXTS, ConvertTest, model_tensors

# gemvec's fp32 keeps each element of a unit vector within 1e-6 of the exact one (docs/numerics.md). ONNX Runtime
# rounds as often and no better, so the two are at most twice that apart.
TOLERANCE = 2e-6
FILES = {"fp32": "model.onnx", "q8": "model_quantized.onnx", "q4": "model_q4.onnx"}


def run(path, ids, width=None, left=False, accuracy_level="0"):
    """Both outputs for lists of ids, padded to `width`, with padding on the right or the left.

    ONNX Runtime may make MatMulNBits of an 8-bit DequantizeLinear and MatMul, and then round activations to 8 bits, in
    blocks of a row. Level 0 asks it for what the graph says.
    """
    width = width or max(map(len, ids))
    rows = numpy.zeros((len(ids), width), numpy.int64)
    mask = numpy.zeros((len(ids), width), numpy.int64)
    for i, row in enumerate(ids):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        rows[i, place], mask[i, place] = row, 1
    options = onnxruntime.SessionOptions()
    if accuracy_level:
        options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", accuracy_level)
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(["last_hidden_state", "sentence_embedding"], {"input_ids": rows, "attention_mask": mask})


def unpack(packed, rows):
    """Halves of bytes, the low one first: [rows, columns], 0..15."""
    packed = packed.reshape(rows, -1)
    return numpy.stack([packed & 15, packed >> 4], -1).reshape(rows, -1).astype(numpy.int32)


class Onnx(ConvertTest):
    def onnx(self, numbers="fp32"):
        return self.convert(f"{numbers}-folder", "--to", "onnx", "--numbers", numbers) / "onnx" / FILES[numbers]

    def test_the_checker_is_content_and_the_folder_is_the_hub_s(self):
        for numbers, file in FILES.items():
            with self.subTest(numbers):
                path = self.onnx(numbers)
                folder = path.parent.parent
                self.assertEqual(sorted(p.name for p in path.parent.iterdir()), [file, f"{file}_data"])
                if numbers != "q4":  # operators of com.microsoft are not the checker's
                    onnx.checker.check_model(str(path), full_check=True)
                config = json.loads((folder / "config.json").read_text())
                self.assertIs(config["transformers.js_config"]["use_external_data_format"], True)
                for name in ("tokenizer.json", "tokenizer_config.json", "config_sentence_transformers.json"):
                    self.assertTrue((folder / name).exists(), name)
                self.assertFalse((folder / "modules.json").exists())

    def test_names_metadata_and_alignment(self):
        model = onnx.load(str(self.onnx()), load_external_data=False)
        self.assertEqual(model.producer_name, "gemvec")
        self.assertEqual([i.name for i in model.graph.input], ["input_ids", "attention_mask"])
        self.assertEqual([o.name for o in model.graph.output], ["last_hidden_state", "sentence_embedding"])
        self.assertEqual({operators.domain for operators in model.opset_import}, {""})
        properties = {entry.key: entry.value for entry in model.metadata_props}
        self.assertEqual(properties["license"], "gemma")
        self.assertEqual(json.loads(properties["gemvec.prompts"])["query"], "task: search result | query: ")
        end = 0
        for tensor in model.graph.initializer:
            if tensor.data_location != onnx.TensorProto.EXTERNAL:
                continue
            entry = {e.key: e.value for e in tensor.external_data}
            self.assertEqual(entry["location"], "model.onnx_data")
            offset, length = int(entry["offset"]), int(entry["length"])
            self.assertEqual(offset % (4096 if length >= 1 << 20 else 64), 0, tensor.name)
            self.assertGreaterEqual(offset, end)
            end = offset + length

    def test_weights_are_the_source_s_to_the_bit(self):
        arrays = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(str(self.onnx())).graph.initializer}
        for name, array in model_tensors(self.model).items():
            got = arrays[name] if array.ndim == 1 or name == "embed_tokens.weight" else arrays[name].T
            self.assertEqual(got.tobytes(), array.tobytes(), name)

    def test_fp32_gives_gemvec_s_vectors(self):
        path, ids = self.onnx(), self.ids(self.model)
        for text, one, vector in zip(TEXTS, ids, self.vectors(self.model), strict=True):
            with self.subTest(text):
                self.assertSameVectors(run(path, [one])[1], vector[None], TOLERANCE)

    def test_padding_on_either_side_changes_nothing(self):
        path, ids = self.onnx(), self.ids(self.model)
        expected = self.vectors(self.model)
        # 64 is several windows more than the shortest text has: its last rows see padding alone.
        for width, left in ((None, False), (64, False), (64, True)):
            with self.subTest(width=width, left=left):
                hidden, vectors = run(path, ids, width, left)
                self.assertTrue(numpy.isfinite(hidden).all())
                self.assertSameVectors(vectors, expected, TOLERANCE)

    def test_the_hidden_state_is_what_the_vector_is_made_of(self):
        path, ids = self.onnx(), self.ids(self.model)
        hidden = run(path, ids)[0].astype(numpy.float64)
        tensors = model_tensors(self.model)
        head = tensors["3_Dense.linear.weight"].astype(numpy.float64) @ tensors["2_Dense.linear.weight"]
        for row, vector in enumerate(self.vectors(self.model)):
            got = head @ hidden[row, : len(ids[row])].mean(0)
            self.assertSameVectors((got / numpy.linalg.norm(got))[None], vector[None], TOLERANCE)

    def test_a_row_of_padding_alone_is_no_nan(self):
        hidden, vectors = run(self.onnx(), [[2, 1], []], 4)
        self.assertTrue(numpy.isfinite(hidden).all() and numpy.isfinite(vectors).all())

    def dequantised(self, path, bits):
        """The weights that an 8 or 4 bit file means, by their names in the release."""
        raw = {tensor.name: tensor for tensor in onnx.load(str(path)).graph.initializer}
        tensors = {}
        for name, array in model_tensors(self.model).items():
            if array.ndim == 1:
                tensors[name] = onnx.numpy_helper.to_array(raw[name])
                continue
            scale = onnx.numpy_helper.to_array(raw[f"{name}_scale"]).reshape(array.shape[0], -1)
            codes = raw[f"{name}_q{bits}"]
            if bits == 8:
                table = name == "embed_tokens.weight"
                numbers = onnx.numpy_helper.to_array(codes)
                tensors[name] = (numbers if table else numbers.T).astype(numpy.float32) * scale
                continue
            numbers = unpack(numpy.frombuffer(codes.raw_data, numpy.uint8), array.shape[0])
            # Signed numbers have their zero at 0, and MatMulNBits' unsigned ones at 8.
            numbers = (numbers ^ 8) - 8 if codes.data_type == onnx.TensorProto.INT4 else numbers - 8
            tensors[name] = (numbers * numpy.repeat(scale, 32, axis=1)).astype(numpy.float32)
        return tensors

    def check_quantised(self, bits, steps, limit):
        path, ids = self.onnx(f"q{bits}"), self.ids(self.model)
        meant = self.dequantised(path, bits)
        for name, array in model_tensors(self.model).items():
            if array.ndim == 1:
                self.assertEqual(meant[name].tobytes(), array.tobytes(), name)
                continue
            groups = array.reshape(array.shape[0], -1, 32) if bits == 4 else array[:, None]
            step = numpy.abs(groups).max(-1, keepdims=True) / steps
            errors = numpy.abs(meant[name].reshape(groups.shape) - groups) / step
            self.assertLessEqual(errors.max(), limit * 1.0001, name)
            self.assertLess(errors.mean(), 0.3, name)  # 0.25 is that of even chances
        expected = self.vectors(self.model_with(f"meant{bits}", meant))
        self.assertSameVectors(run(path, ids)[1], expected, TOLERANCE)
        # What else is in a batch is nothing to a text, also where the runtime rounds activations as it likes to.
        for level in ("0", None):
            alone = numpy.concatenate([run(path, [one], accuracy_level=level)[1] for one in ids])
            self.assertSameVectors(run(path, ids, 64, accuracy_level=level)[1], alone, TOLERANCE)
        # gemvec reads the numbers that the judge reads.
        self.assertSameTensors(self.convert(f"back{bits}", model=path), meant)

    def test_q8_is_a_float_computation_over_8_bit_weights(self):
        self.check_quantised(8, 127, 0.5)

    def test_q4_is_a_float_computation_over_4_bit_weights(self):
        # A whole step where the 16 codes end: there is a -8 and no +8.
        self.check_quantised(4, 8, 1.0)

    def test_back_to_safetensors_is_the_source_to_the_bit(self):
        path = self.onnx()
        # As one file, and as a folder in the hub's layout.
        for name, model in (("back", path), ("again", path.parent.parent)):
            back = self.convert(name, model=model)
            self.assertSameTensors(back, model_tensors(self.model))
            self.assertEqual(self.vectors(back).tobytes(), self.vectors(self.model).tobytes())


if __name__ == "__main__":
    unittest.main()
