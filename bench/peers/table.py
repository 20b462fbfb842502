#!/usr/bin/env python3
"""Tables from the JSON of a run.

    bench/peers/table.py docs/benchmarks/DATE-ISA.json            the table of README.md: the best of each family
    bench/peers/table.py docs/benchmarks/DATE-ISA.json --full     everybody
"""
import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from lib.workloads import THROUGHPUT  # noqa: E402
from peers import catalogue, results  # noqa: E402


def markdown(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]) + "\n"


def number(value):
    """4033.7 -> "4,034"; 6.31 -> "6.3" """
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def ranged(summary):
    return f"{number(summary['median'])} ({number(summary['min'])} to {number(summary['max'])})"


def cosine(row, workload):
    values = row["cosine"].get(workload)
    return "" if values is None else f"{values['mean']:.5f}, {values['min']:.5f}"


def in_order(run):
    """Finished engines: families in order, in each the fastest on S first."""
    present = results.engines(run).values()
    return sorted(
        present, key=lambda e: (catalogue.FAMILIES.index(e["family"]), -results.figures(run, e)["S"]["median"])
    )


def full(run):
    header = ["engine", "one query, ms", "S, tokens/s", "M", "L", "cosine M: mean, least", "cosine L"]
    header += ["peak memory, MB", "of it private", "start, s"]
    rows = []
    for engine in in_order(run):
        row = results.figures(run, engine)
        mark = " (*)" if engine["facts"].get("caveat") else ""
        rows.append(
            [engine["name"] + mark, ranged(row["one"]), *(ranged(row[w]) for w in THROUGHPUT)]
            + [cosine(row, "M"), cosine(row, "L"), number(row["peak_mb"]), number(row["private_mb"])]
            + [f"{row['load_ms'] / 1000:.2f}"]
        )
    return markdown(header, rows)


def readme(run):
    """gemvec and the fastest fair peer of each family, medians only."""
    rows = []
    for family in catalogue.FAMILIES:
        members = [e for e in in_order(run) if e["family"] == family]
        ours = [e for e in members if e["environment"] == "gemvec"]
        peers = [e for e in members if e["environment"] != "gemvec" and not e["facts"].get("caveat")]
        for engine in ours + peers[:1]:
            row = results.figures(run, engine)
            low = [row["cosine"][w]["min"] for w in ("M", "L") if w in row["cosine"]]
            rows.append(
                [engine["name"], number(row["one_ms"]), *(number(row[w]["median"]) for w in THROUGHPUT)]
                + [f"{min(low):.4f}" if low else "", number(row["peak_mb"]), f"{row['load_ms'] / 1000:.2f}"]
            )
    header = ["engine", "one query, ms", "short texts, tokens/s", "190 tokens", "2048 tokens", "least cosine"]
    return markdown(header + ["peak memory, MB", "start, s"], rows)


def goals(run):
    rows = []
    for goal in run["goals"]:
        name = catalogue.by_key(goal["ours"]).name
        if "ratio" not in goal:
            rows.append([name, "", goal["workload"], f"{goal['factor']:g}", "", "", goal["why"]])
            continue
        r, (low, high) = goal["ratio"], goal["interval"]
        ratio = f"{r['median']:.2f} ({r['min']:.2f} to {r['max']:.2f})"
        verdict = "reached" if goal["reached"] else "not reached"
        peer = catalogue.by_key(goal["peer"]).name
        rows.append([name, peer, goal["workload"], f"{goal['factor']:g}", ratio, f"{low:.2f} to {high:.2f}", verdict])
    header = ["gemvec", "beside", "workload", "goal", "ratio of speeds (range)", "95 % interval", ""]
    return markdown(header, rows)


def limits(run):
    rows = []
    for limit in run["limits"]:
        name = catalogue.by_key(limit["engine"]).name
        value = number(limit["value"]) if "value" in limit else ""
        verdict = limit["why"] if "why" in limit else "reached" if limit["reached"] else "not reached"
        rows.append([name, limit["text"], f"{limit['most']:g}", value, verdict])
    return markdown(["gemvec", "what", "at most", "measured", ""], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--full", action="store_true")
    args = parser.parse_args()
    run = json.loads(args.run.read_text())
    print(full(run) if args.full else readme(run), end="")


if __name__ == "__main__":
    main()
