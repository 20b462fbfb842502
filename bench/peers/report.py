"""The page about a run: docs/benchmarks/DATE-ISA.md."""
from lib import machine
from lib.workloads import WORKLOADS
from peers import results, table


def page(run, name):
    """The text; `name` is that of the JSON and SVG files beside it, without their endings."""
    parts = [
        f"# gemvec beside others, {run['date']}\n",
        about(run),
        f"![speeds]({name}.svg)\n",
        "## Everybody\n",
        "Median over the rounds, and smallest to largest. Tokens are the texts' own, without padding. Cosines are to the "
        "exact vectors (fp32 arithmetic over the release's bf16 weights), mean and least. Start is from the start of the "
        "process to its first vector, with everything that can be cached in the cache.\n",
        table.full(run),
        caveats(run),
        "## Goals\n",
        "The ratio of speeds is taken within each round, beside the fastest of the peers that are meant.\n",
        table.goals(run),
        table.limits(run),
        "## Machine\n",
        machine_table(run),
        "## Settings\n",
        "The fastest of those that were tried before the rounds.\n",
        settings_table(run),
        missing(run),
    ]
    return "\n".join(part for part in parts if part)


def about(run):
    lines = [f"`bench/peers/run`, {run['rounds']} rounds, {run['threads']} threads."]
    for name, text in WORKLOADS.items():
        size = run["workloads"][name]
        lines.append(f"- {name}: {text}" + (f" (here {size['texts']}, {size['tokens']} tokens)" if run["quick"] else ""))
    noise = run["noise"]
    text = f"Others took {100 * noise['median']:.1f} % of the machine while something was measured, {100 * noise['max']:.0f} % "
    text += "at most."
    if noise["median"] > results.NOISE:
        text += " **That is too much: these figures are in doubt.**"
    if run["quick"]:
        text += " **A quick run with few texts: it shows that everything works, and not how fast.**"
    return "\n".join(lines) + "\n\n" + text + "\n"


def caveats(run):
    """What keeps a row from being a fair comparison on this machine."""
    lines = []
    flags = run["machine"]["flags"]
    if not machine.is_bf16_machine(flags):
        lines.append("This processor has no bf16 arithmetic: everybody's bf16 rows do something else instead.")
    if not machine.is_vnni_machine(flags):
        lines.append("This processor has no VNNI: int8 and int4 rows show nobody at their best.")
    for engine in results.engines(run).values():
        if engine["facts"].get("caveat"):
            lines.append(f"(*) {engine['name']}: {engine['facts']['caveat']}. It is not counted as a peer.")
    return "\n\n".join(lines) + "\n" if lines else ""


def machine_table(run):
    facts = run["machine"]
    rows = [
        ["processor", f"{facts['cpu']}, family and model {facts['cpu_family_model']}"],
        ["flags", " ".join(facts["flags"])],
        ["cores, memory", f"{facts['cores']}, {facts['memory_gb']} GB" + (", virtual" if facts["virtual"] else "")],
        ["system", f"{facts['system']}, Linux {facts['kernel']}, {facts['compiler']}"],
        ["gemvec", f"commit {run['commit']}"],
    ]
    for key, peak in run["peaks"].items():
        rows.append([f"peak in the arithmetic of {key}, GFLOP/s", table.ranged(peak)])
    return table.markdown(["", ""], rows)


def settings_table(run):
    rows = []
    for engine in table.in_order(run):
        tuned = engine["tuned"]
        chosen = ", ".join(f"{k} {str(v).rpartition('/')[2]}" for k, v in tuned["settings"].items() if k != "cache")
        batches = "its own" if engine["environment"] == "gemvec" else ", ".join(f"{k} {v}" for k, v in tuned["batches"].items())
        facts = engine["facts"]
        said = "; ".join(f"{k}: {facts[k]}" for k in ("precision", "group", "isa", "compute") if k in facts)
        rows.append([engine["name"], facts.get("version", ""), chosen, batches, said])
    return table.markdown(["engine", "version", "settings", "texts a batch", "what it says it does"], rows)


def missing(run):
    rows = [[e["name"], e["missing"]] for e in run["engines"] if e["missing"]]
    return "## Not measured\n\n" + table.markdown(["engine", "why"], rows) if rows else ""
