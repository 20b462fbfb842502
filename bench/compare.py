#!/usr/bin/env python3
"""gemvec beside ONNX Runtime, same texts, same machine, turn by turn.

    bench/compare.py MODEL_DIR MODEL.onnx... [--gemvec build/release/bin/gemvec] [--rounds 5] [--threads 2]

The ONNX files come from bench/make_onnx.py. Workloads (bench/data/texts.json): S = 256 short queries, M = 32 documents of about
190 tokens, L = 2 texts of 2048. Before the rounds, ONNX Runtime tries every file with every batch size on each workload, and
its best goes into the comparison. In a round the engines take turns on each workload, and each is given the same: one call that
does not count, then the median of three. What is reported is the median over the rounds of the ratio within a round, with the
smallest and largest. Only embedding is timed, not loading; tokenisation is timed for both.

The peak that `gemvec bench` measures on registers alone is printed with its range: if it is not steady, or far below what the
processor can do, something else was running, and the figures are worth nothing.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).resolve().parent
PROMPT = {"S": "task: search result | query: ", "M": "title: none | text: ", "L": "title: none | text: "}
BATCHES = {"S": (1, 4, 8, 16, 32, 64), "M": (1, 2, 4, 8, 16), "L": (1, 2)}  # ONNX Runtime pads: its best size varies
CALLS = 3  # `gemvec bench` makes at least as many, after one that does not count
VARIANTS = {"fp32": ["--dtype", "fp32"], "bf16": ["--dtype", "bf16"], "bf16/fp32": ["--dtype", "bf16", "--compute", "fp32"]}


class Ort:
    def __init__(self, model_dir, path, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
        self.tokenizer.enable_truncation(2048)
        self.tokenizer.enable_padding(pad_id=0)

    def run(self, texts, batch):
        """texts -> (vectors [texts, 768], tokens)"""
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        out, tokens = np.empty((len(texts), 768), np.float32), 0
        for k in range(0, len(order), batch):
            rows = order[k : k + batch]
            encoded = self.tokenizer.encode_batch([texts[i] for i in rows])
            ids = np.array([e.ids for e in encoded], np.int64)
            mask = np.array([e.attention_mask for e in encoded], np.int64)
            out[rows] = self.session.run(["sentence_embedding"], {"input_ids": ids, "attention_mask": mask})[0]
            tokens += int(mask.sum())
        return out, tokens

    def speed(self, texts, batch):
        """tokens/s: the median of CALLS calls, after one that does not count."""
        _, tokens = self.run(texts, batch)
        seconds = []
        for _ in range(CALLS):
            start = time.perf_counter()
            self.run(texts, batch)
            seconds.append(time.perf_counter() - start)
        return tokens / statistics.median(seconds)


def best_settings(sessions, texts):
    """workload -> (file, batch size) that ONNX Runtime is fastest with."""
    best = {}
    for name, items in texts.items():
        tried = {(path, batch): sessions[path].speed(items, batch) for path in sessions for batch in BATCHES[name]}
        best[name] = max(tried, key=tried.get)
        path, batch = best[name]
        print(f"ONNX Runtime's best on {name}: {path.name}, batches of {batch}", file=sys.stderr)
    return best


def gemvec(args, variant, path):
    """What `gemvec bench` says of the texts in `path`, as JSON."""
    command = [args.gemvec, "bench", "--model", str(args.model), *VARIANTS[variant], "--threads", str(args.threads)]
    command += ["--texts", str(path), "--seconds", "0", "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("onnx", type=pathlib.Path, nargs="+")
    parser.add_argument("--gemvec", default=str(HERE.parent / "build/release/bin/gemvec"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    texts = {k: [PROMPT[k] + t for t in v] for k, v in json.loads((HERE / "data/texts.json").read_text()).items()}
    sessions = {path: Ort(args.model, path, args.threads) for path in args.onnx}
    best = best_settings(sessions, texts)
    speeds, peaks = {}, {}
    for round_number in range(args.rounds):
        for name, items in texts.items():
            file, batch = best[name]
            speeds.setdefault(("ort", name), []).append(sessions[file].speed(items, batch))
            path = pathlib.Path(tempfile.gettempdir()) / f"gemvec-bench-{name}.json"
            path.write_text(json.dumps({name: items}))
            for variant in VARIANTS:
                report = gemvec(args, variant, path)
                speeds.setdefault((variant, name), []).append(report["results"][0]["tokens_per_second"])
                peaks.setdefault(variant, []).append(report["peak_gflops"])
        print(f"round {round_number + 1} of {args.rounds}", file=sys.stderr)
    for variant, values in peaks.items():
        span = f"{min(values):.0f} .. {max(values):.0f}"
        print(f"peak in the arithmetic of {variant}: {statistics.median(values):.0f} GFLOP/s ({span})")
    print(f"{'engine':12s} {'texts':5s} {'tokens/s':>9s}   ratio to ONNX Runtime fp32: median (min .. max)")
    for (engine, name), values in sorted(speeds.items(), key=lambda item: (item[0][1], item[0][0])):
        ratios = [v / o for v, o in zip(values, speeds["ort", name])]
        print(
            f"{engine:12s} {name:5s} {statistics.median(values):9.0f}   "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} .. {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
