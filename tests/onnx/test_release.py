# The release as an fp32 ONNX file, its weights rounded to bf16 as in the public ONNX release: the model card's
# similarities, which were computed with that one.

import pathlib
import shutil
import unittest

import numpy as np
from harness import CliTest
from make_onnx import SHAPES, make, save

QUERY = "task: search result | query: Which planet is known as the Red Planet?"
DOCUMENTS = [
    "title: none | text: Venus is often called Earth's twin because of its similar size and proximity.",
    "title: none | text: Mars, known for its reddish appearance, is often referred to as the Red Planet.",
    "title: none | text: Jupiter, the largest planet in our solar system, has a prominent red spot.",
    "title: none | text: Saturn, famous for its rings, is sometimes mistaken for the Red Planet.",
]
CARD = [0.30109745, 0.635883, 0.49304956, 0.48887485]


class Release(CliTest):
    def test_gives_the_model_cards_similarities(self):
        release = pathlib.Path(self.run_cli("info", "--json", "--dtype", "fp32").json["model"])
        for name in ("config.json", "tokenizer.json"):
            shutil.copy(release / name, self.path(name))
        save(make(release, SHAPES["fused"], round_bf16=True), pathlib.Path(self.path("model.onnx")))
        # Packed weights of a file that is gone in a minute are of no use to anyone.
        answer = self.embed("--model", self.folder, "--dtype", "fp32", "--no-cache", "--output-format", "f32",
                            stdin="\n".join([QUERY, *DOCUMENTS]))  # fmt: skip
        self.assertNotIn("warning", answer.err)  # which says that these are not the release's weights
        vectors = np.frombuffer(answer.out, np.float32).reshape(5, 768).astype(np.float64)
        np.testing.assert_allclose(vectors[1:] @ vectors[0], CARD, rtol=0, atol=1e-6)
        # fp32 numbers that were rounded to bf16 before: the release's vectors of the rounded weights are promised.
        report = self.run_cli("verify", "--json", "--model", self.folder, "--dtype", "fp32", "--no-cache").json
        self.assertTrue(report["ok"] and report["promised"])
        np.testing.assert_allclose(report["expected_similarities"], CARD, rtol=0, atol=1e-6)


if __name__ == "__main__":
    unittest.main()
