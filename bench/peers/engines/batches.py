"""What the engines in Python share: texts to token ids with the release's tokenizer, padded batches of similar length."""
import numpy as np
from tokenizers import Tokenizer

from lib.workloads import MAX_TOKENS, WIDTH


class Batches:
    def __init__(self, folder):
        self.tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.no_padding()

    def embed(self, texts, batch, run):
        """Tokenises all texts at once, on all threads, sorts them by length, and calls run(ids, mask) -> [rows, 768] on
        each batch. Returns vectors in the order of the texts, and tokens without padding."""
        encoded = [e.ids for e in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(encoded)), key=lambda i: -len(encoded[i]))
        out = np.empty((len(texts), WIDTH), np.float32)
        for k in range(0, len(order), batch):
            rows = order[k : k + batch]
            longest = len(encoded[rows[0]])
            ids = np.zeros((len(rows), longest), np.int64)
            mask = np.zeros((len(rows), longest), np.int64)
            for row, i in enumerate(rows):
                ids[row, : len(encoded[i])] = encoded[i]
                mask[row, : len(encoded[i])] = 1
            out[rows] = run(ids, mask)
        return out, sum(map(len, encoded))
