#!/usr/bin/env python3
"""How far the vectors of 8 and 4 bit schemes are from exact ones, on the real weights, by emulation in numpy.

    tools/quantization_study.py MODEL_DIR [--schemes q8,q4] [--texts half]
        [--calibration text|random4x128] [--signs SEED] [--cache DIR]

Reference: the bf16-rounded weights in fp32 arithmetic. int8 codes are exact in fp32, so a linear of codes and scales
is emulated to fp32's rounding. A scheme is a name of SCHEMES; or lines, divided
by "/", that quantization/schemes.py reads.
"""
import argparse
import base64
import hashlib
import json
import pathlib
import sys
import time

import numpy as np
from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "quantization"))
import encoder  # noqa: E402
import schemes  # noqa: E402

PROMPT = "title: none | text: "
TASKS = ("search result", "question answering", "fact checking", "classification", "clustering", "sentence similarity",
         "code retrieval", "summarization")
PROMPTS = [PROMPT] + [f"task: {task} | query: " for task in TASKS]
EXACT = "emb=f all=f"
SCHEMES = {  # name -> a line; read schemes.py for its words
    "int8": "emb=8 all=i8.r",
    "int8-v": "emb=8 all=i8.r v=f",
    "int8-v-bias": "emb=8g32 all=i8.r.b v=f",
    "int8-v-down": "emb=8g32 all=i8.r v,down=f",
    "q8": "emb=8g32 all=i8.r.b v,down=f",
    "int4": "emb=nl all=i8.r q,k,gate,up=i4",
    "int4-bias": "emb=nl all=i8.r.b q,k,gate,up=i4.b",
    "int4-gptq": "emb=nl all=i8.r.b q,k,gate,up=i4.r.g.c.b",
    "int4-int8": "emb=nl8.n4096.c2048 all=i8h.r.b q,k,gate=i4.r.b",
    "int5-int8": "emb=nl8.n8192.c2048 all=i8h.r.b q,k,gate,up=i5.r.b",
    "int6-int8": "emb=nl8.n4096.c2048 all=i6h.r v,down=i8h.r",
    "q4": "emb=nl8.n4096.c2048 all=i6h.r.b v,down=i8h.r.b",
    "e4_a8_f4_p4": "emb=4 q,k,v,o=i8c.at gate,up,down=i4c.at",
}


class Texts:
    """The texts of a run: name and ids of each."""

    def __init__(self, folder, which):
        self.tokenizer = Tokenizer.from_file(str(pathlib.Path(folder) / "tokenizer.json"))
        root = HERE.parent
        schemes.PROMPTS[:] = sorted({i for prompt in PROMPTS for i in self.tokenizer.encode(prompt).ids})
        self.golden = json.loads((root / "tests/golden/golden.json").read_text())["cases"]
        bench = json.loads((root / "bench/data/texts.json").read_text())
        cases = [(f"golden {i} ({c['tokens']})", c["ids"]) for i, c in enumerate(self.golden)]
        cases += [(f"M {i}", self.ids(PROMPT + t)) for i, t in enumerate(bench["M"])]
        self.retrieval = len(cases)
        cases += [(f"L {i}", self.ids(PROMPT + t)) for i, t in enumerate(bench["L"])]
        cases += [("LICENSE", self.ids(PROMPT + (root / "LICENSE").read_text()))]
        extra = HERE / "quantization/texts.json"
        if extra.exists():
            own = json.loads(extra.read_text())
            cases += [(name, self.ids(PROMPT + "\n".join(t))) for name, t in own["evaluation"].items()]
        if which != "full":
            keep = {
                "tiny": {f"golden {i}" for i in (0, 6, 9, 20, 30, 32, 43, 45, 48, 51, 52, 54, 56, 57)},
                "quick": {f"golden {i}" for i in [*range(0, 58), 62, 63, 66]} | {"M 9"},
                "half": {c[0].split(" (")[0] for c in cases} - {f"M {i}" for i in range(0, 32, 2)}
                - {"golden 64", "golden 65", "L 0"},
            }[which]
            cases = [c for c in cases if c[0].split(" (")[0] in keep]
            self.retrieval = sum(c[0][0] in "gM" for c in cases)
        self.names, self.all_ids = [c[0] for c in cases], [c[1] for c in cases]

    def ids(self, text):
        ids = self.tokenizer.encode(text).ids
        return ids if len(ids) <= 2048 else ids[:2047] + [1]


