# Tests of the protocol between driver and workers, with an engine that computes nothing, and with gemvec's own worker.

import array
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

import support  # noqa: F401
from peers.worker import Worker, WorkerError

FAKE = [sys.executable, "-B", str(pathlib.Path(__file__).with_name("fake_engine.py"))]
TEXTS = {"S": ["a", "bbb"], "one": ["cc", "d"]}


class ProtocolTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def start(self, command=FAKE, **spec):
        worker = Worker(command, {"first_text": "hello", **spec}, self.folder / "log", timeout=30)
        self.addCleanup(worker.close)
        return worker


class Fake(ProtocolTest):
    def test_a_worker_loads_says_what_it_is_and_runs(self):
        worker = self.start()
        self.assertEqual(worker.facts["version"], "fake 1")
        self.assertGreater(worker.load_seconds, 0)
        worker.texts(TEXTS)
        answer = worker.run("S", 2)
        self.assertEqual(answer["tokens"], 4)
        self.assertGreaterEqual(answer["seconds"], 0)
        self.assertEqual(worker.run("one", 1)["tokens"], 3)
        self.assertEqual(len(worker.foreign), 2)
        self.assertGreater(worker.peak_mb(), 1)

    def test_what_a_library_prints_does_not_disturb(self):
        self.start()
        log = (self.folder / "log").read_text()
        self.assertIn("a library's chatter", log)
        self.assertIn("and that of a child", log)

    def test_vectors_are_written_in_the_order_of_the_texts(self):
        try:
            import numpy  # noqa: F401
        except ImportError:
            self.fail("the tests' Python lacks numpy")
        worker = self.start()
        worker.texts(TEXTS)
        worker.run("S", 2, self.folder / "v.f32")
        self.assertEqual(array.array("f", (self.folder / "v.f32").read_bytes()).tolist(), [1, 2, 3, 2])

    def test_between_its_turns_a_worker_stands_still(self):
        worker = self.start()
        state = pathlib.Path(f"/proc/{worker.process.pid}/stat")
        deadline = time.monotonic() + 10
        while state.read_text().rpartition(")")[2].split()[0] != "T" and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(state.read_text().rpartition(")")[2].split()[0], "T")

    def test_an_engine_that_cannot_load_says_why(self):
        with self.assertRaisesRegex(WorkerError, "no such file"):
            self.start(fake="cannot-load")

    def test_an_engine_that_fails_once_can_go_on(self):
        worker = self.start(fake="raises")
        worker.texts(TEXTS)
        with self.assertRaisesRegex(WorkerError, "out of luck"):
            worker.run("S", 2)
        self.assertEqual(worker.run("one", 1)["tokens"], 3)

    def test_an_engine_that_dies_is_noticed(self):
        worker = self.start(fake="crashes")
        worker.texts(TEXTS)
        with self.assertRaisesRegex(WorkerError, "ended with status 7"):
            worker.run("S", 2)

    def test_an_engine_that_hangs_is_not_waited_for(self):
        with self.assertRaisesRegex(WorkerError, "no answer within"):
            Worker([sys.executable, "-c", "import time; time.sleep(30)"], {}, self.folder / "log", timeout=0.2)

    def test_a_program_that_is_no_worker_is_refused(self):
        with self.assertRaisesRegex(WorkerError, "not an answer"):
            self.start(["echo", "hello"])

    def test_closing_ends_the_process(self):
        worker = self.start()
        worker.close()
        self.assertEqual(worker.process.returncode, 0)

    def test_an_unknown_request_is_an_error_and_not_the_end(self):
        worker = self.start()
        with self.assertRaisesRegex(WorkerError, "no such request"):
            worker.peak_gflops()
        worker.texts(TEXTS)


class Gemvec(ProtocolTest):
    """gemvec's worker speaks the same protocol: on a tiny model, which is made here."""

    def setUp(self):
        super().setUp()
        subprocess.run([os.environ["GEMVEC_TINY_MODEL"], str(self.folder / "model")], check=True)
        os.environ["GEMVEC_CACHE"] = str(self.folder / "cache")

    def gemvec(self, **more):
        spec = {"model": str(self.folder / "model"), "threads": 1, "dtype": "bf16", "compute": "fp32"}
        return self.start([os.environ["GEMVEC_BENCH_WORKER"]], **{**spec, **more})

    def test_it_embeds_and_writes_unit_vectors(self):
        worker = self.gemvec()
        self.assertEqual(worker.facts["dtype"], "bf16")
        worker.texts(TEXTS)
        answer = worker.run("S", 1, self.folder / "v.f32")
        self.assertGreaterEqual(answer["tokens"], 2 * 3)
        values = array.array("f", (self.folder / "v.f32").read_bytes())
        self.assertEqual(len(values), 2 * 768)
        self.assertAlmostEqual(sum(v * v for v in values[:768]), 1, places=4)
        self.assertGreater(worker.run("one", 1)["tokens"], 0)
        self.assertGreater(worker.peak_gflops(), 0)

    def test_an_unknown_dtype_is_said_clearly(self):
        with self.assertRaisesRegex(WorkerError, "q99"):
            self.gemvec(dtype="q99")

    def test_a_bad_request_is_an_error_and_not_the_end(self):
        worker = self.gemvec()
        for request in ({"do": "run", "name": "none"}, {"do": "dance"}):
            with self.assertRaises(WorkerError):
                worker.ask("ran", **request)
        self.assertEqual(json.loads(json.dumps(worker.ask("texts", do="texts", name="S", texts=["a"])))["event"], "texts")


if __name__ == "__main__":
    unittest.main()
