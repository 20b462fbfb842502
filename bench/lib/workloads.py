"""The texts that everybody embeds."""
import json

from lib.paths import TEXTS

MAX_TOKENS = 2048
WIDTH = 768
QUERY = "task: search result | query: "
DOCUMENT = "title: none | text: "
QUICK_LENGTH = 2000  # characters, some 400 tokens: past the attention window
# Name -> what it is, for tables. `one` is timed text by text, the others as a whole.
WORKLOADS = {
    "one": "a query alone, about 17 tokens",
    "S": "256 queries of about 17 tokens",
    "M": "32 texts of about 190 tokens",
    "L": "2 texts of 2048 tokens",
}
THROUGHPUT = ("S", "M", "L")


def load(quick=False):
    """{workload: [text with its prompt]}"""
    raw = json.loads(TEXTS.read_text())
    texts = {
        "one": [QUERY + t for t in raw["S"][:32]],
        "S": [QUERY + t for t in raw["S"]],
        "M": [DOCUMENT + t for t in raw["M"]],
        "L": [DOCUMENT + t for t in raw["L"]],
    }
    if quick:
        texts = {name: items[: {"one": 4, "S": 16, "M": 2, "L": 1}[name]] for name, items in texts.items()}
        texts["L"] = [text[:QUICK_LENGTH] for text in texts["L"]]
    return texts


def for_tuning(texts):
    """Fewer texts of each workload, spread over it: enough to choose a batch size with."""
    return {name: items[:: max(1, len(items) // {"one": 8, "S": 64, "M": 16, "L": 2}[name])] for name, items in texts.items()}
