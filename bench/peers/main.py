"""bench/peers/run: gemvec and its peers on the same texts, in turns, and a page about it. Runs in the environment `bench`."""
import argparse
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from lib import machine
from lib.paths import DOCS, ROOT, cache
from lib.workloads import load
from peers import catalogue, environments, prepare, report, results
from peers.rounds import CALLS, Bench, Record, run_rounds, tune, untuned
from peers.worker import WorkerError

DESCRIPTION = """gemvec beside ONNX Runtime, OpenVINO, llama.cpp and sentence-transformers: same texts, same threads, in turns.

Installs the peers (pinned) and makes their model files in gemvec's cache folder; the first time takes long. Then it tries
settings, runs the rounds and writes docs/benchmarks/DATE-ISA.md, .json and .svg. Nothing else should run meanwhile: what
others take of the processor is measured and printed."""


def arguments(argv):
    parser = argparse.ArgumentParser(
        prog="bench/peers/run", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "model", type=pathlib.Path, nargs="?", help="model folder with safetensors, as `gemvec pull` prints it"
    )
    parser.add_argument("--only", nargs="+", metavar="WORD", help="engines whose key contains a word; see --list")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="few texts, one round: does everything work?")
    parser.add_argument("--prepare", action="store_true", help="install and make files, and stop")
    parser.add_argument("--settings", type=pathlib.Path, metavar="JSON", help="take settings from an earlier run")
    parser.add_argument("--worker", type=pathlib.Path, default=ROOT / "build/release/bin/gemvec_bench_worker")
    parser.add_argument("--out", type=pathlib.Path, help="folder (default docs/benchmarks; the cache with --quick)")
    parser.add_argument("--list", action="store_true", help="list the engines and stop")
    return parser.parse_args(argv)


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def install(records, model):
    """Environments and files; engines that cannot have theirs are marked as missing."""
    def give_up(users, why):
        for record in users:
            record.missing = why
            say(f"{record.engine.name}: {why}")

    for name in sorted({r.engine.environment for r in records} - {"gemvec"}):
        why = environments.install(name, say)
        if why:
            give_up([r for r in records if r.engine.environment == name], why)
    folder = prepare.models(model)
    for recipe in prepare.RECIPES:
        users = [r for r in records if not r.missing and prepare.is_needed(recipe, [r.engine], folder)]
        why = users and (environments.install(recipe.environment, say) or prepare.make(recipe, model, say))
        if why:
            give_up(users, why)


def choose_settings(bench, records, args):
    earlier = {}
    if args.settings:
        earlier = {e["key"]: e["tuned"] for e in json.loads(args.settings.read_text())["engines"] if e["tuned"]}
    for record in records:
        if record.missing:
            continue
        key = record.engine.key
        try:
            if key in earlier:
                record.tuned = earlier[key]
            else:
                say(f"trying settings of {record.engine.name}")
                record.tuned = untuned(record.engine) if args.quick else tune(bench, record.engine)
            if record.engine.is_gemvec:  # packs the weights, if the cache does not have them yet
                bench.start(record.engine, record.tuned["settings"]).close()
        except WorkerError as error:
            record.missing = str(error)
            say(f"{record.engine.name}: {error}")


def reference(bench, folder):
    """Exact vectors of M and L, and everybody's token counts. Ends the run if they cannot be had."""
    engine = catalogue.by_key(catalogue.REFERENCE)
    try:
        with bench.start(engine, engine.variants[0]) as worker:
            paths = {name: folder / f"exact-{name}.f32" for name in ("M", "L")}
            tokens = {name: worker.run(name, 1, paths.get(name))["tokens"] for name in bench.texts}
    except WorkerError as error:
        raise SystemExit(f"the exact vectors cannot be had: {error}") from None
    return paths, tokens


def cosines(path, exact):
    """{"mean", "min"} over the texts; both files hold float32 [texts, 768]."""
    import numpy as np

    a, b = (np.fromfile(p, "<f4").reshape(-1, 768).astype(np.float64) for p in (path, exact))
    values = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return {"mean": float(values.mean()), "min": float(values.min())}


def describe(record, exact, tokens):
    out = record.as_json()
    if not record.missing:
        out["cosine"] = {name: cosines(path, exact[name]) for name, path in record.vectors.items()}
        differ = {n: c for n, c in record.tokens.items() if c and c != tokens[n]}
        if differ:
            say(f"{record.engine.name} counts other tokens than gemvec: {differ}")
            out["other_tokens"] = differ
    return out


def commit():
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def write(run, out):
    from peers import plot

    name = f"{run['date']}-{run['machine']['isa']}" + ("-quick" if run["quick"] else "")
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(run, indent=1).replace(str(cache()), "CACHE")
    (out / f"{name}.json").write_text(text + "\n")
    (out / f"{name}.md").write_text(report.page(run, name))
    plot.draw(run, out / f"{name}.svg")
    return out / f"{name}.md"


def main(argv):
    args = arguments(argv)
    if args.list:
        print("\n".join(f"{e.key:18s} {e.name}" for e in catalogue.ENGINES))
        return 0
    if args.model is None:
        raise SystemExit("which model folder? `gemvec pull` prints it.")
    if not (args.model / "model.safetensors").exists():
        raise SystemExit(f"{args.model}: no model.safetensors in it; `gemvec pull` prints the right folder.")
    records = [Record(engine) for engine in catalogue.choose(args.only, first_settings=args.quick)]
    install(records, args.model)
    if args.prepare:
        return 1 if any(r.missing for r in records) else 0
    if not args.worker.exists():
        raise SystemExit(f"{args.worker} is not built: cmake --build --preset release --target gemvec_bench_worker")
    began, args.rounds = time.monotonic(), 1 if args.quick else args.rounds
    bench = Bench(args.model, args.worker, args.threads, load(args.quick), say, calls=1 if args.quick else CALLS)
    with tempfile.TemporaryDirectory(prefix="gemvec-bench-") as scratch:
        folder = pathlib.Path(scratch)
        exact, tokens = reference(bench, folder)
        choose_settings(bench, records, args)
        run_rounds(bench, records, args.rounds, folder)
        engines = [describe(record, exact, tokens) for record in records]
    run = {
        "date": datetime.date.today().isoformat(), "quick": args.quick, "rounds": args.rounds, "threads": args.threads,
        "seconds": round(time.monotonic() - began), "commit": commit(), "machine": machine.facts(),
        "workloads": {n: {"texts": len(bench.texts[n]), "tokens": tokens[n]} for n in bench.texts}, "engines": engines,
    }  # fmt: skip
    path = write(results.add_conclusions(run), args.out or (cache() / "results" if args.quick else DOCS))
    say(f"{run['seconds']} s; {path}")
    print(path.read_text(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
