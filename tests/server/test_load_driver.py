# The driver of bench/server: it counts what was answered, and the page says what was measured. Needs no server of ours.

import asyncio
import itertools
import pathlib
import subprocess
import sys
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench" / "server"), str(ROOT / "bench")]

import driver
import main
import report
import texts
from lib import machine

ANSWER = b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\nhello"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


class Scripted:
    """A server that answers the requests of all connections with these bytes, one after the other, in two pieces."""

    def __init__(self, answers):
        self.answers, self.ready = itertools.cycle(answers), threading.Event()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(self.serve(),))
        self.thread.start()
        self.ready.wait()

    async def serve(self):
        self.done = asyncio.Event()

        writers = []

        async def connection(reader, writer):
            writers.append(writer)
            try:
                while await reader.readuntil(b"}"):
                    answer = next(self.answers)
                    if answer is None:
                        writer.close()
                        return
                    writer.write(answer[:20])
                    await writer.drain()
                    await asyncio.sleep(0.001)
                    writer.write(answer[20:])
                    if answer is CLOSING:
                        writer.close()
                        return
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        server = await asyncio.start_server(connection, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        await self.done.wait()
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.05)

    def close(self):
        self.loop.call_soon_threadsafe(self.done.set)
        self.thread.join()
        self.loop.close()


def load(answers, connections=2, **options):
    server = Scripted(answers)
    try:
        source = iter(lambda: (driver.request("/embed", {"inputs": "a"}), 3, 30), None)
        return driver.Load(server.port, [driver.Stream("a", connections, source, **options)], 0.4, warm=0.1).run()
    finally:
        server.close()


class Driver(unittest.TestCase):
    def test_counts_texts_and_tokens_of_good_answers(self):
        for answer in (ANSWER % 200, CHUNKED):
            summary = load([answer]).summary()
            self.assertEqual(list(summary["statuses"]), ["200"])
            self.assertGreater(summary["answers"], 10)
            counted = summary["texts_per_s"] * summary["seconds"]
            self.assertAlmostEqual(counted, 3 * summary["answers"], delta=0.1 * summary["answers"])
            self.assertAlmostEqual(summary["tokens_per_s"], 10 * summary["texts_per_s"])
            self.assertGreaterEqual(summary["p99_ms"], summary["p50_ms"])

    def test_refusals_are_counted_and_give_no_texts(self):
        run = load([ANSWER % 200, ANSWER % 429])
        self.assertEqual(sorted(run.summary()["statuses"]), ["200", "429"])
        self.assertEqual(sum(r.texts for r in run.records if r.status != 200), 0)

    def test_a_connection_that_breaks_is_an_answer_of_status_0_and_is_made_anew(self):
        statuses = [record.status for record in load([ANSWER % 200, ANSWER % 200, None], connections=1).records]
        self.assertGreater(statuses.count(0), 1)
        self.assertGreater(statuses.count(200), 2)

    def test_a_server_may_close_a_connection_after_an_answer(self):
        records = load([CLOSING], connections=1).records
        self.assertGreater(len(records), 2)
        self.assertEqual({record.status for record in records}, {200})

    def test_a_pause_is_made_between_requests(self):
        records = load([ANSWER % 200], connections=1, pause=0.1).records
        self.assertGreater(len(records), 1)
        for earlier, later in zip(records, records[1:]):
            self.assertGreater(later.began - earlier.ended, 0.099)

    def test_quantiles(self):
        self.assertIsNone(driver.quantile([], 0.5))
        self.assertEqual(driver.quantile([0.001, 0.002, 0.003], 0.5), 2)
        self.assertEqual(driver.quantile([i / 1000 for i in range(1, 101)], 0.99), 99)

    def test_the_driver_knows_what_it_can_do(self):
        self.assertGreater(driver.ceiling(connections=4, seconds=0.3)["requests_per_s"], 0)


class Idle(unittest.TestCase):
    def process(self, *command):
        process = subprocess.Popen(command)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process.pid

    def test_a_process_at_work_is_waited_for(self):
        self.assertFalse(machine.wait_until_idle(self.process(sys.executable, "-c", "while True: pass"), 0.3, window=0.2))
        self.assertTrue(machine.wait_until_idle(self.process("sleep", "60"), 60, window=0.1))


