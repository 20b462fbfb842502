#!/usr/bin/env python3
# What a kernel's inner loop could reach on a processor that is not here, by LLVM's model of that processor.
"""Usage: throughput.py FILE [--function REGEX] [--cpu znver4] [--compiler COMMAND] [--list] [--show]

Compiles FILE (a kernel, src/kernels/gemm/avx512bf16.cc) to assembly as the release preset does, takes the innermost
loop with the most multiply-adds in the functions whose names match REGEX, and asks llvm-mca for its cycles. The limit
is the same multiply-adds alone, on independent registers; the rest is the loop without them, their loads still done. The
model knows ports and latencies; it knows no caches, no memory and no front end: a good figure says that nothing in the
loop itself is in the way, no more. And LLVM may be wrong about a single instruction: it gives znver4 three cycles for a
512-bit vdpbf16ps, while the processor of docs/benchmarks.md starts as many of these as of fp32's multiply-adds. Then the
rest says what the loop could do.

Needs the configured release preset and llvm-mca of LLVM 16 or later (Debian: llvm-19), the first to know znver4.
"""

import argparse
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Multiply-adds in one 32-bit lane.
MULTIPLY_ADDS = [(r"vf(n?)m(add|sub)\d+ps", 1), (r"vdpbf16ps", 2), (r"vpdpbusds?", 4), (r"vpdpwssds?", 2),
                 (r"vpmaddwd", 2), (r"vpmaddubsw", 4)]  # fmt: skip
LANES = {"zmm": 16, "ymm": 8, "xmm": 4}
MCA_ROUNDS = 1000


def mnemonic_of(instruction):
    """The first word, with the prefix that asks for AVX-VNNI's encoding."""
    return re.match(r"(\{vex\} )?\S+", instruction).group(0)


def multiply_adds(instruction):
    """Multiply-adds that one instruction does; 0 for any other."""
    mnemonic = mnemonic_of(instruction).split()[-1]
    for pattern, per_lane in MULTIPLY_ADDS:
        if re.fullmatch(pattern, mnemonic):
            registers = re.findall(r"%([xyz]mm)\d+", instruction)
            return per_lane * LANES[registers[-1]] if registers else 0
    return 0


def assembly(path, compiler):
    """(compile command, assembly) of a source file under the release preset's flags."""
    database = ROOT / "build" / "release" / "compile_commands.json"
    if not database.exists():
        sys.exit("throughput: configure first: cmake --preset release")
    for entry in json.loads(database.read_text()):
        if pathlib.Path(entry["file"]) == path and "/tests/" not in entry.get("output", entry["command"]):
            words = shlex.split(entry["command"])
            break
    else:
        sys.exit(f"throughput: {path}: not in {database}")
    if pathlib.Path(words[0]).name == "ccache":
        words = words[1:]
    output = words.index("-o")
    words = words[:output] + words[output + 2 :]
    words[words.index("-c")] = "-S"
    if compiler:
        words = [compiler] + [word for word in words[1:] if word != "-Wno-maybe-uninitialized"]
    run = subprocess.run([*words, "-o", "-"], cwd=entry["directory"], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"throughput: {path} does not compile:\n{run.stderr}")
    return run.stdout


def functions(text):
    """(demangled name, lines) of each function."""
    names, bodies = [], []
    inside = False
    for line in text.splitlines():
        start = re.match(r"([A-Za-z_][\w.$]*):", line)
        if start and not start.group(1).startswith(".L"):
            names.append(start.group(1))
            bodies.append([])
            inside = True
        elif re.match(r"\s*\.size\b", line):
            inside = False
        elif inside:
            bodies[-1].append(line)
    demangled = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
    return list(zip(demangled.stdout.splitlines(), bodies))


def loops(lines):
    """Instructions of each innermost loop that is one basic block: from a label to a jump back to it."""
    label, block = None, []
    for line in lines:
        code = line.split("#")[0].strip()
        found = re.match(r"(\.L\w+):", code)
        if found:
            label, block = found.group(1), []
        elif code and not code.startswith("."):
            block.append(re.sub(r"\s+", " ", code))
            if re.match(r"j\w+ ", block[-1]):
                if label and block[-1].split()[1] == label:
                    yield block
                label, block = None, []


def cycles(mca, cpu, block):
    """Cycles that llvm-mca gives one round of a block, and what it says about it."""
    run = subprocess.run([mca, "-mcpu=" + cpu, f"-iterations={MCA_ROUNDS}", "-bottleneck-analysis"],
                         input="\n".join(block) + "\n", capture_output=True, text=True, check=False)  # fmt: skip
    found = re.search(r"Total Cycles:\s+(\d+)", run.stdout)
    if run.returncode != 0 or not found:
        sys.exit(f"throughput: {mca} failed:\n{run.stderr}")
    return int(found.group(1)) / MCA_ROUNDS, run.stdout


def limit_block(block):
    """The multiply-adds of a block on registers that do not depend on each other."""
    alone = []
    for instruction in block:
        if multiply_adds(instruction):
            kind = re.findall(r"%([xyz]mm)\d+", instruction)[-1]
            wide = 32 if kind == "zmm" or "{" in instruction else 16
            target = len(alone) % (wide - 2) + 2
            alone.append(f"{mnemonic_of(instruction)} %{kind}0, %{kind}1, %{kind}{target}")
    return alone


def rest_block(block):
    """A block without its multiply-adds, but with the loads of their operands."""
    rest = []
    for instruction in block:
        memory = re.search(r"[^ ,]*\([^)]*\)", instruction)
        if not multiply_adds(instruction):
            rest.append(instruction)
        elif memory:
            rest.append(f"vmovups {memory.group(0)}, %ymm15")
    return rest


def newest_mca():
    for version in range(30, 15, -1):
        if shutil.which(f"llvm-mca-{version}"):
            return f"llvm-mca-{version}"
    sys.exit("throughput: llvm-mca of LLVM 16 or later is not installed (Debian: llvm-19)")


def report(mca, cpu, name, block, show):
    work = sum(multiply_adds(instruction) for instruction in block)
    took, details = cycles(mca, cpu, block)
    best, _ = cycles(mca, cpu, limit_block(block))
    rest, _ = cycles(mca, cpu, rest_block(block))
    print(f"{name}\n  {cpu}: {len(block)} instructions, {took:.2f} cycles, {work} multiply-adds a round: "
          f"{work / took:.1f} a cycle; the ports' limit is {work / best:.1f}: {100 * best / took:.0f} %;\n"
          f"  the rest alone takes {rest:.2f} cycles")
    if show:
        print("\n".join("    " + instruction for instruction in block))
        print(details)


def main(arguments):
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--function", default="")
    parser.add_argument("--cpu", action="append")
    parser.add_argument("--compiler")
    parser.add_argument("--list", action="store_true", help="every loop with multiply-adds, not only the largest")
    parser.add_argument("--show", action="store_true", help="also the loop and llvm-mca's report")
    options = parser.parse_args(arguments)
    mca = newest_mca()
    found = [
        (sum(map(multiply_adds, block)), name, block)
        for name, lines in functions(assembly(options.file.resolve(), options.compiler))
        if re.search(options.function, name)
        for block in loops(lines)
        if any(map(multiply_adds, block))
    ]
    if not found:
        sys.exit("throughput: no loop with multiply-adds in such a function")
    found.sort(key=lambda loop: -loop[0])
    for _, name, block in found if options.list else found[:1]:
        for cpu in options.cpu or ["znver4"]:
            report(mca, cpu, name, block, options.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
