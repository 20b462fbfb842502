#!/usr/bin/env python3
"""Write the model as GGUF files for llama.cpp, with the two dense layers, from the safetensors folder.

    make_gguf.py MODEL_DIR BF16.gguf Q8_0.gguf Q4_0.gguf

Weights are rounded to bf16 first, like everybody's. Norms are fp32 and have their +1 added, as llama.cpp expects. In the
Q4_0 file the embedding table is Q8_0, as in the published files.
"""
import json
import pathlib
import struct
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from sentencepiece import SentencePieceProcessor

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


def to_bf16(a):
    """Round fp32 to the nearest bf16, ties to even, kept as fp32."""
    u = np.ascontiguousarray(a, np.float32).view(np.uint32).astype(np.uint64)
    return (((u + 0x7FFF + ((u >> 16) & 1)) >> 16) << 16).astype(np.uint32).view(np.float32)


def tensors(path):
    """(name, fp32 array) of each tensor of a safetensors file."""
    raw = np.memmap(path, np.uint8, "r")
    size = struct.unpack("<Q", raw[:8].tobytes())[0]
    header = json.loads(raw[8 : 8 + size].tobytes())
    for name, h in header.items():
        if name != "__metadata__":
            data = raw[8 + size :][slice(*h["data_offsets"])]
            yield name, to_bf16(data.view(np.float32).reshape(h["shape"]))


def gguf_name(name):
    """ "layers.0.mlp.up_proj.weight" -> "blk.0.ffn_up.weight" """
    if name == "embed_tokens.weight":
        return "token_embd.weight"
    if name == "norm.weight":
        return "output_norm.weight"
    _, number, rest = name.split(".", 2)
    return f"blk.{number}.{NAMES[rest.removesuffix('.weight')]}.weight"


def all_tensors(folder):
    for name, array in tensors(folder / "model.safetensors"):
        yield gguf_name(name), array + 1 if name.endswith("norm.weight") else array
    for number in (2, 3):
        for _, array in tensors(folder / f"{number}_Dense/model.safetensors"):
            yield f"dense_{number}.weight", array


def vocabulary(folder, size):
    """(pieces, scores, types) as llama.cpp's converter writes them."""
    model = SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    kinds = gguf.TokenType
    pieces, scores, types = [], [], []
    for i in range(size):
        pieces.append(model.id_to_piece(i).encode())
        scores.append(model.get_score(i))
        kind = kinds.NORMAL
        for is_kind, value in (
            (model.is_unknown, kinds.UNKNOWN),
            (model.is_control, kinds.CONTROL),
            (model.is_unused, kinds.UNUSED),
            (model.is_byte, kinds.BYTE),
        ):
            if is_kind(i):
                kind = value
        types.append(kind)
    added = json.loads((folder / "tokenizer_config.json").read_text())["added_tokens_decoder"]
    for key, token in added.items():
        i = int(key)
        if i < size:
            text = token["content"] if token["special"] else token["content"].replace("\u2581", " ")
            pieces[i], scores[i] = text.encode(), -1000.0
            types[i] = kinds.CONTROL if token["special"] else kinds.USER_DEFINED
    return pieces, scores, types


def write_keys(writer, folder):
    config = json.loads((folder / "config.json").read_text())
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_sliding_window(512)  # a window of 512 around each position; config.json says 257 to one side in some copies
    writer.add_rope_freq_base(1e6)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    for number, sizes in ((2, (768, 3072)), (3, (3072, 768))):
        for side, size in zip(("in", "out"), sizes):
            writer.add_uint32(f"gemma-embedding.dense_{number}_feat_{side}", size)
    pieces, scores, types = vocabulary(folder, config["vocab_size"])
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(pieces)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    for add, value in (
        (writer.add_bos_token_id, 2),
        (writer.add_eos_token_id, 1),
        (writer.add_unk_token_id, 3),
        (writer.add_pad_token_id, 0),
        (writer.add_add_bos_token, True),
        (writer.add_add_eos_token, True),
        (writer.add_add_space_prefix, False),
    ):
        add(value)


def kind_of(name, array, matrices, embeddings):
    if array.ndim == 1:
        return Type.F32
    return embeddings if name == "token_embd.weight" else matrices


def write(path, folder, matrices, embeddings, file_type):
    writer = gguf.GGUFWriter(path, "gemma-embedding")
    write_keys(writer, folder)
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    for name, array in all_tensors(folder):
        kind = kind_of(name, array, matrices, embeddings)
        data = array if kind is Type.F32 else gguf.quants.quantize(array, kind)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    folder = pathlib.Path(sys.argv[1])
    bf16, q8, q4 = sys.argv[2:5]
    write(bf16, folder, Type.BF16, Type.BF16, gguf.LlamaFileType.MOSTLY_BF16)
    write(q8, folder, Type.Q8_0, Type.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0)
    write(q4, folder, Type.Q4_0, Type.Q8_0, gguf.LlamaFileType.MOSTLY_Q4_0)


if __name__ == "__main__":
    main()
