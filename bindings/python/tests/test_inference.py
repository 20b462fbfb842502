"""InferenceSession and AutoTokenizer stand in for ONNX Runtime's and transformers'."""

import pickle

import numpy as np
import pytest
from conftest import TEXTS, same_bits

import gemvec


def feed(ids, mask=None):
    ids = np.array(ids, np.int64)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids) if mask is None else np.array(mask, np.int64)}


def test_both_outputs_have_the_shapes_that_are_announced(session):
    inputs = {node.name: (node.type, node.shape) for node in session.get_inputs()}
    assert inputs == {name: ("tensor(int64)", ["batch_size", "sequence_length"])
                      for name in ("input_ids", "attention_mask")}  # fmt: skip
    assert [node.name for node in session.get_outputs()] == ["last_hidden_state", "sentence_embedding"]
    states, vectors = session.run(None, feed([[2, 30, 31, 1], [2, 30, 1, 0]], [[1, 1, 1, 1], [1, 1, 1, 0]]))
    assert states.shape == (2, 4, 768) and states.dtype == np.float32
    assert vectors.shape == (2, 768) and vectors.dtype == np.float32
    assert not states[1, 3].any()
    assert same_bits(session.run(["sentence_embedding"], feed([[2, 30, 31, 1]]))[0], vectors[:1])
    assert same_bits(session.run(["last_hidden_state"], feed([[2, 30, 31, 1]]))[0], states[:1])
    swapped = session.run(["sentence_embedding", "last_hidden_state"], feed([[2, 30, 31, 1]]))
    assert swapped[0].shape == (1, 768) and swapped[1].shape == (1, 4, 768)


@pytest.mark.parametrize("side", ["right", "left"])
def test_padded_rows_are_the_texts_alone(session, tokenizer, model, side):
    inputs = tokenizer(TEXTS, padding=True, padding_side=side, return_tensors="np")
    states, vectors = session.run(None, inputs.data)
    assert same_bits(vectors, model.encode(TEXTS))
    for row, alone in enumerate(model.encode(TEXTS, output_value="token_embeddings")):
        assert same_bits(states[row][inputs.attention_mask[row] == 1], alone)


def test_arrays_need_not_be_contiguous(session):
    wide = feed([[2, 9, 30, 9, 31, 9, 1, 9], [2, 9, 30, 9, 33, 9, 1, 9]])
    strided = {name: array[:, ::2] for name, array in wide.items()}
    assert same_bits(session.run(None, strided)[1], session.run(None, feed([[2, 30, 31, 1], [2, 30, 33, 1]]))[1])
    fortran = {name: np.asfortranarray(array[:, ::2]) for name, array in wide.items()}
    assert same_bits(session.run(None, fortran)[1], session.run(None, strided)[1])
    assert session.run(None, {name: array[:0] for name, array in wide.items()})[1].shape == (0, 768)


@pytest.mark.parametrize(("inputs", "message"), [
    ({"input_ids": [[2, 1]]}, "Required inputs .*attention_mask"),
    ({**feed([[2, 1]]), "token_type_ids": np.zeros((1, 2))}, "Invalid input name: token_type_ids"),
    (feed([[2, 600, 1]]), r"input_ids\[0, 1\] 600: expected 0 to 599"),
    (feed([[2, -1, 1]]), r"input_ids\[0, 1\] -1"),
    (feed([[2, 2**40, 1]]), r"input_ids\[0, 1\]"),
    (feed([[2, 1], [2, 1]], [[1, 1], [0, 0]]), r"attention_mask\[1\]: has no 1"),
    (feed([[2, 9, 1]], [[1, 0, 1]]), r"attention_mask\[0, 2\]: is 1 behind a 0"),
    (feed([[2, 9, 1]], [[1, 2, 1]]), r"attention_mask\[0, 1\] 2: expected 0 or 1"),
    (feed([[2, 9, 1]], [[1, 1]]), r"attention_mask: shape \(1, 2\), but input_ids has \(1, 3\)"),
    (feed([2, 9, 1]), "input_ids: 1 dimensions; expected 2"),
    (feed([[5] * 3000]), r"input_ids\[0\]: 3000 tokens, expected 2048 at most"),
    (feed([[], []]), "the rows have no tokens"),
    ({"input_ids": [[2, 1], [2]], "attention_mask": [[1, 1], [1]]}, "input_ids: the rows have different lengths"),
    ({**feed([[2, 1]]), "input_ids": np.array([[2.0, float("nan")]])}, "input_ids: unexpected data type float64"),
    ({**feed([[2, 1]]), "input_ids": np.array([[2, 1]], np.int32)}, "input_ids: unexpected data type int32"),
    ({**feed([[2, 1]]), "attention_mask": np.array([[True, True]])}, "attention_mask: unexpected data type bool"),
    ({**feed([[2, 1]]), "input_ids": np.array([["a", "b"]])}, "input_ids: unexpected data type"),
    ({**feed([[2, 1]]), "input_ids": None}, "input_ids: unexpected data type object"),
])  # fmt: skip
def test_bad_rectangles_are_refused_and_named(session, inputs, message):
    with pytest.raises(ValueError, match=message):
        session.run(None, inputs)


