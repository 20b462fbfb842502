#!/usr/bin/env python3
"""From the start of a process to its first vector, for the release in every format, its packed weights in the cache.

    build/venv/bin/python3 tools/start_times.py GEMVEC MODEL_DIR [--rounds N]

GEMVEC is the command, MODEL_DIR the release's folder. The files are made in a temporary folder of 4 GB, and loaded once so
that the cache has what it can have. Then, N rounds long, each is loaded once in turn, with q8, by a process that embeds one
short text: so whatever else the machine does falls on all of them alike. Printed is the shortest and the middle time of each.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import make_onnx

TEXT = b"Which planet is known as the Red Planet?\n"
GGUF_NUMBERS = {"fp32": "F32", "bf16": "BF16", "q8_0": "Q8_0", "q4_0": "Q4_0"}


def make_files(gemvec, release, folder):
    """Format -> what --model takes."""
    files = {"safetensors fp32": release}

    def run(*arguments):
        subprocess.run([gemvec, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)

    for numbers in ("fp32", "q8", "q4"):
        run("convert", release, folder / numbers, "--to", "onnx", "--numbers", numbers)
        files[f"ONNX {numbers}, by gemvec"] = next((folder / numbers / "onnx").glob("*.onnx"))
    for shape in ("q8-dynamic", "q4"):  # in the shapes of the public release
        file = folder / "fp32/onnx" / f"{shape}.onnx"
        make_onnx.save(make_onnx.make(release, make_onnx.SHAPES[shape]), file)
        files[f"ONNX {shape}"] = file
    for numbers, name in GGUF_NUMBERS.items():
        files[f"GGUF {name}"] = folder / f"{name}.gguf"
        run("convert", release, files[f"GGUF {name}"], "--numbers", numbers)
    files[".gemvec q8"] = folder / "q8.gemvec"
    run("quantize", "--model", release, files[".gemvec q8"])
    return files


def start(gemvec, model, cache):
    began = time.perf_counter()
    command = [gemvec, "embed", "--model", model, "--task", "none", "--output-format", "f32"]
    done = subprocess.run(command, input=TEXT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
                          env=dict(os.environ, GEMVEC_CACHE=str(cache)))  # fmt: skip
    assert len(done.stdout) == 768 * 4
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gemvec", type=pathlib.Path)
    parser.add_argument("release", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    gemvec = arguments.gemvec.absolute()
    with tempfile.TemporaryDirectory(prefix="gemvec-start-") as name:
        folder = pathlib.Path(name)
        files = make_files(gemvec, arguments.release, folder)
        first = {format: start(gemvec, model, folder / "cache") for format, model in files.items()}
        times = {format: [] for format in files}
        for _ in range(arguments.rounds):
            for format, model in files.items():
                times[format].append(start(gemvec, model, folder / "cache"))
        print(f"{'':22}{'first':>10}{'shortest':>10}{'middle':>10}  ms")
        for format, of_format in times.items():
            row = (first[format], min(of_format), statistics.median(of_format))
            print(f"{format:22}" + "".join(f"{1000 * value:10.0f}" for value in row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
