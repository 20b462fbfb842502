"""bench/server/run: gemvec's server under load, beside others. Standard library only; the peers have environments of theirs."""
import argparse
import datetime
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

import report
from driver import Load, Stream, ceiling
from lib import machine
from lib.paths import DOCS, ROOT, cache
from servers import PEERS, Gemvec, Missing
from texts import Texts, requests

CONNECTIONS = (1, 8, 64, 256)
BULK_CONNECTIONS, BULK_TEXTS = 4, 32  # 128 documents wait at any time
BACKLOG_S = 300  # 256 documents, at one a second
DESCRIPTION = """gemvec's server under load, beside llama-server, sentence-transformers behind FastAPI, and TEI if there is one.

Three things: throughput at 1, 8, 64 and 256 connections, a text a request; what a lone query waits while others keep the
queue full; and mixed load for some minutes, in which memory must stay flat and nothing but 429 may go wrong. Writes
docs/benchmarks/server-DATE-ISA.md and .json. Nothing else should run meanwhile."""


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def arguments(argv):
    parser = argparse.ArgumentParser(prog="bench/server/run", description=DESCRIPTION,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("model", type=pathlib.Path, help="model folder with safetensors, as `gemvec pull` prints it")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/bin/gemvec")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="servers whose key contains a word (gemvec, llama, ...)")
    parser.add_argument("--parts", nargs="+", choices=("throughput", "lone", "mixed"), default=("throughput", "lone", "mixed"))
    parser.add_argument("--dtypes", nargs="+", default=["q8", "bf16"], help="of gemvec; the first for all parts")
    parser.add_argument("--connections", nargs="+", type=int, default=list(CONNECTIONS))
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement, at least (default 20)")
    parser.add_argument("--minutes", type=float, default=10, help="of mixed load (default 10)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the peers; gemvec uses its default")
    parser.add_argument("--quick", action="store_true", help="a second or two of everything: does it work?")
    parser.add_argument("--out", type=pathlib.Path, help="folder (default docs/benchmarks; the cache with --quick)")
    parser.add_argument("--suffix", default="", help="of the page's name, where two machines were measured on one day")
    parser.add_argument("--add", action="store_true", help="to the page of today: what it has of other parts and servers stays")
    args = parser.parse_args(argv)
    if args.quick:
        args.seconds, args.minutes = min(args.seconds, 2), min(args.minutes, 0.2)
    return args


def pools(texts):
    return {"queries": texts.queries, "documents": texts.documents}


def wait(server):
    """Many servers go on with what nobody waits for any more: the next measurement would pay for the one before."""
    if not machine.wait_until_idle(server.process.pid, BACKLOG_S):
        say(f"{server.name}: it is still at work on what it was asked before")


def throughput(server, texts, args):
    """[{workload, connections, texts_per_s, ...}]"""
    rows = []
    for workload, pool in pools(texts).items():
        for connections in args.connections:
            source = requests(pool, server.ask)
            wait(server)
            before = machine.Usage(server.process.pid)
            load = Load(server.port, [Stream(workload, connections, source)], args.seconds,
                        warm=min(3, args.seconds), least=0 if args.quick else 2 * connections).run()  # fmt: skip
            after = machine.Usage(server.process.pid)
            row = {"workload": workload, "connections": connections, "foreign": before.foreign_share(after), **load.summary()}
            rows.append(row)
            say(f"{server.name}: {workload}, {connections} connections: {row['texts_per_s']:.1f} texts/s, "
                f"{row['tokens_per_s']:,.0f} tokens/s, p99 {row['p99_ms'] or 0:.0f} ms")  # fmt: skip
    return rows


def lone(server, texts, args):
    """A query at a time with a short pause: alone, and beside bulk requests that keep the queue full."""
    out = {}
    for name in ("idle", "busy"):
        streams = [Stream("lone", 1, requests(texts.queries, server.ask), pause=0.02)]
        if name == "busy":
            bulk = requests(texts.documents, server.ask, batch=BULK_TEXTS)
            streams.append(Stream("bulk", BULK_CONNECTIONS, bulk))
        wait(server)
        load = Load(server.port, streams, args.seconds * 2, warm=min(5, args.seconds)).run()
        out[name] = load.summary("lone")
        if name == "busy":
            out["bulk"] = load.summary("bulk")
    say(f"{server.name}: a lone query, p99 {out['idle']['p99_ms'] or 0:.0f} ms idle, {out['busy']['p99_ms'] or 0:.0f} ms busy")
    return out


def mixed(server, texts, args):
    """Everything at once for some minutes: what was answered, and the memory each second."""
    memory = []

    def sample(passed):
        memory.append(dict({"s": round(passed, 1)}, **server.rss_mb()))

    half = len(texts.documents) // 2
    streams = [
        Stream("queries", 24, requests(texts.queries, server.ask)),
        Stream("documents", 8, requests(texts.documents, server.ask, start=half)),
        Stream("bulk", 2, requests(texts.documents, server.ask, batch=BULK_TEXTS)),
        Stream("lone", 1, requests(texts.queries, server.ask, start=len(texts.queries) // 2), pause=0.2),
    ]
    load = Load(server.port, streams, args.minutes * 60, warm=min(10, args.seconds), each_second=sample)
    load.run()
    whole = load.summary()
    wrong = {status: count for status, count in whole["statuses"].items() if status not in ("200", "429")}
    return {"summary": whole, "labels": {s.label: load.summary(s.label) for s in streams}, "memory": memory, "wrong": wrong}


def own_speed(binary, model, dtype, texts, args):
    """tokens/s of `gemvec bench` at the mean lengths of the texts: what there is to be had without a server."""
    lengths = [round(facts["mean_tokens"]) for facts in texts.facts().values()]
    command = [binary, "bench", "--json", "--model", model, "--dtype", dtype, "--lengths", ",".join(map(str, lengths)),
               *(("--batch", "4", "--seconds", "0") if args.quick else ("--seconds", "5"))]  # fmt: skip
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    results = json.loads(done.stdout)["results"]
    return {name: row["tokens_per_second"] for name, row in zip(pools(texts), results)}


def measure(server, texts, args, parts):
    entry = {"key": server.key, "name": server.name}
    try:
        server.prepare(say)
        entry["version"] = server.version()
        with server:
            for part in parts:
                entry[part] = {"throughput": throughput, "lone": lone, "mixed": mixed}[part](server, texts, args)
            entry["memory_mb"] = server.rss_mb()
    except Missing as why:
        entry["missing"] = str(why)
        say(f"{server.name}: left out: {why}")
    return entry


def servers(args, log):
    base = (args.binary, args.model.resolve(), args.threads, log)
    everybody = [Gemvec(*base, dtype=dtype) for dtype in args.dtypes] + [peer(*base) for peer in PEERS]
    return [s for s in everybody if not args.only or any(word in s.key for word in args.only)]


def page(run, args):
    folder = args.out or (cache() / "results" if args.quick else DOCS)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"server-{run['date']}-{run['machine']['isa']}{'-' if args.suffix else ''}{args.suffix}"


def add(run, earlier, parts):
    """`run` with what `earlier` has of other servers and parts. They must be of one machine and one program."""
    for what in ("machine", "texts"):
        if earlier[what] != run[what]:
            sys.exit(f"--add: {what} of the page and of this run are not the same")
    old = {entry["key"]: entry for entry in earlier["servers"]}
    for entry in run["servers"]:
        before = old.get(entry["key"], {})
        if before.get("version", entry.get("version")) != entry.get("version"):
            sys.exit(f"--add: {entry['name']} is not the version that the page has")
        old[entry["key"]] = {**before, **entry}
    settings = dict(run["settings"])
    if "mixed" not in parts:
        settings["minutes"] = earlier["settings"]["minutes"]
    if set(parts) == {"mixed"}:
        settings["seconds"] = earlier["settings"]["seconds"]
    commands = earlier["commands"] + run["commands"]
    return dict(run, servers=list(old.values()), settings=settings, commands=commands, driver=earlier["driver"])


def write(run, args):
    path = page(run, args)
    if args.add:
        run = add(run, args.earlier, args.parts)
    path.with_suffix(".json").write_text(json.dumps(run, indent=1) + "\n")
    path.with_suffix(".md").write_text(report.markdown(run))
    say(f"wrote {path}.md and .json")


def main(argv):
    args = arguments(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server that is being measured is stopped too
    log = cache() / "log"
    log.mkdir(exist_ok=True)
    texts = Texts(args.binary, args.model)
    facts = machine.facts()
    run = {
        "date": datetime.date.today().isoformat(), "machine": facts, "texts": texts.facts(), "driver": ceiling(),
        "settings": {"seconds": args.seconds, "minutes": args.minutes, "bulk": [BULK_CONNECTIONS, BULK_TEXTS],
                     "threads": args.threads}, "servers": [],
        "commands": [shlex.join(["bench/server/run", *("MODEL" if word == str(args.model) else word for word in argv)])],
    }  # fmt: skip
    if args.add:
        args.earlier = json.loads(page(run, args).with_suffix(".json").read_text())
    say(f"the driver alone reaches {run['driver']['requests_per_s']:,.0f} requests/s")
    for server in servers(args, log):
        parts = [part for part in args.parts if part != "mixed" or server.key == f"gemvec-{args.dtypes[0]}"]
        entry = measure(server, texts, args, parts)
        if isinstance(server, Gemvec) and "throughput" in entry:
            entry["own"] = own_speed(args.binary, args.model, server.dtype, texts, args)
        run["servers"].append(entry)
        write(run, args)  # after each, so that a run that is broken off leaves what it has measured
    wrong = [entry["name"] for entry in run["servers"] if entry.get("mixed", {}).get("wrong")]
    if wrong:
        say(f"mixed load: answers that are neither 200 nor 429: {', '.join(wrong)}")
    return 1 if wrong else 0
