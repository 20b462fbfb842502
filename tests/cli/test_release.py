# The command on the release's weights: the model card's answers, in every precision.

import json
import unittest

from harness import CliTest

QUERY = "Which planet is known as the Red Planet?"
DOCUMENTS = [
    "Venus is often called Earth's twin because of its similar size and proximity.",
    "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
    "Jupiter, the largest planet in our solar system, has a prominent red spot.",
    "Saturn, famous for its rings, is sometimes mistaken for the Red Planet.",
]
# By the exact reference, of the fp32 weights and of the same rounded to bf16 (the card's own numbers).
FP32 = [0.300822, 0.636101, 0.492703, 0.488881]
BF16 = [0.301097, 0.635883, 0.493050, 0.488875]
# The beginning of the query's vector, of the fp32 weights.
QUERY_VECTOR = [-0.15890457, 0.04216537, 0.0293766, 0.04030469, 0.01243802, -0.00520824, 0.03519551, -0.04582345]
QUERY_IDS = [2, 8071, 236787, 3927, 1354, 1109, 7609, 236787, 15311, 13401, 563, 3224, 618, 506, 4855, 38342, 236881, 1]


class Release(CliTest):
    def similarities(self, *arguments):
        answer = self.run_cli("similarity", "--json", "--query", QUERY, *arguments, *DOCUMENTS)
        self.assertEqual(answer.err, "")
        return [r["similarity"] for r in sorted(answer.json["results"], key=lambda r: r["index"])]

    def assertNear(self, got, expected, tolerance):
        self.assertLess(max(abs(a - b) for a, b in zip(got, expected, strict=True)), tolerance)

    def test_similarities_are_the_card_s(self):
        self.assertNear(self.similarities("--dtype", "fp32"), FP32, 2e-6)
        self.assertNear(self.similarities("--dtype", "bf16", "--compute", "fp32"), BF16, 2e-6)
        self.assertNear(self.similarities("--dtype", "bf16"), BF16, 5e-3)
        # Two unit vectors whose cosines to the exact ones are at least 0.9995 (0.99): 2 sqrt(2 (1 - cosine)).
        self.assertNear(self.similarities("--dtype", "q8"), BF16, 0.064)
        self.assertNear(self.similarities("--dtype", "q4"), BF16, 0.283)

    def test_the_default_is_q8(self):
        self.assertEqual(self.similarities(), self.similarities("--dtype", "q8"))
        error = self.run_cli("similarity", "--compute", "fp32", "--query", QUERY, *DOCUMENTS, code=1).err
        self.assertIn("dtype q8 is computed in int8; expected dtype fp32 or bf16", error)

    def test_text_output_is_the_card_s_answer(self):
        answer = self.run_cli("similarity", "--dtype", "bf16", "--compute", "fp32", "--query", QUERY, *DOCUMENTS)
        self.assertEqual([line.split("  ", 1)[0] for line in answer.lines], ["0.6359", "0.4930", "0.4889", "0.3011"])
        self.assertEqual([line.split("  ", 1)[1] for line in answer.lines], [DOCUMENTS[i] for i in (1, 2, 3, 0)])

    def test_the_query_s_vector_and_ids(self):
        row = self.run_cli("embed", "--task", "retrieval-query", "--dtype", "fp32", stdin=QUERY).json
        self.assertEqual((row["tokens"], row["truncated"]), (18, False))
        self.assertNear(row["embedding"][:8], QUERY_VECTOR, 1e-6)
        ids = self.run_cli("tokenize", "--task", "retrieval-query", "--json", stdin=QUERY).json
        self.assertEqual(ids, {"ids": QUERY_IDS, "tokens": 18, "truncated": False})

    def test_verify_says_right(self):
        report = self.run_cli("verify", "--json", "--dtype", "bf16", "--compute", "fp32").json
        self.assertTrue(report["ok"])
        self.assertNear(report["similarities"], BF16, 2e-6)
        self.assertIn("right\n", self.run_cli("verify").text)

    def test_info_knows_the_release(self):
        info = self.run_cli("info", "--json", "--hash").json
        self.assertEqual(info["check"], "release")
        self.assertEqual({file["release"] for file in info["sha256"].values()}, {True})
        self.assertEqual((info["layers"], info["width"], info["max_tokens"]), (24, 768, 2048))

    def test_pull_finds_it_and_bench_measures_it(self):
        self.assertEqual(self.run_cli("pull", "--offline", "--verify").text.count("\n"), 1)
        report = json.loads(self.run_cli("bench", "--json", "--lengths", "128", "--batch", "4", "--seconds", "0").text)
        # The share is of the two that are reported, whatever else the machine had to do while either was measured.
        result = report["results"][0]
        self.assertEqual(result["tokens"], 4 * 128)
        self.assertGreater(result["tokens_per_second"], 0)
        share = result["tokens_per_second"] * report["linear_flops_per_token"] / (report["peak_gflops"] * 1e9)
        self.assertGreater(share, 0)
        self.assertAlmostEqual(result["share_of_peak"] / share, 1, delta=0.01)


if __name__ == "__main__":
    unittest.main()
