# What the tests of bench/ share: the path to its modules, and a run as bench/peers would have measured it.

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bench"))

FACTS = {
    "cpu": "A processor", "cpu_family_model": "25/17", "flags": ["avx2", "avx512_bf16", "avx512_vnni"],
    "isa": "avx512bf16", "cores": 2, "memory_gb": 24.0, "virtual": True, "system": "Debian", "kernel": "6.1.0",
    "compiler": "g++ 12",
}  # fmt: skip


def engine(key, seconds, **more):
    """An engine of the catalogue that took `seconds` (one per round) on every workload."""
    from peers import catalogue

    entry = catalogue.by_key(key)
    out = {
        "key": key, "name": entry.name, "family": entry.family, "environment": entry.environment, "missing": None,
        "tuned": {"settings": {"file": "/somewhere/a.onnx"}, "batches": {"S": 64, "M": 4, "L": 2}, "tried": []},
        "facts": {"version": "1.0"}, "seconds": {w: list(seconds) for w in ("one", "S", "M", "L")},
        "load": [0.5] * len(seconds), "peak_mb": [900.0] * len(seconds), "private_mb": [50.0] * len(seconds),
        "foreign": [0.01], "peak_gflops": [500.0] if key.startswith("gemvec") else [],
        "cosine": {"M": {"mean": 0.999, "min": 0.99}, "L": {"mean": 0.98, "min": 0.97}},
    }  # fmt: skip
    return out | more


def run(*engines):
    from peers import results

    sizes = {"one": (10, 170), "S": (256, 4400), "M": (32, 6000), "L": (2, 4096)}
    return results.add_conclusions({
        "date": "2026-01-02", "quick": False, "rounds": 3, "threads": 2, "seconds": 60, "commit": "abc",
        "machine": dict(FACTS), "workloads": {k: {"texts": n, "tokens": t} for k, (n, t) in sizes.items()},
        "engines": list(engines),
    })  # fmt: skip