def test_a_feed_that_is_no_dict_and_unknown_outputs(session):
    with pytest.raises(TypeError, match="input_feed"):
        session.run(None, [1, 2])
    with pytest.raises(TypeError, match="input_feed"):
        session.run(None, None)
    with pytest.raises(ValueError, match="output_names 'logits'"):
        session.run(["logits"], feed([[2, 1]]))


def test_sessions_are_made_as_onnx_runtimes_are(tiny, folder):
    options = gemvec.SessionOptions()
    options.intra_op_num_threads = 1
    session = gemvec.InferenceSession(tiny["model"], options, providers=["CPUExecutionProvider"],
                                      cache_dir=tiny["cache_dir"])  # fmt: skip
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert session._session.native.info()["threads"] == 1
    info = session._session.native.info()
    assert (info["dtype"], info["compute"]) == ("bf16", "fp32")  # the numbers of the ONNX release
    with pytest.raises(ValueError, match="CUDAExecutionProvider"):
        gemvec.InferenceSession(tiny["model"], providers=["CUDAExecutionProvider"])
    with pytest.raises(FileNotFoundError, match="no/such/model.onnx"):
        gemvec.InferenceSession("no/such/model.onnx")
    with pytest.raises(TypeError, match="path_or_bytes"):
        gemvec.InferenceSession(b"the bytes of a graph")
    session.close()
    with pytest.raises(ValueError, match="closed"):
        session.run(None, feed([[2, 1]]))


def test_tokenizer_calls(tokenizer):
    lists = tokenizer(TEXTS)
    assert all(ids[0] == 2 and ids[-1] == 1 for ids in lists["input_ids"])
    assert tokenizer(TEXTS[0])["input_ids"] == tokenizer.encode(TEXTS[0]) == lists["input_ids"][0]
    assert [len(mask) for mask in lists.attention_mask] == [len(ids) for ids in lists.input_ids]
    padded = tokenizer(TEXTS[:3], padding=True, return_tensors="np")
    assert padded["input_ids"].dtype == np.int64 and padded["input_ids"].shape == padded["attention_mask"].shape
    assert (padded["input_ids"][padded["attention_mask"] == 0] == tokenizer.pad_token_id).all()
    assert tokenizer(TEXTS[:2], padding="max_length", max_length=20)["input_ids"][1][3:] == [0] * 17 + []
    cut = tokenizer("word " * 50, truncation=True, max_length=10, return_tensors="np")
    assert cut["input_ids"].shape == (1, 10) and cut["input_ids"][0, -1] == 1
    assert len(tokenizer("word " * 5000, truncation=True)["input_ids"]) == 2048
    assert len(tokenizer("word " * 5000)["input_ids"]) > 5000
    assert tokenizer(TEXTS, padding=True, pad_to_multiple_of=8, return_tensors="np").input_ids.shape[1] % 8 == 0
    with pytest.raises(ValueError, match="padding=True"):
        tokenizer(TEXTS, return_tensors="np")
    with pytest.raises(ValueError, match="return_tensors 'tf'"):
        tokenizer(TEXTS, padding=True, return_tensors="tf")
    for nonsense in (None, 3, ["a", None], [["a", "b"]], b"bytes"):
        with pytest.raises(TypeError, match="text"):
            tokenizer(nonsense)


def test_tokenizer_goes_back(tokenizer):
    for text in TEXTS:
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
        assert tokenizer.decode(np.array(ids), skip_special_tokens=False) == f"<bos>{text}<eos>"
    assert tokenizer.batch_decode([[2, 1], [2]]) == ["<bos><eos>", "<bos>"]
    assert tokenizer.decode([10**12, -4]) == ""
    assert tokenizer.convert_ids_to_tokens([0, 1, 2]) == ["<pad>", "<eos>", "<bos>"]
    assert (tokenizer.pad_token, tokenizer.eos_token, tokenizer.bos_token) == ("<pad>", "<eos>", "<bos>")
    assert len(tokenizer) == tokenizer.vocab_size == 600
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again(TEXTS) == tokenizer(TEXTS)
    with pytest.raises(TypeError, match="float64"):
        tokenizer.decode([1.5])
