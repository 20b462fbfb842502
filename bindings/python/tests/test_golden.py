"""On the release's weights: the command's bits, the card's snippets, the reference's vectors."""

import base64
import concurrent.futures
import json

import numpy as np
import pytest
from conftest import ROOT, embed, same_bits

import gemvec

pytestmark = pytest.mark.golden

CARD = [0.30109745, 0.635883, 0.49304956, 0.48887485]


@pytest.fixture(scope="module")
def cases():
    return json.loads((ROOT / "tests" / "golden" / "golden.json").read_text(encoding="utf-8"))["cases"]


@pytest.fixture(scope="module")
def q8():
    return gemvec.EmbeddingGemma()


def vector_of(case, weights):
    return np.frombuffer(base64.b64decode(case[weights]), "<f4")


def test_goldens_have_the_commands_bits(q8, cases):
    texts = [case["text"] for case in cases]
    expected = embed(texts)
    assert same_bits(q8.encode(texts), expected)
    assert same_bits(np.stack([q8.encode(text) for text in texts]), expected)
    assert same_bits(q8.encode(iter(texts), batch_size=3), expected)
    assert same_bits(q8.encode(texts, truncate_dim=256, normalize_embeddings=True), embed(texts, "--dim", "256", width=256))
    assert q8.info["check"] == "release" and q8.info["dtype"] == "q8"


def test_eight_threads_have_the_same_bits(q8, cases):
    texts = [case["text"] for case in cases if case["tokens"] <= 300] * 2
    expected = q8.encode(texts)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert same_bits(np.stack(list(pool.map(q8.encode, texts))), expected)


def test_session_and_tokenizer_have_the_references_ids_and_vectors(cases):
    session = gemvec.InferenceSession()
    tokenizer = gemvec.AutoTokenizer.from_pretrained("google/embeddinggemma-300m")
    short = [case for case in cases if case["tokens"] <= 300]
    assert tokenizer([case["text"] for case in cases])["input_ids"] == [case["ids"] for case in cases]
    inputs = tokenizer([case["text"] for case in short], padding=True, return_tensors="np")
    _, vectors = session.run(None, inputs.data)
    expected = np.stack([vector_of(case, "bf16") for case in short])
    assert np.abs(vectors - expected).max() <= 1e-6
    model = gemvec.EmbeddingGemma(dtype="bf16", compute="fp32")
    assert same_bits(model.encode([case["text"] for case in short]), vectors)


def test_fp32_is_the_reference(cases):
    short = [case for case in cases if case["tokens"] <= 300]
    vectors = gemvec.EmbeddingGemma(dtype="fp32").encode([case["text"] for case in short])
    assert np.abs(vectors - np.stack([vector_of(case, "fp32") for case in short])).max() <= 1e-6


def test_card_snippet_of_onnx_runtime(capsys):
    # The card's, but for the import and the model's place.
    import gemvec as ort
    from gemvec import AutoTokenizer

    model_id = "onnx-community/embeddinggemma-300m-ONNX"
    session = ort.InferenceSession(model_id)
    tokenizer = AutoTokenizer.from_pretrained(model_id)

    # Run inference with queries and documents
    prefixes = {
      "query": "task: search result | query: ",
      "document": "title: none | text: ",
    }  # fmt: skip
    query = prefixes["query"] + "Which planet is known as the Red Planet?"
    documents = [
        "Venus is often called Earth's twin because of its similar size and proximity.",
        "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
        "Jupiter, the largest planet in our solar system, has a prominent red spot.",
        "Saturn, famous for its rings, is sometimes mistaken for the Red Planet."
    ]  # fmt: skip
    documents = [prefixes["document"] + x for x in documents]

    inputs = tokenizer([query] + documents, padding=True, return_tensors="np")

    _, sentence_embeddings = session.run(None, inputs.data)
    print(sentence_embeddings.shape)  # (5, 768)

    # Compute similarities to determine a ranking
    query_embedding = sentence_embeddings[0]
    document_embeddings = sentence_embeddings[1:]
    similarities = query_embedding @ document_embeddings.T
    print(similarities)  # [0.30109745 0.635883   0.49304956 0.48887485]

    # Rank documents based on similarity
    ranking = similarities.argsort()[::-1]
    print(ranking)  # [1 2 3 0]

    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "(5, 768)" and printed[2] == "[1 2 3 0]"
    np.testing.assert_allclose(similarities, CARD, atol=1e-6)


@pytest.mark.parametrize(("numbers", "expected", "tolerance"), [
    ({"dtype": "bf16", "compute": "fp32"}, CARD, 1e-6),
    ({"dtype": "fp32"}, [0.300822, 0.636101, 0.492703, 0.488881], 1e-6),
    ({"dtype": "q8"}, CARD, 5e-3),
])  # fmt: skip
def test_card_snippet_of_sentence_transformers(numbers, expected, tolerance):
    # The card's, but for the import and the constructor.
    from gemvec import EmbeddingGemma

    model = EmbeddingGemma("google/embeddinggemma-300m", **numbers)

    # Run inference with queries and documents
    query = "Which planet is known as the Red Planet?"
    documents = [
        "Venus is often called Earth's twin because of its similar size and proximity.",
        "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
        "Jupiter, the largest planet in our solar system, has a prominent red spot.",
        "Saturn, famous for its rings, is sometimes mistaken for the Red Planet."
    ]  # fmt: skip
    query_embeddings = model.encode_query(query)
    document_embeddings = model.encode_document(documents)
    print(query_embeddings.shape, document_embeddings.shape)
    # (768,) (4, 768)

    # Compute similarities to determine a ranking
    similarities = model.similarity(query_embeddings, document_embeddings)
    print(similarities)

    assert query_embeddings.shape == (768,) and document_embeddings.shape == (4, 768)
    assert similarities.argsort()[0][::-1].tolist() == [1, 2, 3, 0]
    np.testing.assert_allclose(similarities[0], expected, atol=tolerance)
