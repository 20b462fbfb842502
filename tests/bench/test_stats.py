# Tests of bench/lib: statistics, and what the machine is.

import os
import statistics
import unittest

import support  # noqa: F401
from lib import machine, stats, workloads


class Stats(unittest.TestCase):
    def test_a_summary_has_the_median_and_the_range(self):
        self.assertEqual(stats.summary([3, 1, 2, 10]), {"median": 2.5, "min": 1, "max": 10})

    def test_ratios_are_taken_within_rounds_so_that_drift_cancels(self):
        self.assertEqual(stats.ratios([2, 4, 8], [1, 2, 4]), [2, 2, 2])

    def test_rounds_that_do_not_match_are_refused(self):
        with self.assertRaises(ValueError):
            stats.ratios([1, 2], [1])

    def test_quantiles_are_linear_between_values(self):
        self.assertEqual(stats.quantile([0, 10], 0.25), 2.5)
        self.assertEqual(stats.quantile([7], 0.9), 7)

    def test_the_interval_holds_the_median_and_lies_within_the_range(self):
        values = [1.0, 1.1, 1.2, 1.3, 5.0, 1.15, 1.25]
        low, high = stats.bootstrap_interval(values)
        self.assertLessEqual(min(values), low)
        self.assertLessEqual(low, statistics.median(values))
        self.assertLessEqual(statistics.median(values), high)
        self.assertLessEqual(high, max(values))
        self.assertEqual((low, high), stats.bootstrap_interval(values), "the same figures give the same interval")

    def test_more_agreement_means_a_narrower_interval(self):
        def width(values):
            low, high = stats.bootstrap_interval(values)
            return high - low

        self.assertLess(width([1.0, 1.01, 0.99, 1.0, 1.02]), width([1.0, 1.5, 0.5, 0.8, 1.3]))

    def test_the_interval_covers_the_truth_about_as_often_as_it_says(self):
        import random

        generator, hits = random.Random(1), 0
        for _ in range(100):
            low, high = stats.bootstrap_interval([generator.gauss(1, 0.1) for _ in range(15)], resamples=300)
            hits += low <= 1 <= high
        self.assertGreater(hits, 85)

    def test_a_verdict_needs_the_interval_to_lie_outside(self):
        self.assertEqual(stats.verdict((1.05, 1.2), 7), "faster")
        self.assertEqual(stats.verdict((0.8, 0.95), 7), "slower")
        self.assertEqual(stats.verdict((0.95, 1.2), 7), "no difference")
        self.assertEqual(stats.verdict((1.001, 1.005), 7), "no difference")
        self.assertEqual(stats.verdict((2, 2), 1), "too few rounds to say")


class Machine(unittest.TestCase):
    def test_the_instruction_set_follows_from_the_flags(self):
        self.assertEqual(machine.isa_name({"avx512_bf16", "amx_tile", "amx_int8", "amx_bf16"}), "amx")
        self.assertEqual(machine.isa_name({"avx512f", "avx512bw", "avx512_bf16"}), "avx512bf16")
        self.assertEqual(machine.isa_name({"avx512f", "avx512bw", "avx2", "fma"}), "avx512")
        self.assertEqual(machine.isa_name({"avx2", "fma"}), "avx2")
        self.assertEqual(machine.isa_name({"sse2"}), "scalar")

    def test_facts_do_not_name_the_machine(self):
        import platform

        facts = machine.facts()
        self.assertGreaterEqual(facts["cores"], 1)
        self.assertNotIn(platform.node(), facts.values())

    def test_what_the_process_itself_used_is_not_foreign(self):
        before, after = machine.Usage(os.getpid()), machine.Usage(os.getpid())
        before.busy, before.total, before.own = 100.0, 200.0, 10.0
        after.busy, after.total, after.own = 103.0, 204.0, 12.0
        self.assertAlmostEqual(before.foreign_share(after), 0.25)
        after.own = 13.5  # ticks are coarse: never below zero
        self.assertEqual(before.foreign_share(after), 0)

    def test_the_memory_of_a_process_can_be_read(self):
        memory = machine.memory_mb(os.getpid())
        self.assertGreater(memory["peak"], memory["private"] * 0.5)
        self.assertGreater(memory["private"], 1)


class Workloads(unittest.TestCase):
    def test_texts_have_prompts_and_the_stated_counts(self):
        texts = workloads.load()
        self.assertEqual({k: len(v) for k, v in texts.items()}, {"one": 32, "S": 256, "M": 32, "L": 2})
        self.assertTrue(all(t.startswith("task: search result | query: ") for t in texts["one"] + texts["S"]))
        self.assertTrue(all(t.startswith("title: none | text: ") for t in texts["M"] + texts["L"]))

    def test_a_quick_run_and_tuning_use_fewer_of_the_same(self):
        texts, quick = workloads.load(), workloads.load(quick=True)
        for name, items in texts.items():
            self.assertTrue(all(a.startswith(b) for a, b in zip(items, quick[name])))
            self.assertTrue(set(workloads.for_tuning(texts)[name]) <= set(items))
        self.assertTrue(all(workloads.for_tuning(quick).values()))


if __name__ == "__main__":
    unittest.main()
