# GGUF files, judged by the gguf package: keys, tensors and blocks are what it makes of them.

import json
import unittest

import gguf
import numpy
from conversions import ConvertTest, is_norm, model_tensors, to_bf16

PARTS = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
NORMS = [part for part in PARTS if part.endswith("norm")]
SINGLE = {"embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight",
          "2_Dense.linear.weight": "dense_2.weight", "3_Dense.linear.weight": "dense_3.weight"}  # fmt: skip
Type = gguf.GGMLQuantizationType


def gguf_name(name):
    """ "layers.0.mlp.up_proj.weight" -> "blk.0.ffn_up.weight" """
    if name in SINGLE:
        return SINGLE[name]
    _, number, part = name.removesuffix(".weight").split(".", 2)
    return f"blk.{number}.{PARTS[part]}.weight"


def numbers_of(tensor, shape):
    return gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(shape)


class Gguf(ConvertTest):
    def read(self, numbers):
        return gguf.GGUFReader(self.convert(f"{numbers}.gguf", "--numbers", numbers))

    def value(self, reader, key):
        self.assertIn(key, reader.fields)
        return reader.fields[key].contents()

    def test_the_configuration(self):
        reader = self.read("fp32")
        config = json.loads((self.model / "config.json").read_text())
        at = "gemma-embedding."
        for key, expected in {
            "general.architecture": "gemma-embedding", "general.type": "model", "general.license": "gemma",
            "general.file_type": 0, "general.alignment": 32,
            at + "context_length": 2048, at + "embedding_length": 768,
            at + "block_count": config["num_hidden_layers"], at + "feed_forward_length": config["intermediate_size"],
            at + "attention.head_count": 3, at + "attention.head_count_kv": 1,
            at + "attention.key_length": config["head_dim"], at + "attention.value_length": config["head_dim"],
            at + "attention.sliding_window": config["sliding_window"], at + "attention.sliding_window_pattern": 6,
            at + "rope.freq_base": 1e6, at + "rope.freq_base_swa": 1e4, at + "pooling_type": 1,
            at + "dense_2_feat_in": 768, at + "dense_3_feat_out": 768, at + "vocab_size": config["vocab_size"],
        }.items():  # fmt: skip
            self.assertEqual(self.value(reader, key), expected, key)
        # 1e-6 as fp32, of which the last bit is 1e-13.
        self.assertAlmostEqual(self.value(reader, at + "attention.layer_norm_rms_epsilon"), 1e-6, delta=1e-13)
        prompts = json.loads((self.model / "config_sentence_transformers.json").read_text())["prompts"]
        self.assertEqual(json.loads(self.value(reader, "gemvec.prompts")), prompts)

    def test_the_tokenizer(self):
        reader = self.read("fp32")
        tokenizer = json.loads((self.model / "tokenizer.json").read_text())
        vocabulary = tokenizer["model"]["vocab"]
        at = "tokenizer.ggml."
        self.assertEqual((self.value(reader, at + "model"), self.value(reader, at + "pre")), ("llama", "default"))
        ids = [self.value(reader, f"{at}{name}_token_id") for name in ("bos", "eos", "unknown", "padding")]
        self.assertEqual(ids, [2, 1, 3, 0])
        flags = [self.value(reader, f"{at}add_{name}") for name in ("bos_token", "eos_token", "space_prefix")]
        self.assertEqual(flags, [True, True, False])
        tokens, types = self.value(reader, at + "tokens"), self.value(reader, at + "token_type")
        scores = self.value(reader, at + "scores")
        self.assertEqual([len(tokens), len(types), len(scores)], [len(vocabulary)] * 3)
        # <pad>, <eos>, <bos>, <unk>, a turn, a line break, a tag, the first and last byte, the first letter.
        some = [0, 1, 2, 3, 105, 107, 168, 238, 493, 494]
        self.assertEqual([types[i] for i in some], [3, 3, 3, 2, 3, 4, 4, 6, 6, 1])
        self.assertEqual((tokens[138], tokens[494]), ("  ", "▁"))
        for piece, i in vocabulary.items():
            self.assertEqual(tokens[i], piece.replace("▁", " ") if types[i] == 4 else piece)
        made = list(dict.fromkeys(vocabulary["".join(pair)] for pair in tokenizer["model"]["merges"]))
        self.assertEqual([scores[i] for i in made], [-place for place in range(len(made))])
        self.assertEqual(len(set(scores)), len(scores))

    def test_a_tokenizer_that_scores_cannot_say_is_told_of(self):
        # The tiny one makes "▁an" and "▁and" of "▁a", but has no merges of "▁" with "an" and "and".
        answer = self.run_cli("convert", self.model, "a.gguf")
        self.assertSays(answer.err, "warning", "tokenizer.json: 2 pairs of pieces have no place in a GGUF file")

    def test_fp32_and_bf16_numbers(self):
        source = model_tensors(self.model)
        for numbers, kind, rounded in (("fp32", Type.F32, lambda x: x), ("bf16", Type.BF16, to_bf16)):
            reader = self.read(numbers)
            tensors = {tensor.name: tensor for tensor in reader.tensors}
            self.assertEqual(sorted(tensors), sorted(map(gguf_name, source)))
            for name, array in source.items():
                tensor = tensors[gguf_name(name)]
                self.assertEqual(tensor.data_offset % 32, 0)
                self.assertEqual(tensor.tensor_type, Type.F32 if is_norm(name) else kind, name)
                expected = array + numpy.float32(1) if is_norm(name) else rounded(array)
                self.assertEqual(numbers_of(tensor, array.shape).tobytes(), expected.tobytes(), name)
            weights = [source[f"layers.{i}.{part}.weight"] for i in range(7) for part in NORMS]
            expected = numpy.concatenate([*weights, source["norm.weight"]])
            got = numpy.array(self.value(reader, "gemvec.norm_weights"), "<f4")
            self.assertEqual(got.tobytes(), expected.tobytes())

    def test_blocks(self):
        source = model_tensors(self.model)
        for numbers, linear in (("q8_0", Type.Q8_0), ("q4_0", Type.Q4_0)):
            tensors = {tensor.name: tensor for tensor in self.read(numbers).tensors}
            for name, array in source.items():
                tensor = tensors[gguf_name(name)]
                if is_norm(name):
                    self.assertEqual(tensor.tensor_type, Type.F32)
                    continue
                table = name == "embed_tokens.weight"
                self.assertEqual(tensor.tensor_type, Type.Q8_0 if table else linear, name)
                blocks = array.reshape(-1, 32)
                steps = 8 if tensor.tensor_type == Type.Q4_0 else 127
                step = numpy.abs(blocks).max(1, keepdims=True) / steps
                errors = numpy.abs(numbers_of(tensor, blocks.shape) - blocks)
                # Half a step, or a whole one where 16 codes end at -8 and 7. And the step is rounded to fp16, by up to
                # 2^-11 of it, or 2^-25 where it is subnormal, for each of the steps to the largest number.
                rounding = steps * numpy.maximum(step / 2**11, 2**-25)
                self.assertTrue((errors <= step * (0.5 if steps == 127 else 1) + rounding).all(), name)

    def test_gemvec_reads_what_it_wrote(self):
        fp32 = self.convert("a.gguf")
        self.assertEqual(self.vectors(fp32).tobytes(), self.vectors(self.model).tobytes())
        # Over blocks, in fp32 over the numbers that the gguf package says they are.
        q4 = self.convert("b.gguf", "--numbers", "q4_0")
        tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(q4).tensors}
        meant = {name: array if is_norm(name) else numbers_of(tensors[gguf_name(name)], array.shape)
                 for name, array in model_tensors(self.model).items()}  # fmt: skip
        expected = self.vectors(self.model_with("meant", meant))
        self.assertEqual(self.vectors(q4, "--exact").tobytes(), expected.tobytes())

    def test_back_to_safetensors_is_the_source_to_the_bit(self):
        back = self.convert("back", model=self.convert("a.gguf"))
        self.assertSameTensors(back, model_tensors(self.model))
        self.assertEqual(self.ids(back), self.ids(self.model))
        self.assertEqual(self.vectors(back).tobytes(), self.vectors(self.model).tobytes())
        prompts = [json.loads((folder / "config_sentence_transformers.json").read_text())["prompts"]
                   for folder in (back, self.model)]  # fmt: skip
        self.assertEqual(*prompts)

    def test_through_onnx_and_back_is_the_same_model(self):
        first = self.convert("a.gguf")
        # By way of a tokenizer.json that was made of the first file's scores.
        second = self.convert("b.gguf", model=self.convert("onnx", "--to", "onnx", model=first))
        a, b = gguf.GGUFReader(first), gguf.GGUFReader(second)
        scores = "tokenizer.ggml.scores"
        self.assertEqual(list(a.fields), list(b.fields))
        for key in a.fields:
            if key != scores:
                self.assertEqual(a.fields[key].contents(), b.fields[key].contents(), key)
        # Runs of spaces and the like are found before anything is joined: their scores say nothing.
        said = [i for i, kind in enumerate(self.value(a, "tokenizer.ggml.token_type")) if kind == 1]
        orders = [sorted(said, key=lambda i, of=self.value(reader, scores): of[i]) for reader in (a, b)]
        self.assertEqual(*orders)
        for x, y in zip(a.tensors, b.tensors, strict=True):
            self.assertEqual((x.name, x.data.tobytes()), (y.name, y.data.tobytes()))


if __name__ == "__main__":
    unittest.main()
