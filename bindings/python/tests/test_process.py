"""Threads, forks, Ctrl-C, pickling, memory, and garbage collection in the middle of a call."""

import concurrent.futures
import gc
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from conftest import TEXTS, same_bits

import gemvec


def test_eight_threads_get_the_bits_of_one(model, session):
    texts = [f"{'word ' * (i % 40)}{i}" for i in range(400)]
    expected = model.encode(texts)
    tokens = model.tokenize(texts[:8])
    states, vectors = session.run(None, tokens)

    def work(i):
        if i % 50 == 0:
            assert same_bits(model.encode(texts), expected)
            again = session.run(None, tokens)
            assert same_bits(again[0], states) and same_bits(again[1], vectors)
        return model.encode(texts[i])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert same_bits(np.stack(list(pool.map(work, range(400)))), expected)


def test_other_threads_run_meanwhile(model):
    """The interpreter's lock is free while the model computes: a counter goes on."""
    counted, stop = 0, threading.Event()

    def count():
        nonlocal counted
        while not stop.is_set():
            counted += 1
            time.sleep(0.0005)

    thread = threading.Thread(target=count)
    thread.start()
    before, began = counted, time.monotonic()
    model.encode(["word " * 2000] * 8)
    elapsed, during = time.monotonic() - began, counted - before
    stop.set()
    thread.join()
    assert during >= min(20, elapsed / 0.01), f"counted to {during} in {elapsed:.2f} s"


def test_pickling_carries_the_configuration(tiny):
    model = gemvec.EmbeddingGemma(**tiny, truncate_dim=256, prompts={"mine": "m: "}, default_prompt_name="mine",
                                  similarity_fn_name="dot", max_seq_length=64)  # fmt: skip
    data = pickle.dumps(model)
    assert len(data) < 5000  # no weights
    again = pickle.loads(data)
    assert same_bits(again.encode(TEXTS), model.encode(TEXTS))
    for name in ("truncate_dim", "prompts", "default_prompt_name", "similarity_fn_name", "max_seq_length"):
        assert getattr(again, name) == getattr(model, name)
    assert again.info["dtype"] == "fp32" and again.info["threads"] == 2
    session = pickle.loads(pickle.dumps(gemvec.InferenceSession(tiny["model"], cache_dir=tiny["cache_dir"])))
    assert session.run(["sentence_embedding"], model.tokenize(["x"]))[0].shape == (1, 768)


def test_a_pickled_tokenizer_keeps_its_cache(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("GEMVEC_CACHE", str(tmp_path / "others"))
    mine = tmp_path / "mine"
    alone = gemvec.AutoTokenizer.from_pretrained(tiny["model"], cache_dir=mine, padding_side="left")
    of_model = gemvec.EmbeddingGemma(**{**tiny, "cache_dir": str(mine)}).tokenizer
    for tokenizer in (alone, of_model):
        data = pickle.dumps(tokenizer)
        shutil.rmtree(mine)
        again = pickle.loads(data)
        assert again(TEXTS) == tokenizer(TEXTS) and again.padding_side == tokenizer.padding_side
        assert list(mine.glob("packed/*-tokenizer.gvpack"))
    assert not (tmp_path / "others").exists()


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_child_processes_load_the_model_themselves(model, way):
    expected = model.encode(TEXTS)
    with multiprocessing.get_context(way).Pool(2) as pool:
        for vectors in pool.map(model.encode, [TEXTS] * 4):
            assert same_bits(vectors, expected)


def test_a_fork_in_the_middle_of_a_call_is_safe(model, tiny):
    """The child inherits whatever locks the other thread holds at that moment."""
    stop = threading.Event()

    def work():
        while not stop.is_set():
            model.encode(["word " * 50] * 4)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(10):
            child = os.fork()
            if child == 0:
                ok = model.encode("one").shape == (768,)
                os._exit(0 if ok else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()


def test_ctrl_c_stops_a_long_call(tiny):
    program = textwrap.dedent("""
        import sys, gemvec
        model = gemvec.EmbeddingGemma(sys.argv[1], cache_dir=sys.argv[2], dtype="fp32", threads=1)
        print("ready", flush=True)
        try:
            while True:
                model.encode(["word " * 2000] * 20000)
        except KeyboardInterrupt:
            print(model.encode("x").shape, flush=True)
            sys.exit(42)
    """)
    process = subprocess.Popen([sys.executable, "-c", program, tiny["model"], tiny["cache_dir"]], stdout=subprocess.PIPE,
                               text=True)  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 42 and output == "(768,)\n"


def test_an_exception_of_the_progress_bar_ends_the_call(model):
    def fail(done, total):
        raise RuntimeError(f"{done} of {total}")

    with pytest.raises(RuntimeError, match=r"\d+ of 40"):
        model._session.native.embed(["word " * 300] * 40, "", 1, 768, True, 2048, 0, True, fail)


def test_garbage_collection_in_the_middle_of_a_call(tiny):
    model = gemvec.EmbeddingGemma(**tiny)
    texts = ["".join(["wo", "rd "]) * 300 for _ in range(64)]
    expected = model.encode(texts)
    results = []
    thread = threading.Thread(target=lambda m, t: results.append(m.encode(t)), args=(model, list(texts)))
    thread.start()
    model.close()  # the call goes on
    del model
    texts.clear()
    for _ in range(20):
        gc.collect()
    thread.join()
    assert not results or same_bits(results[0], expected)


def test_arrays_outlive_the_model(tiny):
    model = gemvec.EmbeddingGemma(**tiny)
    vectors, row = model.encode(TEXTS), model.encode("one", output_value="token_embeddings")
    copies = vectors.copy(), row.copy()
    del model
    gc.collect()
    assert same_bits(vectors, copies[0]) and same_bits(row, copies[1])
    assert vectors.base is not None or vectors.flags.owndata


def resident_kib():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def test_memory_is_flat_over_ten_thousand_calls(model, session):
    inputs = model.tokenize(["one text", "another"])

    def calls(count):
        for i in range(count):
            model.encode(f"text {i}")
            if i % 10 == 0:
                session.run(None, inputs)
                with pytest.raises(TypeError):
                    model.encode([None])

    calls(1000)
    gc.collect()
    before = resident_kib()
    calls(10_000)
    gc.collect()
    # A leak of one vector a call would be 30 MB, of one message 1 MB.
    assert resident_kib() - before < 1000
