# Tests of bench/peers: ratios, goals, tables, the page and what the plot shows.

import copy
import json
import unittest

import support
from peers import catalogue, plot, report, results, table


class Figures(unittest.TestCase):
    def test_speeds_are_tokens_over_seconds_in_each_round(self):
        run = support.run(support.engine("ort-fp32", [4.4, 8.8, 2.2]))
        self.assertEqual(results.rates(run, run["engines"][0], "S"), [4400 / 4.4, 4400 / 8.8, 4400 / 2.2])

    def test_one_is_milliseconds_a_query(self):
        run = support.run(support.engine("ort-fp32", [0.1, 0.2, 0.3]))
        row = results.figures(run, run["engines"][0])
        self.assertAlmostEqual(row["one_ms"], 20)
        self.assertAlmostEqual(row["load_ms"], 500)


class Goals(unittest.TestCase):
    def goal(self, run, ours, workload):
        return next(g for g in run["goals"] if g["ours"] == ours and g["workload"] == workload)

    def test_the_ratio_is_to_the_fastest_peer_round_by_round(self):
        run = support.run(
            support.engine("gemvec-fp32", [1, 2, 1]),
            support.engine("ort-fp32", [2, 4, 2]),
            support.engine("openvino-fp32", [1.5, 3, 1.6]),
        )
        goal = self.goal(run, "gemvec-fp32", "S")
        self.assertEqual(goal["peer"], "openvino-fp32")
        self.assertEqual([round(r, 6) for r in goal["ratios"]], [1.5, 1.5, 1.6])
        self.assertTrue(goal["reached"])

    def test_a_goal_that_is_missed_says_so(self):
        run = support.run(support.engine("gemvec-fp32", [1, 1, 1]), support.engine("ort-fp32", [1.3, 1.3, 1.3]))
        self.assertFalse(self.goal(run, "gemvec-fp32", "M")["reached"])

    def test_a_peer_that_cannot_work_as_meant_is_not_beaten(self):
        caveat = {"version": "1", "caveat": "emulates bf16"}
        run = support.run(support.engine("gemvec-bf16", [1, 1]), support.engine("openvino-bf16", [9, 9], facts=caveat))
        goal = self.goal(run, "gemvec-bf16", "S")
        self.assertNotIn("ratio", goal)
        self.assertIn("no fair comparison", goal["why"])
        text = report.page(run, "x")
        self.assertIn("OpenVINO bf16 (*)", text)
        self.assertIn("emulates bf16", text)
        self.assertNotIn("OpenVINO", table.readme(run))

    def test_what_was_not_measured_is_said_and_not_guessed(self):
        missing = support.engine("gemvec-q8", [], missing="there is no dtype q8")
        run = support.run(missing, support.engine("ort-q8", [1, 1]))
        self.assertIn("was not measured", self.goal(run, "gemvec-q8", "S")["why"])
        self.assertIn("there is no dtype q8", report.page(run, "x"))

    def test_limits_compare_the_median(self):
        run = support.run(support.engine("gemvec-q8", [0.05, 0.05], private_mb=[61.0, 61.0]))
        found = {x["text"]: x for x in run["limits"] if x["engine"] == "gemvec-q8"}
        self.assertTrue(found["one query, ms"]["reached"])
        self.assertFalse(found["memory beyond the mapped file, MB"]["reached"])

    def test_every_goal_names_engines_of_the_catalogue(self):
        keys = {e.key for e in catalogue.ENGINES}
        for goal in catalogue.GOALS:
            self.assertTrue({goal.ours, *goal.peers} <= keys, goal)
        self.assertTrue({limit.engine for limit in catalogue.LIMITS} <= keys)
        self.assertTrue({e.family for e in catalogue.ENGINES} <= set(catalogue.FAMILIES))


class Tables(unittest.TestCase):
    def setUp(self):
        self.run_data = support.run(
            support.engine("gemvec-fp32", [1.0, 1.1, 1.2]),
            support.engine("ort-fp32", [2.0, 2.1, 2.2]),
            support.engine("st-fp32", [3.0, 3.1, 3.2]),
            support.engine("ort-q8", [0.5, 0.5, 0.5]),
        )

    def test_every_row_has_as_many_cells_as_the_header(self):
        tables = [table.full(self.run_data), table.readme(self.run_data), table.goals(self.run_data)]
        for text in tables + [table.limits(self.run_data)]:
            widths = {line.count("|") for line in text.splitlines()}
            self.assertEqual(len(widths), 1, text)

    def test_the_table_of_the_readme_has_ours_and_the_best_peer_of_a_family(self):
        text = table.readme(self.run_data)
        self.assertIn("gemvec fp32", text)
        self.assertIn("ONNX Runtime fp32", text)
        self.assertNotIn("sentence-transformers", text)
        self.assertIn("ONNX Runtime q8", text)

    def test_numbers_are_as_long_as_they_mean_something(self):
        self.assertEqual(table.number(4033.7), "4,034")
        self.assertEqual(table.number(6.31), "6.3")

    def test_the_page_survives_json(self):
        again = json.loads(json.dumps(self.run_data))
        self.assertEqual(report.page(again, "x"), report.page(self.run_data, "x"))

    def test_the_page_has_no_paths_of_a_machine(self):
        self.assertNotIn("/somewhere", report.page(self.run_data, "x"))

    def test_a_disturbed_run_says_so(self):
        calm = report.about(self.run_data)
        self.assertNotIn("in doubt", calm)
        noisy = copy.deepcopy(self.run_data)
        noisy["noise"]["median"] = 0.2
        self.assertIn("in doubt", report.about(noisy))

    def test_a_machine_without_bf16_says_so(self):
        self.assertNotIn("no bf16 arithmetic", report.page(self.run_data, "x"))
        self.run_data["machine"]["flags"] = ["avx2"]
        self.assertIn("no bf16 arithmetic", report.page(self.run_data, "x"))


class Plot(unittest.TestCase):
    def test_bars_have_the_figures_of_the_table(self):
        caveat = {"caveat": "emulates"}
        run = support.run(
            support.engine("gemvec-bf16", [1.0, 2.0, 3.0]), support.engine("st-bf16", [4, 4, 4], facts=caveat)
        )
        (name, median, low, high, colour), other = plot.bars(run, "S")
        self.assertEqual((name, median, low, high), ("gemvec bf16", 2200, 4400 / 3, 4400))
        self.assertEqual(colour, plot.OURS)
        self.assertEqual((other[0], other[4]), ("sentence-transformers bf16 (*)", plot.UNFAIR))


if __name__ == "__main__":
    unittest.main()
