# Tests of the driver: which settings it chooses, in what order engines take turns, what becomes of one that fails.

import pathlib
import unittest

import support  # noqa: F401
from peers import prepare, rounds
from peers.catalogue import Engine, choose
from peers.worker import WorkerError

TURNS = []


class FakeWorker:
    """Speeds by a formula; the key "file" of the settings says which."""

    def __init__(self, command, spec, log, environment):
        self.key = pathlib.Path(log).stem.removeprefix("engine-")
        self.file = spec.get("file", "good")
        if self.file == "broken":
            raise WorkerError("cannot load it")
        self.facts, self.load_seconds, self.private_mb, self.foreign = {"version": "1"}, 0.1, 5.0, []

    def texts(self, texts):
        self.counts = {name: len(items) for name, items in texts.items()}

    def run(self, name, batch, vectors=None):
        TURNS.append((self.key, name))
        if self.file == "fails-on-M" and name == "M":
            raise WorkerError("no memory")
        self.foreign.append(0.0)
        slow = 2.0 if self.file == "slow" else 1.0
        return {"seconds": slow * (1 + abs(batch - 8) / 8), "tokens": 10}

    def peak_gflops(self):
        return 100.0

    def peak_mb(self):
        return 10.0

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def engine(key, *files, family="fp32"):
    return Engine(key, key, family, "onnx", "module", tuple({"file": f} for f in files))


class RoundsTest(unittest.TestCase):
    def setUp(self):
        TURNS.clear()
        texts = {name: ["text"] * 4 for name in ("one", "S", "M", "L")}
        self.bench = rounds.Bench(pathlib.Path("model"), "worker", 2, texts, lambda _: None, FakeWorker)
        self.bench.models = pathlib.Path("models")

    def record(self, *args, **options):
        record = rounds.Record(engine(*args, **options))
        record.tuned = rounds.tune(self.bench, record.engine)
        TURNS.clear()
        return record

    def test_the_fastest_settings_and_batches_are_chosen(self):
        tuned = rounds.tune(self.bench, engine("a", "slow", "good", "broken"))
        self.assertEqual(tuned["settings"], {"file": "good"})
        self.assertEqual(tuned["batches"], {"S": 8, "M": 8, "L": 2})
        self.assertEqual(len(tuned["tried"]), 2)
        self.assertIn("cannot load it", tuned["errors"][0])

    def test_an_engine_with_no_settings_that_work_is_an_error(self):
        with self.assertRaisesRegex(WorkerError, "cannot load it"):
            rounds.tune(self.bench, engine("a", "broken"))

    def test_engines_of_a_family_take_turns_on_each_workload(self):
        records = [self.record("a", "good"), self.record("b", "good"), self.record("c", "good", family="bf16")]
        rounds.run_rounds(self.bench, records, 2, pathlib.Path("folder"))
        order = [turn for i, turn in enumerate(TURNS) if i == 0 or TURNS[i - 1] != turn]
        first = order[:8]
        self.assertEqual([name for _, name in first], ["one", "one", "S", "S", "M", "M", "L", "L"])
        self.assertEqual({key for key, _ in first}, {"a", "b"})
        self.assertNotEqual(first[0][0], first[2][0], "who begins rotates")
        self.assertEqual([key for key, _ in order[8:12]], ["c"] * 4)
        for record in records:
            self.assertEqual([len(record.seconds[w]) for w in ("one", "S", "M", "L")], [2] * 4)
            self.assertEqual((len(record.load), len(record.peak_mb)), (2, 2))

    def test_an_engine_that_fails_leaves_the_others_alone(self):
        good, bad = self.record("a", "good"), rounds.Record(engine("b", "fails-on-M"))
        bad.tuned = {"settings": {"file": "fails-on-M"}, "batches": {"S": 8, "M": 8, "L": 2}}
        rounds.run_rounds(self.bench, [good, bad], 3, pathlib.Path("folder"))
        self.assertIn("no memory", bad.missing)
        self.assertEqual(len(good.seconds["L"]), 3)

    def test_every_call_is_preceded_by_one_that_does_not_count(self):
        worker = FakeWorker([], {}, "engine-x", None)
        seconds, tokens = rounds.measure(worker, "S", 8)
        self.assertEqual((seconds, tokens, len(TURNS)), (1.0, 10, 1 + rounds.CALLS))


class Choice(unittest.TestCase):
    def test_only_takes_parts_of_keys(self):
        self.assertEqual({e.key for e in choose(["ort-q8"])}, {"ort-q8"})
        self.assertTrue(all("gemvec" in e.key for e in choose(["gemvec"])))
        with self.assertRaisesRegex(ValueError, "no engine matches"):
            choose(["nobody"])

    def test_files_are_made_for_those_who_need_them(self):
        needed = {r.outputs[0] for r in prepare.RECIPES if prepare.is_needed(r, choose(["openvino-int8"]))}
        self.assertEqual(needed, {"plain.onnx", "openvino-fp32.xml"})
        needed = {r.outputs[0] for r in prepare.RECIPES if prepare.is_needed(r, choose(["llama"]))}
        self.assertEqual(needed, {"bf16.gguf"})
        self.assertFalse([r for r in prepare.RECIPES if prepare.is_needed(r, choose(["gemvec"]))])
        self.assertTrue(all(prepare.is_needed(r, choose(None)) for r in prepare.RECIPES))


if __name__ == "__main__":
    unittest.main()
