"""EmbeddingGemma has SentenceTransformer's calls, and the command's vectors."""

import io
import logging
import sys

import numpy as np
import pytest
from conftest import TEXTS, same_bits

import gemvec

QUERY, DOCUMENT = "task: search result | query: ", "title: none | text: "


def test_vectors_are_the_commands(model, tiny_command):
    assert same_bits(model.encode(TEXTS), tiny_command(TEXTS))
    assert same_bits(model.encode_query(TEXTS), tiny_command(TEXTS, "--task", "retrieval-query"))
    assert same_bits(model.encode_document(TEXTS), tiny_command(TEXTS, "--task", "retrieval-document"))


def test_one_text_is_a_vector_and_a_list_a_matrix(model):
    matrix = model.encode(TEXTS)
    assert matrix.shape == (len(TEXTS), 768) and matrix.dtype == np.float32 and matrix.flags.c_contiguous
    for text, row in zip(TEXTS, matrix, strict=True):
        assert same_bits(model.encode(text), row)
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-6)
    assert model.encode([]).shape == (0, 768)
    matrix[0] = 0  # the caller's own memory


def test_any_iterable_will_do(model):
    expected = model.encode(TEXTS)
    for texts in (tuple(TEXTS), iter(TEXTS), (text for text in TEXTS), dict.fromkeys(TEXTS).keys(), np.array(TEXTS)):
        assert same_bits(model.encode(texts), expected)
    many = [f"text {i}" for i in range(2500)]  # several windows of an iterator
    assert same_bits(model.encode(iter(many)), model.encode(many))
    assert model.encode(iter(())).shape == (0, 768)
    assert same_bits(model.encode(sentences=TEXTS), expected)


def test_prompts(model):
    assert model.prompts["query"] == QUERY and model.prompts["document"] == DOCUMENT
    assert model.prompts["STS"] == "task: sentence similarity | query: "
    by_text = model.encode([QUERY + text for text in TEXTS])
    assert same_bits(model.encode(TEXTS, prompt_name="query"), by_text)
    assert same_bits(model.encode(TEXTS, prompt=QUERY), by_text)
    assert same_bits(model.encode(TEXTS, prompt_name="STS", prompt=QUERY), by_text)  # the prompt itself goes first
    assert same_bits(model.encode_query(TEXTS, prompt=""), model.encode(TEXTS))
    assert same_bits(model.encode_document(TEXTS, title="Mars"), model.encode(TEXTS, prompt="title: Mars | text: "))
    with pytest.raises(ValueError, match="prompt_name 'nonsense': expected one of .*query"):
        model.encode(TEXTS, prompt_name="nonsense")


def test_default_prompt_and_own_prompts(tiny):
    model = gemvec.EmbeddingGemma(**tiny, prompts={"mine": "mine: "}, default_prompt_name="mine")
    assert same_bits(model.encode("x"), model.encode("x", prompt="mine: "))
    assert model.default_prompt_name == "mine" and "query" in model.prompts
    with pytest.raises(ValueError, match="prompt_name 'other'"):
        gemvec.EmbeddingGemma(**tiny, default_prompt_name="other")


def test_truncate_dim_cuts_and_normalize_makes_unit_length(model, tiny, tiny_command):
    whole = model.encode(TEXTS)
    for dim in (512, 256, 128, 100, 1):
        assert same_bits(model.encode(TEXTS, truncate_dim=dim), np.ascontiguousarray(whole[:, :dim]))
        unit = model.encode(TEXTS, truncate_dim=dim, normalize_embeddings=True)
        cut = whole[:, :dim] / np.linalg.norm(whole[:, :dim], axis=1, keepdims=True)
        np.testing.assert_allclose(unit, cut, atol=1e-6)
    assert same_bits(model.encode(TEXTS, truncate_dim=256, normalize_embeddings=True),
                     tiny_command(TEXTS, "--dim", "256", width=256))  # fmt: skip
    short = gemvec.EmbeddingGemma(**tiny, truncate_dim=128)
    assert short.get_sentence_embedding_dimension() == short.get_embedding_dimension() == 128
    assert short.encode("x").shape == (128,) and short.encode([]).shape == (0, 128)
    with short.truncate_embeddings(64):
        assert short.encode("x").shape == (64,)
    assert short.truncate_dim == 128


def test_max_seq_length(tiny):
    model = gemvec.EmbeddingGemma(**tiny)
    assert model.max_seq_length == model.get_max_seq_length() == 2048
    long_text = "word " * 3000
    assert len(model.tokenize([long_text])["input_ids"][0]) == 2048
    model.max_seq_length = 16
    ids = model.tokenize([long_text])["input_ids"][0]
    assert len(ids) == 16 and ids[0] == 2 and ids[-1] == 1
    assert same_bits(model.encode(long_text), model.encode("word " * 300))
    for value in (1, 0, 2049, -5):
        with pytest.raises(ValueError, match="max_seq_length"):
            model.max_seq_length = value
    strict = gemvec.EmbeddingGemma(**tiny, max_seq_length=16, truncate="error")
    with pytest.raises(gemvec.TextTooLong, match="Text 1: .*16"):
        strict.encode(["short", long_text])


