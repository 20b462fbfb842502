#!/usr/bin/env python3
# Real GGUF files in gemvec and in llama.cpp: how near their vectors are, by the length of the text.
"""Usage: PYTHON judge_llama.py GEMVEC MODEL_FOLDER FILE.gguf...

PYTHON has numpy and llama-cpp-python: bench/peers makes such an environment. GEMVEC is the command, MODEL_FOLDER the
release's (for its tokenizer), and each file one of `gemvec convert` or of llama.cpp's converter, with the dense layers. Not
run by ctest: it needs files of hundreds of megabytes, and llama.cpp.

Texts are slices of this project's own documentation of 1 to 2046 tokens, given to both as ids. Printed for each are the
cosines of gemvec --exact to llama.cpp, and of gemvec's q8, which is its default, to gemvec --exact. llama.cpp rounds
activations to 8 bits before a product with a quantised matrix, and its GELU comes from a table of fp16; so nobody's
vectors are equal to its. Of a file of bf16 or fp32 the cosine should be above 0.9999, of Q8_0 above 0.999.

Then llama.cpp tokenises the 1500 texts of tests/tokenizer/data/fuzz.json with the file's vocabulary: printed is how many come
out as the release's tokenizer has them, of those with a U+2581 in the text, where llama.cpp differs, and of the others, where
it must not. Ends with 1 if it does.
"""

import json
import pathlib
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bench"))
from peers.engines.llama import Llama, api  # noqa: E402

LENGTHS = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 300, 512, 768, 1024, 1536, 2046]
BOS, EOS = 2, 1
FLASH_ATTENTION_OFF = 0


def rows_of_ids(gemvec, folder):
    """One list of ids for each length, each from another place of the documentation."""
    text = " ".join(" ".join(path.read_text(encoding="utf-8").split()) for path in sorted((ROOT / "docs").rglob("*.md")))
    command = [gemvec, "tokenize", "--model", folder, "--no-bos-eos", "--max-tokens", "0", "--task", "none"]
    done = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, check=True)
    ids = [int(id) for id in done.stdout.split()]
    begins = np.linspace(0, len(ids) - max(LENGTHS), len(LENGTHS)).astype(int)
    return [[BOS, *ids[begin : begin + length], EOS] for begin, length in zip(begins, LENGTHS, strict=True)]


def by_gemvec(gemvec, file, rows, *options):
    lines = "\n".join(" ".join(map(str, row)) for row in rows)
    command = [gemvec, "embed", "--ids", "--model", file, "--output-format", "f32", *options]
    done = subprocess.run(command, input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return np.frombuffer(done.stdout, np.float32).reshape(len(rows), -1)


def cosines(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def ids_of(llama, text):
    """Without BOS and EOS; the text of control tokens is these tokens, as in the release's tokenizer."""
    raw = text.encode()
    count = api.llama_tokenize(llama.vocab, raw, len(raw), llama.room, len(llama.room), False, True)
    return llama.room[:count]


def tokenised(llama):
    """Prints how many texts llama.cpp tokenises as the release does; whether these are all without U+2581."""
    alike = {True: [], False: []}
    for text, ids in json.loads((ROOT / "tests/tokenizer/data/fuzz.json").read_text(encoding="utf-8")):
        alike["\u2581" in text].append(ids_of(llama, text) == ids)
    for marked, name in ((False, "without"), (True, "with")):
        print(f"    {sum(alike[marked])} of {len(alike[marked])} texts {name} U+2581 have the release's ids")
    return all(alike[False])


def main():
    good = True
    gemvec, folder, *files = sys.argv[1:]
    rows = rows_of_ids(gemvec, folder)
    for file in files:
        exact, q8 = by_gemvec(gemvec, file, rows, "--exact"), by_gemvec(gemvec, file, rows)
        llama = Llama({"file": file, "threads": 2, "flash": FLASH_ATTENTION_OFF})
        theirs = np.concatenate([llama.run([row]) for row in rows])
        print(f"{file}\n tokens  exact:llama.cpp  q8:exact")
        to_llama, to_exact = cosines(exact, theirs), cosines(q8, exact)
        for row, *pair in zip(rows, to_llama, to_exact, strict=True):
            print(f"{len(row):7}  {pair[0]:15.6f}  {pair[1]:8.6f}")
        print(f"    min  {to_llama.min():15.6f}  {to_exact.min():8.6f}")
        good &= tokenised(llama)
    return 0 if good else 1


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    sys.exit(main())
