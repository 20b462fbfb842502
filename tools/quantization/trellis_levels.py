#!/usr/bin/env python3
"""The 16 levels of src/model/trellis.h, from rows of the release's embedding table.

    build/venv/bin/python3 tools/quantization/trellis_levels.py MODEL_DIR

Lloyd's algorithm: rows are encoded with the levels that there are, each level becomes the mean of the numbers that fell to
it, and so on. Numbers that follow an odd half fall to the mirror image. The first levels are those of a normal distribution.
Takes some minutes. Prints the levels after each round as they are, and at last in units of a 120th of the lowest.
"""
import pathlib
import statistics
import sys

import numpy as np
import safetensors

ROWS, GROUP, ROUNDS = 1000, 32, 40
TRAINED = 249_000  # ids from here on were never trained
OUTERMOST = 120
FACTORS = np.linspace(0.55, 1.35, 16)  # of the step that has the largest number at the outermost level, as in trellis.cc


def table(folder):
    with safetensors.safe_open(pathlib.Path(folder) / "model.safetensors", "numpy") as file:
        rows = np.random.default_rng(0).permutation(TRAINED)[:ROWS]
        return file.get_tensor("embed_tokens.weight")[rows].astype(np.float64).reshape(-1, GROUP)


def encode(x, levels):
    """x [n, 32] in steps -> halves [n, 32] and sums of squares [n], each row beginning after an even half."""
    books = np.stack([levels, -levels[::-1]])  # [half before is odd, half]
    costs = np.stack([np.zeros(len(x)), np.full(len(x), np.inf)], 1)  # [n, last half is odd]
    halves, before = np.empty((GROUP, len(x), 2), np.int8), np.empty((GROUP, len(x), 2), np.int8)
    for i in range(GROUP):
        squares = (x[:, i, None, None] - books) ** 2  # [n, before, half]
        after = np.empty_like(costs)
        for parity in (0, 1):
            nearest = squares[..., parity::2].argmin(2)  # [n, before]
            total = costs + np.take_along_axis(squares[..., parity::2], nearest[..., None], 2)[..., 0]
            came = total.argmin(1)
            after[:, parity] = total.min(1)
            before[i, :, parity] = came
            halves[i, :, parity] = 2 * nearest[np.arange(len(x)), came] + parity
        costs = after
    found, parity = np.empty((len(x), GROUP), np.int8), costs.argmin(1)
    for i in reversed(range(GROUP)):
        found[:, i] = halves[i, np.arange(len(x)), parity]
        parity = before[i, np.arange(len(x)), parity]
    return found, costs.min(1)


def best(w, levels):
    """w [n, 32] -> steps [n], halves [n, 32]."""
    widest = np.abs(w).max(1) / -levels[0]
    least, steps, halves = np.full(len(w), np.inf), np.empty(len(w)), np.empty(w.shape, np.int8)
    for factor in FACTORS:
        found, cost = encode(w / (widest * factor)[:, None], levels)
        cost *= (widest * factor) ** 2
        better = cost < least
        least[better], steps[better], halves[better] = cost[better], (widest * factor)[better], found[better]
    return steps, halves, least


def main():
    w = table(sys.argv[1])
    normal = statistics.NormalDist(sigma=1.15)
    levels = np.array([normal.inv_cdf((half + 0.25) / 16) for half in range(16)])  # a quarter: the mirror image lies between
    for _ in range(ROUNDS):
        steps, halves, least = best(w, levels)
        print(f"{least.sum() / (w**2).sum():.5f}", np.round(levels, 3), flush=True)
        odd = np.concatenate([np.zeros((len(w), 1), bool), halves[:, :-1] % 2 == 1], 1)
        level = np.where(odd, 15 - halves, halves)
        x = np.where(odd, -w, w)
        weight = np.broadcast_to(steps[:, None] ** 2, w.shape)
        levels = np.array([(x * steps[:, None])[level == i].sum() / weight[level == i].sum() for i in range(16)])
    print(np.round(levels * OUTERMOST / -levels[0]).astype(int).tolist())


if __name__ == "__main__":
    main()
