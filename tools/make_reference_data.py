#!/usr/bin/env python3
"""Write src/engine/reference_data.inc, the goldens that are built into the library, from tests/golden/golden.json.

    tools/make_reference_data.py
"""
import base64
import json
import pathlib
import struct

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The card's query and documents come first in the file; 300 is the first length past the attention window that
# is not on its edge; 2048 is the longest.
LENGTHS = (300, 2048)


def words(case, weights):
    return struct.unpack("<768I", base64.b64decode(case[weights]))


def main():
    cases = json.loads((ROOT / "tests/golden/golden.json").read_text())["cases"]
    chosen = [(c, "card: " + c["text"].split(": ", 2)[-1][:40]) for c in cases if is_card(c["text"])]
    chosen += [(next(c for c in cases if c["tokens"] == n), f"golden: {n} tokens") for n in LENGTHS]
    out = ["// Made by tools/make_reference_data.py from tests/golden/golden.json. clang-format off"]
    table = []
    for i, (case, name) in enumerate(chosen):
        out.append(f"constexpr std::int32_t kIds{i}[] = {{{','.join(map(str, case['ids']))}}};")
        for weights in ("fp32", "bf16"):
            numbers = ",".join(f"{w:#x}" for w in words(case, weights))
            out.append(f"constexpr std::uint32_t k{weights.capitalize()}{i}[] = {{{numbers}}};")
        table.append(f'    {{"{name}", kIds{i}, kFp32{i}, kBf16{i}}},')
    out += ["constexpr ReferenceCase kCases[] = {", *table, "};", "// clang-format on"]
    (ROOT / "src/engine/reference_data.inc").write_text("\n".join(out) + "\n")


def is_card(text):
    starts = ("Which planet is known", "Venus is often", "Mars, known", "Jupiter, the largest", "Saturn, famous")
    return text.split(": ", 2)[-1].startswith(starts) and text.startswith(("task: search result", "title: none"))


if __name__ == "__main__":
    main()
