# mteb on small tasks made here, of the package's Encoder and of sentence-transformers: the same scores.

import mteb
import numpy as np
import pytest
from conftest import BEST, DOCUMENTS, QUERIES
from datasets import Dataset, DatasetDict
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.sts import AbsTaskSTS
from mteb.abstasks.task_metadata import TaskMetadata
from sentence_transformers import SentenceTransformer

import gemvec
import gemvec.mteb

PAIRS = [
    ("A dog runs over the field.", "A dog is running across a meadow.", 4.6),
    ("A dog runs over the field.", "The stock market fell today.", 0.1),
    ("She plays the violin.", "She is playing a string instrument.", 3.9),
    ("The train was late again.", "Once more the train did not come on time.", 4.4),
    ("The train was late again.", "The train is red.", 1.6),
    ("He cooked rice for all of us.", "He made dinner.", 3.0),
]


def metadata(kind, name, main_score):
    return TaskMetadata(
        name=name, type=kind, main_score=main_score, description="Made by gemvec's tests.", reference=None,
        dataset={"path": "none", "revision": "1"}, eval_splits=["test"], eval_langs=["eng-Latn"], category="t2t",
        modalities=["text"], date=("2026-01-01", "2026-01-02"), domains=["Written"], task_subtypes=[], license="apache-2.0",
        annotations_creators="human-annotated", dialect=[], sample_creation="created", bibtex_citation="")  # fmt: skip


class Planets(AbsTaskRetrieval):
    metadata = metadata("Retrieval", "GemvecPlanets", "ndcg_at_10")

    def load_data(self, **_):
        kept = [i for i, text in enumerate(DOCUMENTS) if text]
        split = RetrievalSplitData(
            queries=Dataset.from_dict({"id": [f"q{i}" for i in range(len(QUERIES))], "text": QUERIES}),
            corpus=Dataset.from_dict({"id": [f"d{i}" for i in kept], "title": ["" for _ in kept],
                                      "text": [DOCUMENTS[i] for i in kept]}),
            relevant_docs={f"q{i}": {f"d{best}": 1} for i, best in enumerate(BEST)}, top_ranked=None)  # fmt: skip
        self.dataset = {"default": {"test": split}}
        self.data_loaded = True


class Pairs(AbsTaskSTS):
    metadata = metadata("STS", "GemvecPairs", "cosine_spearman")
    min_score, max_score = 0, 5

    def load_data(self, **_):
        one, two, scores = zip(*PAIRS, strict=True)
        self.dataset = DatasetDict({"test": Dataset.from_dict({"sentence1": one, "sentence2": two, "score": scores})})
        self.data_loaded = True


def scores_of(model, task):
    result = mteb.evaluate(model, [task()], cache=None, overwrite_strategy="always")
    return result.task_results[0].scores["test"][0]


@pytest.mark.parametrize("task", [Planets, Pairs])
def test_scores_are_those_of_sentence_transformers(task):
    ours = scores_of(gemvec.mteb.Encoder(dtype="fp32"), task)
    theirs = scores_of(SentenceTransformer(gemvec._gemvec.find_model(None), device="cpu"), task)
    assert ours["main_score"] > 0.5
    numbers = [name for name, value in theirs.items() if isinstance(value, (int, float))]
    assert numbers
    for name in numbers:
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-5, err_msg=name)


def test_prompts_are_chosen_by_the_tasks_type(monkeypatch):
    encoder = gemvec.mteb.Encoder()
    prompts = []

    def encode(texts, prompt, **_):
        prompts.append(prompt)
        return np.ones((len(texts), 768), np.float32)

    monkeypatch.setattr(encoder.model, "encode", encode)
    scores_of(encoder, Planets)
    assert set(prompts) == {"task: search result | query: ", "title: none | text: "}
    prompts.clear()
    scores_of(encoder, Pairs)
    assert set(prompts) == {"task: sentence similarity | query: "}
