"""What is no text, no model and no argument: an exception that says so, never a crash."""

import decimal

import numpy as np
import pytest
from conftest import TEXTS, same_bits

import gemvec


@pytest.mark.parametrize("inputs", [None, 3, 2.5, b"bytes", {"text": "x"}, object(), [None], [1, 2], ["a", 3.5], [["a", "b"]],
                                    [("a", "b")], [b"bytes"], np.array([1.0, 2.0]), iter(["a", None])])  # fmt: skip
def test_what_is_no_text(model, inputs):
    with pytest.raises(TypeError, match="inputs"):
        model.encode(inputs)


def test_the_place_of_what_is_no_text_is_named(model):
    with pytest.raises(TypeError, match=r"inputs\[2\]: expected str, got NoneType"):
        model.encode(["a", "b", None])


def test_lone_surrogates_are_no_text(model, tokenizer):
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        model.encode("broken \ud800")
    with pytest.raises(UnicodeEncodeError):
        tokenizer(["fine", "broken \udfff"])
    with pytest.raises(UnicodeEncodeError):
        model.encode("fine", prompt="\ud800")


def test_odd_texts_are_texts(model):
    texts = ["", " ", "\0", "\n\n", "<bos><eos><pad>", "a" * 100_000, "\U0010ffff", "é" * 4000]
    vectors = model.encode(texts)
    assert np.isfinite(vectors).all()

    class Text(str):
        pass

    assert same_bits(model.encode([Text("x"), np.str_("x")]), model.encode(["x", "x"]))


@pytest.mark.parametrize("options", [
    {"batch_size": 0}, {"batch_size": -1}, {"output_value": "logits"}, {"precision": "float16"}, {"precision": None},
    {"device": "cuda"}, {"device": ["cpu", "cuda:0"]}, {"truncate_dim": 0}, {"truncate_dim": 769}, {"pool": {}},
    {"prompt_name": ["query"]},
])  # fmt: skip
def test_arguments_that_do_not_exist(model, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        model.encode(TEXTS, **options)


@pytest.mark.parametrize("options", [{"batch_size": "32"}, {"batch_size": 1.5}, {"truncate_dim": True}, {"prompt": 3},
                                     {"truncate_dim": decimal.Decimal(3)}, {"nonsense": 1}])  # fmt: skip
def test_arguments_of_a_wrong_type(model, options):
    with pytest.raises(TypeError, match=next(iter(options))):
        model.encode(TEXTS, **options)


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"model": "no/such/model"}, FileNotFoundError, "no/such/model"),
    ({"model": "somebody/else"}, FileNotFoundError, "google/embeddinggemma-300m"),
    ({"model": 3}, TypeError, "model"),
    ({"model": "a\0b"}, ValueError, "zero byte"),
    ({"dtype": "q9"}, ValueError, "dtype 'q9': expected one of fp32"),
    ({"dtype": ["q8"]}, ValueError, "dtype"),
    ({"compute": "bf16"}, ValueError, "compute 'bf16'"),
    ({"dtype": "q8", "compute": "fp32"}, ValueError, "compute fp32"),
    ({"threads": 0}, ValueError, "threads"),
    ({"threads": "two"}, TypeError, "threads"),
    ({"truncate_dim": 5000}, ValueError, "truncate_dim"),
    ({"device": "cuda:0"}, ValueError, "device"),
    ({"truncate": "middle"}, ValueError, "truncate 'middle'"),
    ({"prompts": {"a": 3}}, TypeError, "prompts"),
    ({"nonsense": True}, TypeError, "nonsense"),
])  # fmt: skip
def test_constructor(tiny, options, error, message):
    with pytest.raises(error, match=message):
        gemvec.EmbeddingGemma(**{**tiny, **options})


def test_files_that_are_no_models(tiny, tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(gemvec.Error, match="expected a model folder"):
        gemvec.EmbeddingGemma(tmp_path / "empty")
    (tmp_path / "broken.gguf").write_bytes(b"no GGUF at all")
    with pytest.raises(gemvec.BadModel, match="broken.gguf"):
        gemvec.EmbeddingGemma(tmp_path / "broken.gguf")
    (tmp_path / "broken.onnx").write_bytes(b"\xff" * 100)
    with pytest.raises(gemvec.BadModel, match="broken.onnx"):
        gemvec.InferenceSession(tmp_path / "broken.onnx")
    with pytest.raises(gemvec.BadModel, match="tokenizer.json"):
        (tmp_path / "tokenizer.json").write_text("{")
        gemvec.AutoTokenizer.from_pretrained(tmp_path / "tokenizer.json")


def test_the_model_that_the_environment_names(tiny, monkeypatch):
    monkeypatch.setenv("GEMVEC_MODEL", tiny["model"])
    for name in (None, "google/embeddinggemma-300m", "onnx-community/embeddinggemma-300m-ONNX"):
        model = gemvec.EmbeddingGemma(**{**tiny, "model": name})
        assert model.info["model"] == tiny["model"]
    monkeypatch.setenv("GEMVEC_MODEL", "no/such/folder")
    with pytest.raises(FileNotFoundError, match="GEMVEC_MODEL"):
        gemvec.EmbeddingGemma()
    monkeypatch.delenv("GEMVEC_MODEL")
    monkeypatch.setenv("GEMVEC_CACHE", "no/such/cache")
    with pytest.raises(gemvec.ModelNotFound, match="gemvec pull"):
        gemvec.EmbeddingGemma()


def test_a_closed_model(tiny):
    with gemvec.EmbeddingGemma(**tiny) as model:
        model.encode("x")
    for call in (lambda: model.encode("x"), lambda: model.info, lambda: model.tokenize(["x"])):
        with pytest.raises(ValueError, match="closed"):
            call()
    assert "closed" in repr(model)
    model.close()


def test_errors_are_gemvecs_and_the_built_in_ones():
    for error, built_in in ((gemvec.InvalidArgument, ValueError), (gemvec.ModelNotFound, FileNotFoundError),
                            (gemvec.BadModel, ValueError), (gemvec.ModelUnreadable, OSError),
                            (gemvec.TextTooLong, ValueError), (gemvec.Unsupported, RuntimeError),
                            (gemvec.Internal, RuntimeError)):  # fmt: skip
        assert issubclass(error, gemvec.Error) and issubclass(error, built_in)