def calibration_ids(texts, source):
    if source.startswith("random"):
        rng = np.random.default_rng(1)
        n, length = (int(v) for v in (source[6:] or "8x256").split("x"))
        return [[2, *map(int, rng.integers(1000, 250000, length - 2)), 1] for _ in range(n)]
    own = json.loads((HERE / "quantization/texts.json").read_text())
    return [texts.ids(PROMPT + t) for t in own["calibration"]]


def forward(weights, line, ids, calibration=(), seed=0):
    """The vectors that a scheme gives to lists of ids."""
    scheme = schemes.Scheme(line)
    scheme.weights = weights
    if seed:
        scheme.signs = np.random.default_rng(seed).choice([-1, 1], 128).astype(np.float32)
    calibration = list(calibration) if scheme.calibrated else []
    scheme.tokens = sum(map(len, calibration))
    return encoder.embed(weights, calibration + ids, scheme)[len(calibration) :]


def reference(weights, texts, cache):
    """The exact vectors, kept on disk one file per text."""
    cache.mkdir(parents=True, exist_ok=True)
    paths = [cache / (hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:16] + ".npy") for ids in texts.all_ids]
    missing = [i for i, path in enumerate(paths) if not path.exists()]
    for k in range(0, len(missing), 24):
        some = missing[k : k + 24]
        vectors = forward(weights, EXACT, [texts.all_ids[i] for i in some])
        for i, vector in zip(some, vectors):
            np.save(paths[i], vector)
    vectors = np.stack([np.load(path) for path in paths])
    golden = {json.dumps(c["ids"]): c["bf16"] for c in texts.golden}
    for ids, vector in zip(texts.all_ids, vectors):
        if json.dumps(ids) in golden:
            other = np.frombuffer(base64.b64decode(golden[json.dumps(ids)]), np.float32)
            assert np.abs(other - vector).max() < 1e-6, "the forward pass here is not that of the goldens"
    return vectors


def overlap(exact, other, k=10):
    """For each text, the share of its k nearest others that stay."""
    def nearest(v):
        s = v @ v.T
        np.fill_diagonal(s, -2)
        return np.argsort(-s, axis=1)[:, :k]

    return np.array([len(set(a) & set(b)) / k for a, b in zip(nearest(exact), nearest(other))])


def report(name, line, texts, exact, vectors, seconds):
    cosines = np.einsum("ij,ij->i", exact.astype(np.float64), vectors.astype(np.float64))
    lengths = np.array([len(ids) for ids in texts.all_ids])
    print(f"\n{name}: {line}   {schemes.Scheme(line).bytes() / 1e6:.1f} MB, {seconds:.0f} s")
    for label, low, high in (("<=64", 1, 64), ("<=512", 65, 512), ("<2048", 513, 2047), ("2048", 2048, 2048)):
        rows = np.flatnonzero((lengths >= low) & (lengths <= high))
        if len(rows):
            c = cosines[rows]
            worst = texts.names[rows[c.argmin()]]
            print(f"  {label:6} mean {c.mean():.6f} min {c.min():.6f} 1-min {1 - c.min():.2e} {worst}", end="")
            print("   " + " ".join(f"{1 - v:.1e}" for v in c) if label == "2048" else "")
    order = np.argsort(cosines)[:5]
    print("  worst: " + ", ".join(f"{texts.names[i]} {1 - cosines[i]:.1e}" for i in order))
    n = min(texts.retrieval, len(exact))
    o = overlap(exact[:n], vectors[:n])
    print(f"  top-10 of {n}: mean {o.mean():.4f} min {o.min():.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--schemes", default=",".join(SCHEMES))
    parser.add_argument("--texts", default="half", choices=("tiny", "quick", "half", "full"))
    parser.add_argument("--signs", type=int, default=0, metavar="SEED", help="random signs before the rotation: another draw")
    parser.add_argument("--calibration", default="text")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path.home() / ".cache/gemvec/quantization-study")
    args = parser.parse_args()
    weights, texts = encoder.Weights(args.model), Texts(args.model, args.texts)
    exact = reference(weights, texts, args.cache)
    print(f"{len(texts.names)} texts, {sum(map(len, texts.all_ids))} tokens", flush=True)
    for name in args.schemes.split("/" if "=" in args.schemes else ","):
        line = SCHEMES.get(name, name)
        start = time.time()
        vectors = forward(weights, line, texts.all_ids, calibration_ids(texts, args.calibration), args.signs)
        report(name, line, texts, exact, vectors, time.time() - start)


if __name__ == "__main__":
    main()
