# GGUF files of the tests, written by the package that llama.cpp's converter writes them with; and the tokenizer.json
# that such a file's vocabulary stands for.

import json
import os
import pathlib
import shutil
import subprocess

import gguf
import numpy as np
import safetensors.numpy

PROBE = os.environ.get("GGUF_PROBE", "")  # not needed to write files
SEED = 20261124

NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


# Where a block has its d, and the d of its minima, if that is not at the beginning.
SCALES = {"Q4_1": (0, 2), "Q5_1": (0, 2), "Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}
# About what d is multiplied by at most: a code, times a scale of 4 to 8 bits in the large blocks.
LARGEST = {"Q4_0": 8, "Q5_0": 16, "Q8_0": 127, "Q4_1": 15, "Q5_1": 31, "IQ4_NL": 127, "Q2_K": 15 * 3, "Q3_K": 32 * 4,
           "Q4_K": 63 * 15, "Q5_K": 63 * 31, "Q6_K": 128 * 32, "IQ4_XS": 32 * 127}  # fmt: skip


def probe(*arguments, stdin=b""):
    done = subprocess.run([PROBE, *map(str, arguments)], input=stdin, capture_output=True, timeout=120, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"gguf_probe {arguments}: {done.returncode} {done.stderr.decode()}")
    return done.stdout


def random_blocks(kind, rows, columns, seed=SEED):
    """Any blocks of this kind, with scales that give numbers of about 0.03: [rows, bytes of a row]."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (rows * columns // block, size), np.uint8)
    for at in SCALES.get(kind.name, (0,)):
        reach = 0.06 / LARGEST[kind.name]
        d = (random.uniform(0.2, 1, len(blocks)) * reach * random.choice([-1, 1], len(blocks))).astype(np.float16)
        blocks[:, at : at + 2] = d.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(rows, -1)


def encoded(array, kind, seed):
    """`array` as this kind, by the package; where it cannot, any blocks of the kind in its place."""
    if kind.name.endswith("_K") or kind.name.startswith("IQ"):
        return random_blocks(kind, *array.shape, seed)
    return gguf.quants.quantize(array, kind)


class Tiny:
    """A tiny model folder, its tensors, and its vocabulary as SentencePiece would have it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        probe("tiny", self.folder)
        self.config = json.loads((self.folder / "config.json").read_text())
        self.tensors = {
            name: without_ends(array) if array.ndim == 1 else array
            for name, array in safetensors.numpy.load_file(self.folder / "model.safetensors").items()
        }
        self.dense = [
            safetensors.numpy.load_file(self.folder / f"{number}_Dense/model.safetensors")["linear.weight"]
            for number in (2, 3)
        ]
        tokenizer = json.loads((self.folder / "tokenizer.json").read_text())
        self.vocabulary = vocabulary_of(tokenizer)
        (self.folder / "tokenizer.json").write_text(json.dumps(with_merges(tokenizer, *self.vocabulary)))

    def write(self, path, kind, architecture="gemma-embedding"):
        """The model as a GGUF file with matrices of this kind; what they mean goes into a folder beside it."""
        writer = gguf.GGUFWriter(path, architecture)
        write_keys(writer, self.config, [array.shape for array in self.dense])
        write_vocabulary(writer, *self.vocabulary)
        meant, dense = {}, []
        for index, (name, array) in enumerate(sorted(self.tensors.items())):
            meant[name] = add_tensor(writer, gguf_name(name), array, kind, index)
        names = ("dense_2", "dense_3") if architecture == "gemma-embedding" else ("dense.0", "dense.1")
        for index, (name, array) in enumerate(zip(names, self.dense, strict=True)):
            dense.append(add_tensor(writer, f"{name}.weight", array, kind, 1000 + index))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        folder = pathlib.Path(path).with_suffix("")
        shutil.copytree(self.folder, folder)
        safetensors.numpy.save_file(meant, folder / "model.safetensors")
        for number, array in zip((2, 3), dense, strict=True):
            safetensors.numpy.save_file({"linear.weight": array}, folder / f"{number}_Dense/model.safetensors")
        return folder


def without_ends(w):
    """A norm's w with so few bits that fp32 holds 1 + w exactly: what is rounded to bf16 is then w in any file."""
    return np.round(w * 2**7) / np.float32(2**7)


def gguf_name(name):
    if name == "embed_tokens.weight":
        return "token_embd.weight"
    if name == "norm.weight":
        return "output_norm.weight"
    _, number, rest = name.split(".", 2)
    return f"blk.{number}.{NAMES[rest.removesuffix('.weight')]}.weight"


def add_tensor(writer, name, array, kind, seed):
    """Adds it, and returns what a safetensors file must hold to mean the same."""
    if array.ndim == 1:
        writer.add_tensor(name, array + np.float32(1), raw_dtype=gguf.GGMLQuantizationType.F32)
        return array
    data = encoded(array, kind, seed)
    writer.add_tensor(name, data, raw_dtype=kind)
    return np.ascontiguousarray(gguf.quants.dequantize(data, kind), np.float32).reshape(array.shape)


def write_keys(writer, config, dense_shapes):
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_sliding_window(config["sliding_window"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    for number, (rows, columns) in zip((2, 3), dense_shapes, strict=True):
        writer.add_uint32(f"{writer.arch}.dense_{number}_feat_in", columns)
        writer.add_uint32(f"{writer.arch}.dense_{number}_feat_out", rows)


def write_vocabulary(writer, pieces, scores, types):
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([piece.encode() for piece in pieces])
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(1)
    writer.add_unk_token_id(3)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)
    writer.add_add_space_prefix(False)


def vocabulary_of(tokenizer):
    """(pieces, scores, types) of a tokenizer.json; a piece's score falls with the rank of its last merge."""
    vocab = tokenizer["model"]["vocab"]
    pieces = sorted(vocab, key=vocab.get)
    scores, types = [-1000.0] * len(pieces), [gguf.TokenType.NORMAL] * len(pieces)
    for rank, (left, right) in enumerate(tokenizer["model"]["merges"]):
        scores[vocab[left + right]] = -float(rank)
    for byte in range(256):
        types[vocab[f"<0x{byte:02X}>"]] = gguf.TokenType.BYTE
    for token in tokenizer["added_tokens"]:
        if token["id"] >= len(pieces):
            continue
        types[token["id"]] = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
        scores[token["id"]] = -1000.0
        if not token["special"]:
            pieces[token["id"]] = token["content"].replace("▁", " ")
    return pieces, scores, types


def with_merges(tokenizer, pieces, scores, types):
    """The tokenizer.json with the merges that these scores mean: every cut of a piece into two pieces."""
    kinds = gguf.TokenType
    pieces = [p.replace(" ", "▁") if t == kinds.USER_DEFINED else p for p, t in zip(pieces, types, strict=True)]
    text = {p for p, t in zip(pieces, types, strict=True) if t in (kinds.NORMAL, kinds.USER_DEFINED)}
    merges = []
    for piece, score, kind in zip(pieces, scores, types, strict=True):
        if piece not in text:
            continue
        score = 0.0 if kind == kinds.USER_DEFINED else score  # and no other is above 0
        for cut in range(1, len(piece)):
            if piece[:cut] in text and piece[cut:] in text:
                merges.append((score, cut, len(piece) - cut, piece[:cut], piece[cut:]))
    merges.sort(key=lambda merge: merge[:3], reverse=True)
    tokenizer["model"]["merges"] = [[left, right] for *_, left, right in merges]
    return tokenizer
