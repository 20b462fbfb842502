#!/usr/bin/env python3
"""Writes src/model/calibration_texts.cc: what codes of weights are calibrated over, as ids.

    tools/make_calibration.py TOKENIZER_JSON > src/model/calibration_texts.cc

The texts are those of "calibration" in tools/quantization/texts.json, written for this project in many languages and as
code: each once with one of the prompts, and once as it is. Needs the package tokenizers; clang-format makes the lines.
"""
import json
import pathlib
import sys

from tokenizers import Tokenizer

TASKS = ("search result", "question answering", "fact checking", "classification", "clustering", "sentence similarity",
         "code retrieval", "summarization")
PROMPTS = ["title: none | text: ", *(f"task: {task} | query: " for task in TASKS)]
# Tokens of a text: BOS and EOS, on which much depends, are then at least one of fifty.
WITH_PROMPT, AS_IT_IS = 128, 96


def main():
    tokenizer = Tokenizer.from_file(sys.argv[1])
    source = pathlib.Path(__file__).parent / "quantization/texts.json"
    texts = []
    for i, text in enumerate(json.loads(source.read_text())["calibration"]):
        texts.append(tokenizer.encode(PROMPTS[i % len(PROMPTS)] + text).ids[:WITH_PROMPT])
        texts.append(tokenizer.encode(text).ids[:AS_IT_IS])
    print('// Made by tools/make_calibration.py from tools/quantization/texts.json. Do not edit.\n'
          '#include "model/calibration_texts.h"\n\nnamespace gemvec::model {\n\nnamespace {\n')
    print(f"constexpr std::int32_t kIds[] = {{{', '.join(str(id) for ids in texts for id in ids)}}};\n")
    print(f"constexpr std::uint16_t kLengths[] = {{{', '.join(str(len(ids)) for ids in texts)}}};\n\n}}  // namespace\n")
    print("std::span<const std::int32_t> calibration_ids() { return kIds; }\n"
          "std::span<const std::uint16_t> calibration_lengths() { return kLengths; }\n\n}  // namespace gemvec::model")


if __name__ == "__main__":
    main()
