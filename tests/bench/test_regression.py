# Tests of bench/regress: what it concludes from two sides' figures, and that the sides take turns.

import contextlib
import io
import pathlib
import types
import unittest

import support  # noqa: F401
from regression import compare

ORDER = []


class Side:
    def __init__(self, name, speed):
        self.name, self.speed = name, speed

    def start(self, dtype, text):
        return 0.1 / self.speed

    def bench(self, dtype, path):
        ORDER.append((self.name, path.name))
        return {path.stem: 100 * self.speed}, 500.0


class Regression(unittest.TestCase):
    def measure(self, speed, rounds=4):
        ORDER.clear()
        args = types.SimpleNamespace(dtypes=["bf16"], rounds=rounds)
        paths = {name: pathlib.Path(f"{name}.json") for name in ("S", "M")}
        with contextlib.redirect_stderr(io.StringIO()):
            return compare.measure([Side("old", 1.0), Side("new", speed)], args, paths, "text")

    def rows(self, speed):
        return {row["what"]: row for row in compare.conclude(self.measure(speed))}

    def test_the_sides_take_turns_and_who_begins_alternates(self):
        self.measure(1.0, rounds=2)
        self.assertEqual(
            ORDER,
            [("old", "S.json"), ("new", "S.json"), ("old", "M.json"), ("new", "M.json")]
            + [("new", "S.json"), ("old", "S.json"), ("new", "M.json"), ("old", "M.json")],
        )

    def test_a_faster_tree_is_faster_and_starts_faster(self):
        rows = self.rows(1.5)
        self.assertAlmostEqual(rows["S"]["ratio"]["median"], 1.5)
        self.assertEqual({rows[w]["verdict"] for w in ("S", "M", "start")}, {"faster"})
        self.assertAlmostEqual(rows["start"]["ratio"]["median"], 1 / 1.5)

    def test_a_slower_tree_is_slower(self):
        self.assertEqual({self.rows(0.8)[w]["verdict"] for w in ("S", "start")}, {"slower"})

    def test_the_same_tree_is_no_different(self):
        self.assertEqual({row["verdict"] for row in self.rows(1.0).values()}, {"no difference"})

    def test_memory_is_the_largest_of_the_workloads(self):
        samples = {("bf16", "memory S"): ([100, 100], [100, 100]), ("bf16", "memory L"): ([200, 200], [300, 310])}
        (row,) = compare.conclude(samples)
        self.assertEqual((row["old"], row["new"], row["verdict"]), (200, 310, "more"))

    def test_the_table_has_a_line_for_each_row(self):
        rows = compare.conclude(self.measure(1.0))
        self.assertEqual(len(compare.as_text(rows).splitlines()), 1 + len(rows))


if __name__ == "__main__":
    unittest.main()