def test_token_embeddings(model, session):
    rows = model.encode(TEXTS, output_value="token_embeddings", prompt=QUERY)
    everything = model.encode(TEXTS, output_value=None, prompt=QUERY)
    vectors = model.encode(TEXTS, prompt=QUERY)
    for text, states, item, vector in zip(TEXTS, rows, everything, vectors, strict=True):
        ids = model.tokenize([QUERY + text])["input_ids"]
        assert states.shape == (ids.shape[1], 768)
        state, embedding = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        assert same_bits(state[0], states) and same_bits(embedding[0], vector)
        assert same_bits(item["token_embeddings"], states) and same_bits(item["sentence_embedding"], vector)
        assert item["input_ids"].tolist() == ids[0].tolist() and item["attention_mask"].all()
    assert same_bits(model.encode(TEXTS[0], output_value="token_embeddings", prompt=QUERY), rows[0])
    assert model.encode([], output_value="token_embeddings") == []


def test_precision(model, caplog):
    texts = [f"number {i} of many" for i in range(120)]
    vectors = model.encode(texts)
    low, high = vectors.min(axis=0), vectors.max(axis=0)
    codes = np.floor((vectors - low) / ((high - low) / 255))
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(model.encode(texts, precision="uint8"), codes.astype(np.uint8))
        assert np.array_equal(model.encode(texts, precision="int8"), (codes - 128).astype(np.int8))
        assert not caplog.records
        model.encode(TEXTS, precision="int8")
        assert "few to take the ranges" in caplog.text
    bits = np.packbits(vectors > 0).reshape(120, -1)
    assert np.array_equal(model.encode(texts, precision="ubinary"), bits)
    binary = model.encode(texts, precision="binary")
    assert binary.dtype == np.int8 and np.array_equal(binary.astype(int) + 128, bits)
    assert model.encode("one", precision="ubinary").shape == (96,)
    with pytest.raises(ValueError, match="calibration_embeddings"):
        model.encode("one", precision="int8")
    by_hand = gemvec.quantize_embeddings(model.encode(["one"]), "int8", calibration_embeddings=vectors)
    assert by_hand.shape == (1, 768) and by_hand.dtype == np.int8
    with pytest.raises(ValueError, match="precision 'int4'"):
        model.encode(texts, precision="int4")


def test_similarity(model, tiny):
    a, b = model.encode(TEXTS), model.encode(TEXTS[::-1])
    assert model.similarity_fn_name == "cosine"
    np.testing.assert_allclose(model.similarity(a, b), a @ b.T, atol=1e-6)
    np.testing.assert_allclose(model.similarity(a[0], b), (a[:1] @ b.T), atol=1e-6)
    np.testing.assert_allclose(model.similarity_pairwise(a, b), (a * b).sum(axis=1), atol=1e-6)
    np.testing.assert_allclose(model.similarity(list(a), list(b)), a @ b.T, atol=1e-6)
    for name, expected in {"dot": 4 * (a @ b.T), "euclidean": -2 * np.linalg.norm(a[:, None] - b, axis=2),
                           "manhattan": -2 * np.abs(a[:, None] - b).sum(axis=2), "cosine": a @ b.T}.items():  # fmt: skip
        other = gemvec.EmbeddingGemma(**tiny, similarity_fn_name=name)
        np.testing.assert_allclose(other.similarity(2 * a, 2 * b), expected, atol=1e-4)
        np.testing.assert_allclose(other.similarity_pairwise(2 * a, 2 * b), np.diag(expected), atol=1e-4)
    with pytest.raises(ValueError, match="similarity_fn_name"):
        model.similarity_fn_name = "nearest"
    with pytest.raises(ValueError, match="embeddings2"):
        model.similarity(a, b[:, :5])


def test_progress_is_told_by_texts(model, monkeypatch):
    tqdm = pytest.importorskip("tqdm", reason="it is optional") if "tqdm" in sys.modules else __import__("tqdm")
    assert tqdm
    for texts in (TEXTS * 40, iter(TEXTS * 400)):
        written = io.StringIO()
        monkeypatch.setattr(sys, "stderr", written)
        model.encode(texts, show_progress_bar=True)
        monkeypatch.undo()
        assert "200/200" in written.getvalue() or "2000text" in written.getvalue(), written.getvalue()


def test_facts(model, tiny):
    info = model.info
    assert info["model"] == tiny["model"] and info["dtype"] == "fp32" and info["threads"] == 2
    assert info["check"] == "different"  # these are not the release's weights
    assert repr(model) == f"EmbeddingGemma({tiny['model']!r}, dtype='fp32', threads=2)"
    assert model.device == "cpu" and model.to("cpu") is model and model.eval() is model
    assert gemvec.__version__.count(".") == 2
