"""bench/regress: is the current tree faster or slower than an earlier commit? Both binaries, turn by turn.

Uses nothing but the command `gemvec`, so that any two commits can be compared that have `bench` and `embed`.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from lib import workloads
from lib.paths import ROOT
from lib.stats import bootstrap_interval, ratios, summary, verdict

DESCRIPTION = """Builds BASE and the current tree, runs both in turns, and prints the ratio of their speeds, new over old.

The exit status says only whether it worked: a speed is never an assertion. For each dtype and workload: the ratio's median,
its range over the rounds, and the interval in which the median lies with 95 % confidence, by bootstrap. "faster" and
"slower" mean that the interval lies outside of 1 by more than a percent. Peak memory and the time from the start of the
process to one vector and its end are given as ratios too: there, above 1 is worse."""
# name -> arguments
DTYPES = {
    "fp32": ["--dtype", "fp32"],
    "bf16": ["--dtype", "bf16"],
    "bf16-fp32": ["--dtype", "bf16", "--compute", "fp32"],
    "q8": ["--dtype", "q8"],
    "q4": ["--dtype", "q4"],
}


def arguments(argv):
    parser = argparse.ArgumentParser(
        prog="bench/regress", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", metavar="BASE", help="a commit, or the path of a gemvec binary")
    parser.add_argument("--model", help="model folder (default: GEMVEC_MODEL, else the cache)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=["fp32", "bf16"])
    parser.add_argument("--workloads", nargs="+", choices=workloads.WORKLOADS, default=list(workloads.WORKLOADS))
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write everything that was measured")
    return parser.parse_args(argv)


def say(text):
    print(text, file=sys.stderr, flush=True)


def checked(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode != 0:
        raise SystemExit(f"bench/regress: failed: {' '.join(map(str, command))}\n{done.stdout[-3000:]}")
    return done.stdout


def build(source):
    """The optimised command of the sources in `source`, without tests; both sides are built alike, in build/regress."""
    folder = source / "build" / "regress"
    # what scripts/lib.sh sets: objects of one checkout serve another
    environment = dict(os.environ, CCACHE_BASEDIR=str(source), CCACHE_NOHASHDIR="1")
    configure = ["cmake", "--preset", "release", "-B", str(folder), "-DGEMVEC_BUILD_TESTS=OFF"]
    checked(configure, cwd=source, env=environment)
    checked(["cmake", "--build", str(folder), "--target", "gemvec_cli"], cwd=source, env=environment)
    return folder / "bin" / "gemvec"


def build_base(revision, scratch):
    say(f"building {revision}")
    source = scratch / "base"
    checked(["git", "-C", str(ROOT), "worktree", "add", "--detach", str(source), revision])
    try:
        return shutil.copy(build(source), scratch / "gemvec-old")
    finally:
        checked(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(source)])


class Side:
    """One of the two binaries, with a cache of its own: its packed weights may look different."""

    def __init__(self, name, binary, scratch, model, threads):
        self.name, self.binary = name, binary
        self.environment = dict(os.environ, GEMVEC_CACHE=str(scratch / f"cache-{name}"), GEMVEC_MODEL=model)
        self.threads = str(threads)

    def timed(self, *command, stdin=b""):
        """(standard output, seconds, peak memory in MB) of one process."""
        begin = time.perf_counter()
        process = subprocess.Popen(
            [str(self.binary), *command, "--threads", self.threads], env=self.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        process.stdin.write(stdin)
        process.stdin.close()
        out, err = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"bench/regress: {self.name}: {' '.join(command)}: {err.decode()}")
        return out, seconds, usage.ru_maxrss * 1024 / 1e6

    def start(self, dtype, text):
        """Seconds from the start of a process to its end, with one vector between."""
        return self.timed("embed", "--task", "none", *DTYPES[dtype], stdin=text.encode() + b"\n")[1]

    def bench(self, dtype, path):
        """({workload: texts/s}, peak memory in MB): medians of three calls after one that does not count."""
        out, _, peak = self.timed("bench", *DTYPES[dtype], "--texts", str(path), "--seconds", "0", "--json")
        return {row["name"]: row["texts_per_second"] for row in json.loads(out)["results"]}, peak


def write_texts(names, folder):
    """A file for each workload. `one` is a single query: its speed is the inverse of its latency."""
    texts, paths = workloads.load(), {}
    for name in names:
        paths[name] = folder / f"{name}.json"
        paths[name].write_text(json.dumps({name: texts[name][:1] if name == "one" else texts[name]}))
    return paths, texts["one"][0]


def measure(sides, args, paths, text):
    """{(dtype, what): ([old per round], [new per round])}; `what` is a workload, "memory" or "start"."""
    samples = {}
    for dtype in args.dtypes:
        for side in sides:
            side.start(dtype, text)  # packs the weights into the cache
    for number in range(args.rounds):
        for dtype in args.dtypes:
            for what in ("start", *paths):
                for side in sides if number % 2 == 0 else sides[::-1]:
                    place = sides.index(side)
                    pair = samples.setdefault((dtype, what), ([], []))
                    if what == "start":
                        pair[place].append(side.start(dtype, text))
                        continue
                    speeds, peak = side.bench(dtype, paths[what])
                    pair[place].append(speeds[what])
                    samples.setdefault((dtype, f"memory {what}"), ([], []))[place].append(peak)
        say(f"round {number + 1} of {args.rounds}")
    return samples


def conclude(samples):
    """A row for each thing measured. Of memory, the largest of the workloads counts."""
    rows = []
    for (dtype, what), (old, new) in samples.items():
        if what.startswith("memory "):
            continue
        values = ratios(new, old)
        interval = bootstrap_interval(values)
        row = {"dtype": dtype, "what": what, "old": summary(old)["median"], "new": summary(new)["median"]}
        rows.append(row | {"ratio": summary(values), "interval": interval})
        speed = (1 / interval[1], 1 / interval[0]) if what == "start" else interval
        rows[-1]["verdict"] = verdict(speed, len(values))
    for dtype in dict.fromkeys(d for d, _ in samples):
        pairs = [pair for (d, what), pair in samples.items() if d == dtype and what.startswith("memory ")]
        if pairs:
            old, new = max(max(p[0]) for p in pairs), max(max(p[1]) for p in pairs)
            ratio = {"median": new / old, "min": new / old, "max": new / old}
            word = "no difference" if abs(new / old - 1) < 0.01 else "more" if new > old else "less"
            rows.append(
                {"dtype": dtype, "what": "peak memory", "old": old, "new": new, "ratio": ratio, "interval": None,
                 "verdict": word}
            )  # fmt: skip
    return rows


UNITS = {"start": "s", "peak memory": "MB"}


def as_text(rows):
    lines = [f"{'dtype':10s} {'':12s} {'old':>9s} {'new':>9s} {'':7s} {'new/old':>8s} {'range':>15s} {'95 %':>15s}"]
    for row in rows:
        r, unit = row["ratio"], UNITS.get(row["what"], "texts/s")
        interval = "" if row["interval"] is None else f"{row['interval'][0]:.3f} .. {row['interval'][1]:.3f}"
        lines.append(
            f"{row['dtype']:10s} {row['what']:12s} {row['old']:9.4g} {row['new']:9.4g} {unit:7s} {r['median']:8.3f} "
            f"{r['min']:.3f} .. {r['max']:.3f} {interval:>15s}  {row['verdict']}"
        )
    return "\n".join(lines) + "\n"


def locate_model(binary, model):
    """Found once by the new binary: the sides have empty caches of their own."""
    if model or os.environ.get("GEMVEC_MODEL"):
        return str(pathlib.Path(model or os.environ["GEMVEC_MODEL"]).resolve())
    return checked([str(binary), "pull"]).strip().splitlines()[-1]


def has_dtype(side, dtype):
    """A commit from before a dtype has nothing to compare."""
    command = [str(side.binary), "embed", "--task", "none", *DTYPES[dtype], "--help"]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        return True
    say(f"{side.name} has no {dtype}: left out")
    return False


def main(argv):
    args = arguments(argv)
    if args.rounds < 1:
        raise SystemExit("bench/regress: at least one round.")
    with tempfile.TemporaryDirectory(prefix="gemvec-regress-") as folder:
        scratch = pathlib.Path(folder)
        is_binary = re.search("/", args.base) and shutil.which(args.base)
        old = pathlib.Path(args.base).resolve() if is_binary else build_base(args.base, scratch)
        say("building the current tree")
        new = build(ROOT)
        model = locate_model(new, args.model)
        sides = [Side(n, b, scratch, model, args.threads) for n, b in (("old", old), ("new", new))]
        paths, text = write_texts(args.workloads, scratch)
        args.dtypes = [d for d in args.dtypes if all([has_dtype(side, d) for side in sides])]
        samples = measure(sides, args, paths, text)
    rows = conclude(samples)
    if args.json:
        named = {f"{dtype} {what}": pair for (dtype, what), pair in samples.items()}
        args.json.write_text(json.dumps({"base": args.base, "samples": named, "rows": rows}, indent=1) + "\n")
    print(as_text(rows), end="")
    return 0
