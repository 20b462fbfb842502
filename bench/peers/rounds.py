"""The measurement: settings are tried first, then everybody takes turns, round after round."""
import contextlib
import itertools
import os
import statistics

from lib.paths import BENCH, cache
from lib.stats import geometric_mean
from lib.workloads import THROUGHPUT, WORKLOADS, for_tuning
from peers import environments, prepare
from peers.catalogue import BATCHES, FAMILIES
from peers.worker import Worker, WorkerError

# A measurement is one call that does not count, then calls until there are CALLS of them or they took SECONDS.
CALLS = 3
SECONDS = 4.0


class Bench:
    """What does not change during a run."""

    def __init__(self, model, gemvec, threads, texts, say, worker_class=Worker, calls=CALLS):
        self.model, self.gemvec, self.threads, self.texts, self.say = model, gemvec, threads, texts, say
        self.models, self.worker_class, self.calls = None, worker_class, calls

    def command(self, engine):
        if engine.is_gemvec:
            return [str(self.gemvec)]
        return [str(environments.python(engine.environment)), "-B", "-m", engine.module]

    def spec(self, engine, settings):
        folders = {"models": str(self.models or prepare.models(self.model)), "cache": str(cache())}
        filled = {k: v.format(**folders) if isinstance(v, str) else v for k, v in settings.items()}
        return {"model": str(self.model), "threads": self.threads, "first_text": self.texts["one"][0], **filled}

    def start(self, engine, settings, texts=None):
        """A worker that has the texts and waits for its turn."""
        log = cache() / "log" / f"engine-{engine.key}.txt"
        log.parent.mkdir(exist_ok=True)
        threads = str(self.threads)
        environment = dict(os.environ, PYTHONPATH=str(BENCH), OMP_NUM_THREADS=threads, RAYON_NUM_THREADS=threads)
        environment |= {"TOKENIZERS_PARALLELISM": "true", "MKL_NUM_THREADS": threads}
        worker = self.worker_class(self.command(engine), self.spec(engine, settings), log, environment)
        try:
            worker.texts(texts or self.texts)
        except WorkerError:
            worker.close()
            raise
        return worker


def measure(worker, name, batch, vectors=None, calls=CALLS):
    """Median seconds of a call of the workload, and the tokens of it."""
    answer = worker.run(name, batch)
    seconds = []
    while len(seconds) < calls and sum(seconds) < SECONDS:
        answer = worker.run(name, batch, vectors if not seconds else None)
        seconds.append(answer["seconds"])
    return statistics.median(seconds), answer["tokens"]


def tune(bench, engine):
    """{"settings", "batches"} that the engine is fastest with, and what was tried. Raises WorkerError if nothing works."""
    if not engine.batches:
        return untuned(engine)
    texts, tried, errors = for_tuning(bench.texts), [], []
    for settings in engine.variants:
        try:
            with bench.start(engine, settings, texts) as worker:
                speeds = {name: try_batches(worker, name) for name in THROUGHPUT}
        except WorkerError as error:
            errors.append(f"{settings}: {error}")
            continue
        batches = {name: min(times, key=times.get) for name, times in speeds.items()}
        score = geometric_mean([1 / speeds[name][batches[name]] for name in THROUGHPUT])
        tried.append({"settings": settings, "batches": batches, "score": score, "seconds": speeds})
    if not tried:
        raise WorkerError("; ".join(errors))
    best = max(tried, key=lambda t: t["score"])
    return {"settings": best["settings"], "batches": best["batches"], "tried": tried, "errors": errors}


def untuned(engine):
    """The first settings, and a batch size of the middle: for whoever makes batches of its own, and for quick runs."""
    return {"settings": engine.variants[0], "batches": {"S": 16, "M": 2, "L": 1}, "tried": []}


def try_batches(worker, name):
    """{batch size: seconds}. The first call of a size pays for new shapes; it counts only if it was long anyway."""
    times = {}
    for batch in BATCHES[name]:
        first = worker.run(name, batch)["seconds"]
        times[batch] = first if first > SECONDS else worker.run(name, batch)["seconds"]
        if times[batch] > 2 * min(times.values()):
            break  # larger ones do not become faster again
    return times


class Record:
    """Everything measured of one engine."""

    def __init__(self, engine):
        self.engine, self.missing, self.tuned, self.facts = engine, None, None, {}
        self.seconds = {name: [] for name in WORKLOADS}
        self.load, self.peak_mb, self.private_mb, self.foreign, self.peak_gflops = [], [], [], [], []
        self.tokens, self.vectors = {}, {}

    def as_json(self):
        keys = ("missing", "tuned", "facts", "seconds", "load", "peak_mb", "private_mb", "foreign", "peak_gflops", "tokens")
        engine = {k: getattr(self.engine, k) for k in ("key", "name", "family", "environment")}
        return engine | {key: getattr(self, key) for key in keys}


def run_family(bench, records, number, folder):
    """One round of one family: all its engines up, and in turn on each workload, in an order that rotates."""
    with contextlib.ExitStack() as stack:
        workers = []
        for record in records:
            try:
                worker = bench.start(record.engine, record.tuned["settings"])
            except WorkerError as error:
                record.missing = str(error)
                bench.say(f"{record.engine.name} did not start: {error}")
                continue
            stack.enter_context(worker)
            workers.append((record, worker))
            record.load.append(worker.load_seconds)
            record.facts = worker.facts
        for turn, name in enumerate(WORKLOADS):
            shift = (number + turn) % max(1, len(workers))
            for record, worker in workers[shift:] + workers[:shift]:
                if not record.missing:
                    take_turn(bench, record, worker, name, folder if number == 0 else None)
        for record, worker in workers:
            if not record.missing:
                finish(record, worker)


def take_turn(bench, record, worker, name, folder):
    batch = 1 if name == "one" else record.tuned["batches"][name]
    path = folder / f"{record.engine.key}-{name}.f32" if folder and name in ("M", "L") else None
    try:
        if record.engine.is_gemvec:
            record.peak_gflops.append(worker.peak_gflops())
        seconds, record.tokens[name] = measure(worker, name, batch, path, bench.calls)
    except WorkerError as error:
        record.missing = f"{name}: {error}"
        bench.say(f"{record.engine.name} failed on {name}: {error}")
        return
    record.seconds[name].append(seconds)
    if path:
        record.vectors[name] = path
    bench.say(f"  {record.engine.name:28s} {name:4s} {seconds:8.3f} s  others took {100 * worker.foreign[-1]:.0f} %")


def finish(record, worker):
    record.peak_mb.append(worker.peak_mb())
    record.private_mb.append(worker.private_mb)
    record.foreign.extend(worker.foreign)


def run_rounds(bench, records, rounds, folder):
    for number, family in itertools.product(range(rounds), FAMILIES):
        present = [r for r in records if r.engine.family == family and not r.missing]
        if present:
            bench.say(f"round {number + 1} of {rounds}, {family}")
            run_family(bench, present, number, folder)
