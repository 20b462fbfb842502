"""The picture of a run: speeds of everybody on each workload, as bars, with the range over the rounds."""
from lib.workloads import THROUGHPUT, WORKLOADS
from peers import results, table

OURS, PEER, UNFAIR = "#1f6f8b", "#b8b8b8", "#e4e4e4"


def bars(run, workload):
    """[(name, median, min, max, colour)], as in the table; milliseconds for `one`, otherwise tokens/s."""
    out = []
    for engine in table.in_order(run):
        s = results.figures(run, engine)[workload]
        fair = not engine["facts"].get("caveat")
        colour = OURS if engine["environment"] == "gemvec" else PEER if fair else UNFAIR
        out.append((engine["name"] + ("" if fair else " (*)"), s["median"], s["min"], s["max"], colour))
    return out


def draw(run, path):
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "gemvec"  # the same figures, the same file
    count = len(results.engines(run))
    figure, axes = pyplot.subplots(1, 4, figsize=(15, 1 + 0.3 * count), sharey=True)
    for axis, workload in zip(axes, (*THROUGHPUT, "one")):
        rows = bars(run, workload)[::-1]
        places = range(len(rows))
        medians = [r[1] for r in rows]
        errors = [[r[1] - r[2] for r in rows], [r[3] - r[1] for r in rows]]
        axis.barh(places, medians, xerr=errors, color=[r[4] for r in rows], error_kw={"linewidth": 0.8})
        axis.set_yticks(list(places), [r[0] for r in rows])
        axis.set_title(WORKLOADS[workload] + (", ms" if workload == "one" else ", tokens/s"), fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
        for place, value in zip(places, medians):
            axis.text(value, place, " " + table.number(value), va="center", fontsize=7)
        axis.margins(x=0.15)
    figure.suptitle(f"{run['machine']['cpu']}, {run['threads']} threads, {run['date']}", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    # matplotlib ends some lines with a space; the tidy test does not like that
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
