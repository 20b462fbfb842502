# The same calls of SentenceTransformer and of EmbeddingGemma on the release's fp32 weights give the same.

import numpy as np
import pytest
import torch
from conftest import DOCUMENTS, QUERIES, close
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import quantize_embeddings as their_quantize

import gemvec

# Both round sums of up to 3072 products in fp32, in another order; unit vectors of 768 numbers.
TOLERANCE = 2e-6
HIDDEN_TOLERANCE = 2e-3  # of hidden states, which are not of unit length


@pytest.fixture(scope="module")
def theirs():
    return SentenceTransformer(gemvec._gemvec.find_model(None), device="cpu")


CALLS = [
    {}, {"prompt_name": "STS"}, {"prompt": "title: Mars | text: "}, {"truncate_dim": 256},
    {"truncate_dim": 100, "normalize_embeddings": True}, {"normalize_embeddings": True}, {"batch_size": 2},
]  # fmt: skip


@pytest.mark.parametrize("options", CALLS)
def test_encode(model, theirs, options):
    for method in ("encode", "encode_query", "encode_document"):
        ours, expected = (getattr(m, method)(DOCUMENTS, **options) for m in (model, theirs))
        assert ours.shape == expected.shape and ours.dtype == expected.dtype
        assert close(ours, expected, TOLERANCE)
        assert getattr(model, method)("one", **options).shape == getattr(theirs, method)("one", **options).shape


def test_long_texts_are_cut_alike(model, theirs):
    long_text = " ".join(f"word {i}" for i in range(2000))
    assert close(model.encode(long_text), theirs.encode(long_text), 1e-5)
    for m in (model, theirs):
        m.max_seq_length = 64
    try:
        assert close(model.encode(long_text), theirs.encode(long_text), TOLERANCE)
    finally:
        for m in (model, theirs):
            m.max_seq_length = 2048


def test_tensors(model, theirs):
    for options in ({"convert_to_tensor": True}, {"convert_to_numpy": False}):
        ours, expected = model.encode(DOCUMENTS, **options), theirs.encode(DOCUMENTS, **options)
        assert type(ours) is type(expected)
        assert all(isinstance(row, torch.Tensor) and row.shape == (768,) for row in ours)
    a, b = model.encode_query(QUERIES, convert_to_tensor=True), model.encode_document(DOCUMENTS, convert_to_tensor=True)
    assert isinstance(model.similarity(a, b), torch.Tensor)
    assert close(model.similarity(a, b), theirs.similarity(a, b), TOLERANCE)
    assert close(model.similarity_pairwise(a, b[:3]), theirs.similarity_pairwise(a, b[:3]), TOLERANCE)
    assert torch.equal(model.similarity(a, b).argmax(dim=1), theirs.similarity(a, b).argmax(dim=1))


def test_token_embeddings_and_tokens(model, theirs):
    ours, expected = (m.encode(DOCUMENTS, output_value="token_embeddings") for m in (model, theirs))
    for mine, his in zip(ours, expected, strict=True):
        assert mine.shape == tuple(his.shape)
        assert close(mine, his.float(), HIDDEN_TOLERANCE * float(his.abs().max()))
    mine, his = model.tokenize(DOCUMENTS), theirs.preprocess(DOCUMENTS)
    for name in ("input_ids", "attention_mask"):
        assert np.array_equal(mine[name], his[name].numpy())
    tensors = gemvec.AutoTokenizer.from_pretrained()(DOCUMENTS, padding=True, return_tensors="pt")
    assert torch.equal(tensors["input_ids"], his["input_ids"])


def test_precision():
    vectors = np.random.default_rng(1).standard_normal((200, 768)).astype(np.float32)
    for precision in ("float32", "int8", "uint8", "binary", "ubinary"):
        ours, expected = gemvec.quantize_embeddings(vectors, precision), their_quantize(vectors, precision)
        assert ours.dtype == expected.dtype and np.array_equal(ours, expected)
        calibrated = gemvec.quantize_embeddings(vectors[:3], precision, calibration_embeddings=vectors)
        assert np.array_equal(calibrated, their_quantize(vectors[:3], precision, calibration_embeddings=vectors))


def test_prompts_and_attributes(model, theirs):
    assert theirs.prompts.items() <= model.prompts.items()
    assert model.get_embedding_dimension() == theirs.get_embedding_dimension() == 768
    assert model.similarity_fn_name == theirs.similarity_fn_name and model.max_seq_length == theirs.max_seq_length
    for bad in ({"prompt_name": "nonsense"}, {"batch_size": 0}, {"precision": "int4"}):
        for m in (model, theirs):
            with pytest.raises(ValueError):
                m.encode(DOCUMENTS, **bad)
