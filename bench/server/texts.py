"""The texts: queries of about 17 tokens, documents of about 190; no two alike, so that nobody can compute one for two."""
import itertools
import json
import random
import subprocess

from lib.workloads import load

QUERIES, DOCUMENTS = 4096, 1024
SEED = 6


def variants(texts, count, prompt):
    """`count` different texts: the words of each in another order."""
    generator, made = random.Random(SEED), {}
    for text in itertools.cycle(texts):
        words = text.removeprefix(prompt).split()
        generator.shuffle(words)
        made[prompt + " ".join(words)] = None
        if len(made) == count:
            return list(made)


def count_tokens(binary, model, texts):
    """How many tokens each text has, by `gemvec tokenize`."""
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    command = [str(binary), "tokenize", "--task", "none", "--json", "--input-format", "jsonl", "--model", str(model)]
    done = subprocess.run(command, input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line)["tokens"] for line in done.stdout.splitlines()]


class Texts:
    """`queries` and `documents`: lists of (text, tokens)."""

    def __init__(self, binary, model):
        raw = load()
        # Long enough that the words have more than QUERIES orders between them.
        query, document = (raw[name][0][: raw[name][0].index(": ", raw[name][0].index(": ") + 1) + 2] for name in ("S", "M"))
        queries, documents = variants(raw["S"], QUERIES, query), variants(raw["M"], DOCUMENTS, document)
        counts = count_tokens(binary, model, queries + documents)
        self.queries = list(zip(queries, counts[: len(queries)]))
        self.documents = list(zip(documents, counts[len(queries) :]))

    def facts(self):
        return {name: {"texts": len(pool), "mean_tokens": sum(count for _, count in pool) / len(pool)}
                for name, pool in (("queries", self.queries), ("documents", self.documents))}  # fmt: skip


def requests(pool, make, batch=1, start=0):
    """Endless (bytes, texts, tokens); `make` turns a list of texts into the bytes of a request."""
    for first in itertools.count(start, batch):
        chosen = [pool[(first + i) % len(pool)] for i in range(batch)]
        yield make([text for text, _ in chosen]), batch, sum(tokens for _, tokens in chosen)
