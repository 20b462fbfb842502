# The command as a process: signals, closed pipes, terminals, memory, a partner that waits for each answer.

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

import numpy
from harness import BIN, SANITIZED, TIMEOUT_S, CliTest, environment

# Short ones: the command ends with the 256 that it is at.
MANY = "".join(f"text {i}\n" for i in range(200_000)).encode()


class Signals(CliTest):
    def interrupted(self, number, *arguments):
        """Interrupts an embedding when it has written something: (exit code, stderr)."""
        process = self.start("embed", "--task", "none", "--dim", "128", self.path("many", MANY), *arguments)
        until = time.monotonic() + TIMEOUT_S
        while not (os.path.exists(self.path("out.part")) and os.path.getsize(self.path("out.part")) > 1000):
            self.assertIsNone(process.poll())
            self.assertLess(time.monotonic(), until)
            time.sleep(0.02)
        process.send_signal(number)
        err = process.communicate(timeout=TIMEOUT_S)[1].decode()
        return process.returncode, err

    def test_ctrl_c_leaves_whole_records_and_says_how_many(self):
        code, err = self.interrupted(signal.SIGINT, "-o", "out")
        self.assertEqual(code, 130, err)
        part = self.read("out.part")
        self.assertTrue(part.endswith(b"}\n"))
        rows = [json.loads(line) for line in part.splitlines()]
        self.assertEqual([row["index"] for row in rows], list(range(len(rows))))
        self.assertSays(err, "Interrupted.", f"{len(rows):,} whole record", "out.part")
        self.assertFalse(os.path.exists(self.path("out")))

    def test_termination_leaves_a_valid_array(self):
        code, err = self.interrupted(signal.SIGTERM, "-o", "out", "--output-format", "npy")
        self.assertEqual(code, 143, err)
        array = numpy.load(self.path("out.part"))
        self.assertGreater(array.shape[0], 0)
        self.assertSays(err, f"{array.shape[0]:,} whole record")

    def test_ctrl_c_while_waiting_for_input(self):
        for arguments in (["embed", "--task", "none"], ["tokenize"]):
            process = self.start(*arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            process.stdin.write(b"one\n")
            process.stdin.flush()
            self.assertNotEqual(process.stdout.readline(), b"")
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(timeout=TIMEOUT_S), 130)

    def test_a_signal_that_the_parent_ignores_stays_ignored(self):
        script = f"trap '' INT; echo x | '{BIN}' embed --task none --dim 128 & pid=$!; kill -INT $pid; wait $pid"
        done = subprocess.run(["bash", "-c", script], capture_output=True, env=environment(), check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 1)


class Pipes(CliTest):
    def test_a_closed_pipe_ends_the_work_with_a_message(self):
        process = self.start("embed", "--task", "none", self.path("many", MANY), stdout=subprocess.PIPE)
        json.loads(process.stdout.readline())
        process.stdout.close()
        err = process.stderr.read().decode()
        self.assertEqual(process.wait(timeout=TIMEOUT_S), 1, err)
        self.assertSays(err, "standard output: cannot write: Broken pipe.", "whole record")

    def test_who_waits_for_each_vector_gets_it(self):
        process = self.start("embed", "--task", "none", "--dim", "128", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for i in range(3):
            process.stdin.write(f"question {i}\n".encode())
            process.stdin.flush()
            ready = select.select([process.stdout], [], [], TIMEOUT_S)[0]
            self.assertTrue(ready, "no answer while the input stays open")
            self.assertEqual(json.loads(process.stdout.readline())["index"], i)
        process.stdin.close()
        self.assertEqual(process.wait(timeout=TIMEOUT_S), 0)

    def test_nothing_but_data_on_standard_output_and_no_progress_in_a_pipe(self):
        answer = self.embed("--dim", "128", stdin=MANY[:4_000])
        self.assertEqual(len(answer.jsonl), len(MANY[:4_000].splitlines()))
        self.assertNotIn("\r", answer.err)
        self.assertNotIn("tokens/s", answer.err)
        self.assertRegex(self.embed("--stats", stdin="x\ny\n").err, r"2 texts, \d+ tokens in .* tokens/s")


class Terminal(CliTest):
    def on_terminal(self, *arguments, columns=100):
        """Runs with standard error on a terminal: what it showed."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
        process = self.start(*arguments, stdout=subprocess.DEVNULL, stderr=slave)
        os.close(slave)
        shown = b""
        while True:
            try:
                block = os.read(master, 65536)
            except OSError:  # how Linux says that the other side has been closed
                break
            if not block:
                break
            shown += block
        os.close(master)
        self.assertEqual(process.wait(timeout=TIMEOUT_S), 0)
        return shown.decode()

    def test_shows_rate_and_time_left_and_takes_the_line_away(self):
        shown = self.on_terminal("embed", "--task", "none", "--dim", "128", self.path("many", MANY[:50_000]))
        self.assertRegex(shown, r"\r[\d,]+ texts \[[=> ]{16}\] \d+%  [\d,.]+ texts/s  [\d,.]+ tokens/s  ETA \d+:\d\d")
        summary = shown.rsplit("\r\x1b[K", 1)[-1]
        self.assertIn("tokens/s", summary)
        self.assertNotIn("ETA", summary)

    def test_fits_a_narrow_terminal(self):
        many = self.path("many", MANY[:15_000])
        shown = self.on_terminal("embed", "--task", "none", "--dim", "128", many, columns=30)
        lines = [part.split("\x1b[K")[0] for part in shown.split("\r")[1:] if "text" in part and "\x1b[K" in part]
        self.assertTrue(lines)
        self.assertLess(max(map(len, lines)), 30)


class Memory(CliTest):
    @staticmethod
    def peak_bytes(path):
        process = subprocess.Popen([BIN, "embed", "--task", "none", "--output-format", "f32", path],
                                   stdout=subprocess.DEVNULL, env=environment())  # fmt: skip
        usage = os.wait4(process.pid, 0)[2]
        process.returncode = 0
        return usage.ru_maxrss * 1024

    @unittest.skipIf(SANITIZED, "a sanitizer keeps freed memory on purpose")
    def test_does_not_grow_with_the_input(self):
        few = self.path("few", "".join(f"text {i}\n" for i in range(1_000)))
        many = self.path("many", "".join(f"text {i}\n" for i in range(6_000)))
        small, large = self.peak_bytes(few), self.peak_bytes(many)
        # The vectors alone of those that are more have 15 MB.
        self.assertLess(large - small, 8 << 20, f"{small} bytes for 1,000 texts, {large} for 6,000")


if __name__ == "__main__":
    unittest.main()
