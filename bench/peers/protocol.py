"""The worker's side of the protocol: one engine, one process, one JSON object a line.

A worker is started with one argument, a JSON object: {"model": folder, "threads": n, "first_text": text, ...settings}.
It loads, embeds the first text and says {"event": "ready", "facts": {...}}; the time until then is the engine's load
time. Then it answers requests until its standard input ends:

    {"do": "texts", "name": "S", "texts": [...]}         -> {"event": "texts"}
    {"do": "run", "name": "S", "batch": 32}              -> {"event": "ran", "seconds": 1.5, "tokens": 4400}
    {"do": "run", ..., "alone": true}                       one text a call; seconds for all of them
    {"do": "run", ..., "vectors": path}                     and writes the vectors, float32 [texts, 768], after the clock
    {"do": "peak"}                                       -> {"event": "peak", "gflops": 550.1}      (gemvec only)

What goes wrong is said as {"event": "error", "message": ...}; before "ready" it ends the worker.

An engine is an object with `facts()`, a dictionary, and `embed(texts, batch)`, which returns the vectors and the number
of tokens. The clock runs around `embed` alone, which tokenises as well.
"""
import json
import os
import sys
import time
import traceback


class Channel:
    """Standard output for answers only: whatever an engine's library prints goes to standard error."""

    def __init__(self):
        self.out = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)

    def say(self, **answer):
        self.out.write(json.dumps(answer) + "\n")
        self.out.flush()


def run(engine, request, texts):
    """One timed call."""
    items, batch = texts[request["name"]], request.get("batch") or 1
    vectors, tokens = [], 0
    begin = time.perf_counter()
    if request.get("alone"):
        for text in items:
            part, count = engine.embed([text], 1)
            vectors.extend(part)
            tokens += count
    else:
        vectors, tokens = engine.embed(items, batch)
    seconds = time.perf_counter() - begin
    if request.get("vectors"):
        write_vectors(vectors, request["vectors"])
    return {"event": "ran", "seconds": seconds, "tokens": tokens}


def write_vectors(vectors, path):
    import numpy as np

    np.asarray(vectors, dtype="<f4").tofile(path)


def answer(engine, request, texts):
    if request["do"] == "texts":
        texts[request["name"]] = request["texts"]
        return {"event": "texts"}
    if request["do"] == "run":
        return run(engine, request, texts)
    if request["do"] == "peak" and hasattr(engine, "peak"):
        return {"event": "peak", "gflops": engine.peak()}
    return {"event": "error", "message": f"no such request: {request['do']}"}


def serve(make_engine):
    """make_engine(spec) -> engine. Answers until standard input ends; the exit status is 0 then."""
    channel = Channel()
    try:
        spec = json.loads(sys.argv[1])
        engine = make_engine(spec)
        engine.embed([spec["first_text"]], 1)
        facts = engine.facts()
    except Exception as error:
        traceback.print_exc()
        channel.say(event="error", message=f"{type(error).__name__}: {error}")
        return 1
    channel.say(event="ready", facts=facts)
    texts = {}
    for line in sys.stdin:
        try:
            channel.say(**answer(engine, json.loads(line), texts))
        except Exception as error:
            traceback.print_exc()
            channel.say(event="error", message=f"{type(error).__name__}: {error}")
    return 0