class Texts(unittest.TestCase):
    def test_no_two_are_alike_and_each_has_its_prompt(self):
        made = texts.variants(["p: a b c d e f g", "p: h i j k l m n"], 500, "p: ")
        self.assertEqual(len(set(made)), 500)
        self.assertTrue(all(text.startswith("p: ") for text in made))
        self.assertEqual({"".join(sorted(text[3:].split())) for text in made}, {"abcdefg", "hijklmn"})

    def test_requests_go_round_the_pool(self):
        pool = [("a", 1), ("b", 2), ("c", 3)]
        made = texts.requests(pool, list, batch=2, start=1)
        self.assertEqual([next(made) for _ in range(3)], [(["b", "c"], 2, 5), (["a", "b"], 2, 3), (["c", "a"], 2, 4)])


class Report(unittest.TestCase):
    def test_names_every_server_and_what_went_wrong(self):
        summary = {"answers": 10, "seconds": 1.0, "texts_per_s": 10.0, "tokens_per_s": 1234.5, "p50_ms": 5.0, "p99_ms": 20.0,
                   "statuses": {"200": 9, "503": 1}, "driver_cpu": 0.1}  # fmt: skip
        row = dict(summary, workload="queries", connections=64, foreign=0.25)
        memory = [{"s": i, "resident": 100.0 + i, "private": 50.0} for i in range(30)]
        run = {
            "date": "2026-01-02", "settings": {"seconds": 20, "minutes": 10, "bulk": [4, 32], "threads": 2},
            "machine": {"cpu": "A processor", "isa": "avx2", "cores": 2, "memory_gb": 24.0, "virtual": True, "system": "Debian"},
            "texts": {"queries": {"mean_tokens": 17.0}, "documents": {"mean_tokens": 190.0}},
            "driver": {"requests_per_s": 9000.0, "cpu_ms": 0.1}, "commands": ["bench/server/run MODEL --quick", "and more"],
            "servers": [
                {"key": "gemvec-q8", "name": "gemvec `q8`", "version": "1", "throughput": [row], "own": {"queries": 2469.0},
                 "lone": {"idle": summary, "busy": dict(summary, p99_ms=80.0), "bulk": summary}, "memory_mb": memory[0],
                 "mixed": {"summary": summary, "labels": {"bulk": summary}, "memory": memory, "wrong": {"503": 1}}},
                {"key": "tei", "name": "text-embeddings-inference", "missing": "nobody built it"},
            ],
        }  # fmt: skip
        page = report.markdown(run)
        for part in ("gemvec `q8`", "1 x 503", "50 %", "4.0", "nobody built it", "129 MB at most", "1,234", "9,000",
                     "Measured by `bench/server/run MODEL --quick`, then by `and more`."):  # fmt: skip
            self.assertIn(part, page)


class Adding(unittest.TestCase):
    """What --add makes of two runs."""

    def run_of(self, seconds, minutes, *servers):
        return {"machine": {"cpu": "A"}, "texts": {}, "driver": {"requests_per_s": seconds}, "commands": [f"{seconds} s"],
                "settings": {"seconds": seconds, "minutes": minutes}, "servers": list(servers)}  # fmt: skip

    def test_parts_and_servers_of_both_are_kept(self):
        earlier = self.run_of(20, 1, {"key": "a", "version": "1", "lone": 1}, {"key": "b", "lone": 2})
        run = self.run_of(5, 10, {"key": "a", "version": "1", "mixed": 3}, {"key": "c", "mixed": 4})
        both = main.add(run, earlier, ["mixed"])
        self.assertEqual(both["servers"], [{"key": "a", "version": "1", "lone": 1, "mixed": 3}, {"key": "b", "lone": 2},
                                           {"key": "c", "mixed": 4}])  # fmt: skip
        self.assertEqual((both["settings"], both["commands"]), ({"seconds": 20, "minutes": 10}, ["20 s", "5 s"]))
        self.assertEqual(main.add(run, earlier, ["lone"])["settings"], {"seconds": 5, "minutes": 1})

    def test_other_machines_and_versions_are_not_mixed(self):
        earlier = self.run_of(20, 10, {"key": "a", "version": "1"})
        for run in (dict(earlier, machine={"cpu": "B"}), self.run_of(20, 10, {"key": "a", "name": "A", "version": "2"})):
            with self.assertRaises(SystemExit):
                main.add(run, earlier, ["mixed"])


if __name__ == "__main__":
    unittest.main()
