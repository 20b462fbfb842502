"""The driver's side of the protocol: starts a worker, asks, and lets it run only while it is its turn."""
import json
import os
import select
import signal
import subprocess
import time

from lib.machine import Usage, memory_mb


class WorkerError(Exception):
    pass


class Worker:
    """One engine's process. Between its turns it is stopped, so that threads that spin for work cost nobody anything."""

    def __init__(self, command, spec, log, environment=None, timeout=600):
        self.timeout, self.buffer = timeout, b""
        self.private_mb, self.foreign = 0.0, []
        with open(log, "ab") as err:
            begin = time.perf_counter()
            self.process = subprocess.Popen(
                [*command, json.dumps(spec)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, env=environment
            )
        try:
            self.facts = self.receive("ready")["facts"]
        except WorkerError:
            self.process.kill()
            self.close()
            raise
        self.load_seconds = time.perf_counter() - begin
        self.pause()

    def pause(self):
        self.private_mb = max(self.private_mb, memory_mb(self.process.pid)["private"])
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def receive(self, event):
        """The next answer, which has to be of this kind."""
        line = self.read_line()
        try:
            answer = json.loads(line)
        except ValueError:
            raise WorkerError(f"not an answer: {line[:200]!r}") from None
        if answer.get("event") == "error":
            raise WorkerError(answer.get("message", "no message"))
        if answer.get("event") != event:
            raise WorkerError(f"expected {event}, got {answer.get('event')}")
        return answer

    def read_line(self):
        deadline = time.monotonic() + self.timeout
        descriptor = self.process.stdout.fileno()
        while b"\n" not in self.buffer:
            if not select.select([descriptor], [], [], max(0, deadline - time.monotonic()))[0]:
                raise WorkerError(f"no answer within {self.timeout} s")
            data = os.read(descriptor, 1 << 16)
            if not data:
                raise WorkerError(f"ended with status {self.process.wait()}; its log says more")
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line

    def ask(self, event, **request):
        self.resume()
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            return self.receive(event)
        except BrokenPipeError:
            raise WorkerError(f"ended with status {self.process.wait()}; its log says more") from None
        finally:
            if self.process.poll() is None:
                self.pause()

    def texts(self, texts):
        for name, items in texts.items():
            self.ask("texts", do="texts", name=name, texts=items)

    def run(self, name, batch, vectors=None):
        """Seconds of one call; and remembers what others took of the processor meanwhile."""
        before = Usage(self.process.pid)
        extra = {"vectors": str(vectors)} if vectors else {}
        answer = self.ask("ran", do="run", name=name, batch=batch, alone=name == "one", **extra)
        self.foreign.append(before.foreign_share(Usage(self.process.pid)))
        return answer

    def peak_gflops(self):
        return self.ask("peak", do="peak")["gflops"]

    def peak_mb(self):
        return memory_mb(self.process.pid)["peak"]

    def close(self):
        if self.process.poll() is None:
            self.resume()
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        if not self.process.stdin.closed:
            self.process.stdin.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
