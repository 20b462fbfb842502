"""From what was measured to what is said: speeds, ratios within rounds, goals. Works on the JSON of a run alone."""
from lib.stats import bootstrap_interval, ratios, summary
from lib.workloads import THROUGHPUT
from peers import catalogue

NOISE = 0.05  # if others took more than this of the machine, the figures are in doubt


def engines(run):
    """The engines that finished, by key."""
    return {e["key"]: e for e in run["engines"] if not e["missing"]}


def rates(run, engine, workload):
    """Tokens/s in each round; for `one`, queries/s. Everybody's tokens are counted as the reference counts them."""
    count = run["workloads"][workload]["texts" if workload == "one" else "tokens"]
    return [count / seconds for seconds in engine["seconds"][workload]]


def figures(run, engine):
    """The numbers of an engine's row: medians, with (min, max) where rounds can differ."""
    row = {w: summary(rates(run, engine, w)) for w in THROUGHPUT}
    texts = run["workloads"]["one"]["texts"]
    row["one"] = summary([1000 * s / texts for s in engine["seconds"]["one"]])
    row["one_ms"] = row["one"]["median"]
    row["load_ms"] = 1000 * summary(engine["load"])["median"]
    row["peak_mb"] = summary(engine["peak_mb"])["median"]
    row["private_mb"] = summary(engine["private_mb"])["median"]
    row["cosine"] = engine.get("cosine", {})
    return row


def fastest(run, keys, workload):
    """The key among `keys` with the best median on the workload, or None if none of them finished."""
    present = [k for k in keys if k in engines(run) and not is_unfair(run, k)]
    return max(present, key=lambda k: summary(rates(run, engines(run)[k], workload))["median"], default=None)


def is_unfair(run, key):
    """Whether the engine says that it cannot do on this machine what it was asked for."""
    return bool(engines(run)[key]["facts"].get("caveat"))


def goals(run):
    """What became of each goal: one dictionary each, with the ratio in every round, or why there is none."""
    out = []
    for goal in catalogue.GOALS:
        row = {"ours": goal.ours, "workload": goal.workload, "factor": goal.factor, "peer": None}
        out.append(row)
        if goal.ours not in engines(run):
            row["why"] = f"{catalogue.by_key(goal.ours).name} was not measured"
            continue
        peer = fastest(run, goal.peers, goal.workload)
        if peer is None:
            row["why"] = no_peer(run, goal.peers)
            continue
        values = ratios(*(rates(run, engines(run)[k], goal.workload) for k in (goal.ours, peer)))
        interval = bootstrap_interval(values)
        row |= {"peer": peer, "ratios": values, "ratio": summary(values), "interval": list(interval)}
        row["reached"] = row["ratio"]["median"] >= goal.factor
    return out


def no_peer(run, keys):
    unfair = [k for k in keys if k in engines(run) and is_unfair(run, k)]
    if unfair:
        names = " and ".join(catalogue.by_key(k).name for k in unfair)
        return f"no fair comparison on this machine: {names} cannot work as meant here"
    return "no peer was measured"


def limits(run):
    out = []
    for limit in catalogue.LIMITS:
        row = {"engine": limit.engine, "text": limit.text, "most": limit.most}
        out.append(row)
        if limit.engine not in engines(run):
            row["why"] = f"{catalogue.by_key(limit.engine).name} was not measured"
            continue
        row["value"] = figures(run, engines(run)[limit.engine])[limit.figure]
        row["reached"] = row["value"] <= limit.most
    return out


def noise(run):
    """{"median", "max"} share of the machine that others took during the measurements."""
    shares = [share for e in engines(run).values() for share in e["foreign"]]
    return {k: v for k, v in summary(shares).items() if k != "min"} if shares else {"median": 0.0, "max": 0.0}


def peaks(run):
    """{engine key: summary of GFLOP/s} of the machine, as gemvec measured it before each of its turns."""
    return {k: summary(e["peak_gflops"]) for k, e in engines(run).items() if e["peak_gflops"]}


def add_conclusions(run):
    run["goals"], run["limits"], run["noise"], run["peaks"] = goals(run), limits(run), noise(run), peaks(run)
    return run
