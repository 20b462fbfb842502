"""Worker: llama.cpp through llama-cpp-python's C interface. Settings: "file", a GGUF file; "flash", flash attention.

Its high-level `embed` cannot say how many texts make a batch; this can. A batch is one graph over all tokens, with
attention between all of them masked out, so small batches are often best: the sizes are tried like everybody's.
"""
import ctypes
import sys

import llama_cpp
import numpy as np
from llama_cpp import llama_cpp as api

from lib.workloads import MAX_TOKENS, WIDTH
from peers.protocol import serve

BATCH_TOKENS = MAX_TOKENS
SEQUENCES = 64


class Llama:
    def __init__(self, spec):
        api.llama_backend_init()
        self.model = api.llama_model_load_from_file(spec["file"].encode(), api.llama_model_default_params())
        if not self.model:
            raise RuntimeError(f"{spec['file']}: llama.cpp cannot load it")
        params = api.llama_context_default_params()
        params.n_ctx = BATCH_TOKENS
        params.n_batch = params.n_ubatch = BATCH_TOKENS
        params.n_seq_max = SEQUENCES
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = spec["threads"]
        params.embeddings = True
        params.pooling_type = api.LLAMA_POOLING_TYPE_MEAN
        if hasattr(params, "flash_attn_type"):
            params.flash_attn_type = spec["flash"]
        self.context = api.llama_init_from_model(self.model, params)
        if not self.context:
            raise RuntimeError("llama.cpp cannot make a context")
        self.vocab = api.llama_model_get_vocab(self.model)
        self.batch = api.llama_batch_init(BATCH_TOKENS, 0, SEQUENCES)
        self.room = (api.llama_token * (1 << 16))()

    def tokens(self, text):
        raw = text.encode()
        count = api.llama_tokenize(self.vocab, raw, len(raw), self.room, len(self.room), True, False)
        if count < 0:
            raise RuntimeError("a text is too long for llama.cpp's tokenizer here")
        ids = self.room[:count]
        return ids if count <= MAX_TOKENS else ids[: MAX_TOKENS - 1] + ids[-1:]  # EOS stays

    def run(self, rows):
        """rows: token ids of each text -> [rows, 768], of unit length."""
        batch, k = self.batch, 0
        for sequence, ids in enumerate(rows):
            for position, token in enumerate(ids):
                batch.token[k], batch.pos[k] = token, position
                batch.n_seq_id[k], batch.seq_id[k][0], batch.logits[k] = 1, sequence, 1
                k += 1
        batch.n_tokens = k
        if api.llama_encode(self.context, batch) != 0:
            raise RuntimeError("llama_encode failed")
        out = np.empty((len(rows), WIDTH), np.float32)
        for sequence in range(len(rows)):
            pointer = api.llama_get_embeddings_seq(self.context, sequence)
            out[sequence] = np.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float)), (WIDTH,))
        return out / np.linalg.norm(out, axis=1, keepdims=True)

    def embed(self, texts, batch):
        encoded = [self.tokens(text) for text in texts]
        order = sorted(range(len(encoded)), key=lambda i: -len(encoded[i]))
        out, group = np.empty((len(texts), WIDTH), np.float32), []
        for i in order:
            full = len(group) == min(batch, SEQUENCES) or sum(len(encoded[j]) for j in group) + len(encoded[i]) > BATCH_TOKENS
            if group and full:
                out[group] = self.run([encoded[j] for j in group])
                group = []
            group.append(i)
        out[group] = self.run([encoded[j] for j in group])
        return out, sum(map(len, encoded))

    def facts(self):
        info = api.llama_print_system_info().decode()
        return {"version": f"llama-cpp-python {llama_cpp.__version__}", "system": info.strip()}


if __name__ == "__main__":
    sys.exit(serve(Llama))
