#!/usr/bin/env python3
# Compares our token ids with those of the `tokenizers` package on generated strings: there must be no difference.
"""Usage: compare_with_reference.py ENCODE_LINES [MODEL_DIR] [--count N] [--seed N]

The strings mix scripts, emoji, combining marks, runs of blanks, control strings, tags, code and random code points;
some are broken UTF-8, which the reference gets as Python decodes it with U+FFFD. One thing is known to differ:
<image_soft_token>, whose id lies beyond the embedding table, is ordinary text to gemvec. So the reference runs on a
tokenizer.json without that entry.
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import tokenizers

SENTENCES = """
The harbour was quiet, and the boats lay still until the evening wind came in from the west.
She paid $1,234.56 for it in 2019; today (12/31/2024) it's worth 98.7% less!
Don't panic -- it's only a "test", isn't it? Well... maybe not.
Der Bäcker verkauft heute süße Brötchen für 0,85 € das Stück.
Où est passé l'été ? Ça ira, répondit-elle, naïve et têtue.
El niño pequeño comió piñas y miró los pingüinos; ¡qué alegría!
Вчера мы гуляли по набережной и долго говорили о погоде.
Η θάλασσα ήταν ήρεμη και ο ουρανός γεμάτος αστέρια.
今日は天気がいいから、公園まで歩いて行きました。カタカナとひらがな。
我们明天早上八点在火车站见面，不要迟到。
오늘은 날씨가 좋아서 한강까지 걸어갔습니다.
كانت المدينة هادئة في ذلك الصباح، ولم يكن أحد في الشارع.
הספר הזה נכתב לפני מאה שנה ועדיין קוראים בו.
आज मौसम बहुत अच्छा है और बच्चे बाहर खेल रहे हैं।
আজ আকাশ পরিষ্কার এবং বাতাস ঠান্ডা।
இன்று வானிலை நன்றாக இருக்கிறது.
วันนี้อากาศดีมากเราจึงไปเดินเล่นที่สวนสาธารณะ
Hôm nay trời đẹp nên chúng tôi đi bộ ra công viên.
Dzisiaj świeci słońce, więc idziemy na spacer nad rzekę. Zażółć gęślą jaźń.
Bugün hava çok güzel; Iğdır'a gidiyoruz, ışık parlıyor.
დღეს კარგი ამინდია და ჩვენ პარკში მივდივართ.
Այսօր եղանակը լավ է։
ዛሬ አየሩ ጥሩ ነው።
ඉදිරියට යන්න, නැවත එන්න එපා.
task: search result | query: which planet is closest to the sun
title: none | text: Mercury is the smallest planet and the closest to the sun.
def area(r): return 3.14159 * r ** 2  # square metres
for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; }
SELECT name, COUNT(*) FROM people WHERE age >= 18 GROUP BY name;
{"key": [1, 2.5, null, true], "nested": {"a": "b\\n"}}
https://example.com/a/b?c=d&e=%20f#g  user@example.org  C:\\dir\\file.txt
f(x) = ∫₀^∞ e^{−x²} dx ≈ ½√π,  ∀ε>0 ∃δ>0,  a ≠ b,  x ∈ ℝ
""".strip().split("\n")

CONTROL = ["<bos>", "<eos>", "<pad>", "<unk>", "<mask>", "[multimodal]", "<start_of_turn>", "<end_of_turn>",
           "<start_of_image>", "<end_of_image>", "<image_soft_token>", "<unused0>", "<unused42>", "<unused6241>",
           "<unused6242>", "<unused", "<bos", "bos>", "<0x41>", "<0x0A>", "</s>", "<s>", "[multimodal"]
TAGS = ["<table>", "</table>", "<tr>", "<td>", "</td>", "<h1>", "</h6>", "<b>", "</b>", "<i>", "<a>", "<a href='x'>",
        "<div>", "</div>", "<br>", "<code>", "</code>", "<blockquote>", "<footer>", "</footer>", "<strong>", "<<b>>"]
EMOJI = ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "❤️", "1️⃣", "🧑🏿‍🚀", "☺", "🫠", "🀄", "⌚️"]
MARKS = ["\u0301", "\u0308", "\u0323", "\u20dd", "\u200d", "\u200b", "\u200e", "\ufeff", "\u00ad", "\u00a0", "\u3000",
         "\u2028", "\u2029", "\ufffd", "\u0000", "\u0007", "\u001b", "\u007f", "\u0085", "\r", "\r\n", "\v", "\f"]
ALPHABETS = ["a", "ab", "abcdefghijklmnopqrstuvwxyz", "0123456789", "ACGT", "01", "etaoins ", "<>/b", ">\u2581",
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", "\u0e32\u0e25\u0e01\u0e19"]
# First and last code point of blocks that random characters are taken from.
BLOCKS = [(0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0x109F),
          (0x10A0, 0x13FF), (0x1E00, 0x20CF), (0x2100, 0x2BFF), (0x3000, 0x30FF), (0x3400, 0x9FFF), (0xA000, 0xA7FF),
          (0xAC00, 0xD7A3), (0xE000, 0xFFFF), (0x10000, 0x1FFFF), (0x20000, 0x2FFFF), (0xE0000, 0xE01FF),
          (0x0, 0x10FFFF)]


def model_dir():
    """The same folder as tests/support/model_dir.h finds."""
    if os.environ.get("GEMVEC_MODEL"):
        return os.environ["GEMVEC_MODEL"]
    cache = os.environ.get("GEMVEC_CACHE")
    if not cache:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ["HOME"], ".cache")
        cache = os.path.join(home, "gemvec")
    return os.path.join(cache, "models", "embeddinggemma-300m")


def words(rng, vocabulary):
    sentence = rng.choice(SENTENCES)
    begin = rng.randrange(len(sentence))
    return sentence[begin : begin + 1 + rng.randrange(60)]


def run_of_blanks(rng, vocabulary):
    blank = rng.choice([" ", "\n", "\t", "\u2581", " \u2581", "\n ", "\t\n", "\r\n"])
    return blank * rng.choice([1, 1, 2, 3, 4, 7, 30, 31, 32, 33, 63, 65])


def code_points(rng, vocabulary):
    first, last = rng.choice(BLOCKS)
    points = (rng.randint(first, last) for _ in range(1 + rng.randrange(12)))
    return "".join(chr(point) for point in points if not 0xD800 <= point <= 0xDFFF)


def letters(rng, vocabulary):
    """Runs without a break, short and long: where the merges have the most to choose from."""
    alphabet = rng.choice(ALPHABETS)
    return "".join(rng.choice(alphabet) for _ in range(rng.choice([3, 10, 40, 64, 65, 66, 150, 400])))


def pieces(rng, vocabulary):
    """Neighbouring pieces of the vocabulary: their parts merge across where they meet."""
    return "".join(rng.choice(vocabulary) for _ in range(1 + rng.randrange(5)))


def one_of(*lists):
    return lambda rng, vocabulary: rng.choice(rng.choice(lists))


PARTS = [words, words, words, pieces, pieces, run_of_blanks, code_points, letters, one_of(CONTROL), one_of(TAGS),
         one_of(EMOJI, MARKS)]


def make_texts(count, seed, vocabulary):
    """`count` texts as bytes: most of them UTF-8."""
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        parts = [rng.choice(PARTS)(rng, vocabulary) for _ in range(1 + rng.randrange(6))]
        text = rng.choice(["", " ", "\n"]).join(parts).encode()
        if rng.randrange(20) == 0 and text:
            damaged = bytearray(text)
            for _ in range(1 + rng.randrange(3)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            text = bytes(damaged[: rng.randrange(len(damaged)) + 1])
        texts.append(text)
    return texts


def ours(program, tokenizer_json, texts, *options):
    lines = b"".join(b"%d\n%b" % (len(text), text) for text in texts)
    run = subprocess.run([program, tokenizer_json, *options], input=lines, stdout=subprocess.PIPE, check=True)
    return [[int(word) for word in line.split()] for line in run.stdout.decode().splitlines()]


def load_reference(description):
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(description, file)
        file.flush()
        return tokenizers.Tokenizer.from_file(file.name)


def references(tokenizer_json):
    """(options of encode_lines, reference) for both policies on control strings."""
    description = json.loads(pathlib.Path(tokenizer_json).read_text(encoding="utf-8"))
    size = len(description["model"]["vocab"])
    # What the library applies by itself; encode_lines gives the whole text.
    description["truncation"] = description["padding"] = None
    inside = [token for token in description["added_tokens"] if token["id"] < size]
    assert [token["content"] for token in description["added_tokens"] if token["id"] >= size] == ["<image_soft_token>"]
    yield [], load_reference({**description, "added_tokens": inside})

    def is_text(token):
        content = token["content"]
        return not (token["special"] or content in ("<mask>", "[multimodal]") or content.startswith("<unused"))

    description["post_processor"] = None  # it names <bos> and <eos>
    yield ["text"], load_reference({**description, "added_tokens": [token for token in inside if is_text(token)]})


def compare(texts, got, reference):
    """The number of texts whose ids differ; prints the first few."""
    wrong = 0
    expected = reference.encode_batch([text.decode("utf-8", "replace") for text in texts], add_special_tokens=False)
    assert len(got) == len(texts), f"{len(got)} lines for {len(texts)} texts"
    for text, ids, encoding in zip(texts, got, expected):
        if ids != encoding.ids:
            wrong += 1
            if wrong <= 5:
                print(f"{text!r}\n  ours     {ids}\n  expected {encoding.ids}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("encode_lines")
    parser.add_argument("model_dir", nargs="?", default=model_dir())
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    tokenizer_json = f"{arguments.model_dir}/tokenizer.json"
    vocabulary = sorted(json.loads(pathlib.Path(tokenizer_json).read_text(encoding="utf-8"))["model"]["vocab"])
    wrong = 0
    for options, reference in references(tokenizer_json):
        # Parsing control strings is the default and gets all the texts; the other policy a tenth of them.
        count = arguments.count if not options else arguments.count // 10
        texts = make_texts(count, arguments.seed, vocabulary)
        differ = compare(texts, ours(arguments.encode_lines, tokenizer_json, texts, *options), reference)
        print(f"{count} texts{' with control strings as text' if options else ''}: {differ} differ")
        wrong += differ
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
