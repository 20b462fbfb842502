"""The page about a run, from what is in its JSON alone."""

INTRODUCTION = """# The server under load, {date}

`bench/server/run` on {cpu} ({isa}), {cores} cores, {memory_gb} GB, {system}{virtual}; one measurement after the other, each of
{seconds:g} s or more after a warm-up. Queries have {queries:.0f} tokens on average, documents {documents:.0f}, prompts
included, no two texts alike; a text a request; vectors come back as JSON. Driver and server share the machine. The driver
alone, against a server that does nothing, reaches {ceiling:,.0f} requests/s and takes {cpu_ms:.2f} ms of processor time for each.

{commands}
"""


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]) + "\n"


def number(value):
    """4033.7 -> "4,034"; 6.31 -> "6.3" """
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def present(run, part):
    return [entry for entry in run["servers"] if entry.get(part)]


def throughput(run):
    parts = []
    for workload in ("queries", "documents"):
        rows = []
        for entry in present(run, "throughput"):
            for row in entry["throughput"]:
                if row["workload"] == workload:
                    other = {s: n for s, n in row["statuses"].items() if s != "200"}
                    rows.append([entry["name"], row["connections"], number(row["texts_per_s"]), number(row["tokens_per_s"]),
                                 number(row["p50_ms"]), number(row["p99_ms"]),
                                 ", ".join(f"{n} x {s}" for s, n in other.items()), f"{100 * row['foreign']:.0f} %"])  # fmt: skip
        if rows:
            header = ["server", "connections", "texts/s", "tokens/s", "p50, ms", "p99, ms", "not 200", "driver and others"]
            parts.append(f"## {workload.capitalize()}\n\n" + table(header, rows))
    return parts


def beside_itself(run):
    """The server's tokens/s beside those of `gemvec bench`."""
    rows = []
    for entry in present(run, "own"):
        for row in entry["throughput"]:
            whole = entry["own"].get(row["workload"])
            if whole:
                rows.append([entry["name"], row["workload"], row["connections"], number(row["tokens_per_s"]), number(whole),
                             f"{100 * row['tokens_per_s'] / whole:.0f} %"])  # fmt: skip
    header = ["server", "workload", "connections", "tokens/s", "`gemvec bench`, tokens/s", "share"]
    return ["## Beside the same work without a server\n\n" + table(header, rows)] if rows else []


def lone(run):
    rows = []
    for entry in present(run, "lone"):
        idle, busy, bulk = (entry["lone"][name] for name in ("idle", "busy", "bulk"))
        ratio = busy["p99_ms"] / idle["p99_ms"] if busy["p99_ms"] and idle["p99_ms"] else None
        rows.append([entry["name"], number(idle["p50_ms"]), number(idle["p99_ms"]), number(busy["p50_ms"]),
                     number(busy["p99_ms"]), number(ratio), number(bulk["tokens_per_s"])])  # fmt: skip
    if not rows:
        return []
    connections, texts = run["settings"]["bulk"]
    header = ["server", "idle p50, ms", "idle p99, ms", "busy p50, ms", "busy p99, ms", "p99, busy over idle",
              "the others' tokens/s"]  # fmt: skip
    return [f"## A lone query\n\nIdle, and while {connections} other connections send {texts} documents a request without "
            "a pause.\n\n" + table(header, rows)]  # fmt: skip


def mixed(run):
    parts = []
    for entry in present(run, "mixed"):
        data, memory = entry["mixed"], entry["mixed"]["memory"]
        rows = [[label, number(s["texts_per_s"]), number(s["p50_ms"]), number(s["p99_ms"]),
                 ", ".join(f"{n} x {status}" for status, n in s["statuses"].items())]
                for label, s in data["labels"].items()]  # fmt: skip
        text = f"## {run['settings']['minutes']:g} minutes of everything: {entry['name']}\n\n"
        text += table(["stream", "texts/s", "p50, ms", "p99, ms", "answers"], rows)
        if memory:
            tenth = max(1, len(memory) // 10)
            second, final = memory[tenth : 2 * tenth] or memory, memory[-tenth:]
            for kind in ("resident", "private"):
                first, last = (sum(m[kind] for m in part) / len(part) for part in (second, final))
                most = max(m[kind] for m in memory)
                text += (f"\n{kind.capitalize()} memory: {first:.0f} MB in the second tenth of the time, {last:.0f} MB in the "
                         f"last, {most:.0f} MB at most.\n")  # fmt: skip
        text += f"\nAnswers that are neither 200 nor 429: {data['wrong'] or 'none'}.\n"
        parts.append(text)
    return parts


def facts(run):
    rows = [[entry["name"], entry.get("version", ""), number(entry["memory_mb"]["resident"]) if "memory_mb" in entry else "",
             entry.get("missing", "")] for entry in run["servers"]]  # fmt: skip
    return ["## Who took part\n\n" + table(["server", "version", "resident afterwards, MB", "left out because"], rows)]


def markdown(run):
    machine, texts, driver = run["machine"], run["texts"], run["driver"]
    head = INTRODUCTION.format(
        date=run["date"], cpu=machine["cpu"], isa=machine["isa"], cores=machine["cores"], memory_gb=machine["memory_gb"],
        system=machine["system"], virtual=", a virtual machine" if machine["virtual"] else "",
        seconds=run["settings"]["seconds"], queries=texts["queries"]["mean_tokens"],
        documents=texts["documents"]["mean_tokens"], ceiling=driver["requests_per_s"], cpu_ms=driver["cpu_ms"],
        commands="Measured by " + ", then by ".join(f"`{command}`" for command in run["commands"]) + ".",
    )  # fmt: skip
    return "\n".join([head, *throughput(run), *beside_itself(run), *lone(run), *mixed(run), *facts(run)])
