"""The load: many connections that each send a request, wait for the answer, and send the next. Standard library only.

One asyncio loop over bare protocols: it looks at the head and counts the body's bytes, and does not parse them, so that
it takes little of a machine that it shares with the server. `ceiling()` measures how many requests/s it can do at all.
"""
import asyncio
import json
import math
import pathlib
import re
import subprocess
import sys
import time

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
HERE = pathlib.Path(__file__).resolve().parent


def request(path, body):
    """The bytes of a POST."""
    text = json.dumps(body, ensure_ascii=False).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


class Stream:
    """`connections` that take requests from `source`, an iterator of (bytes, texts, tokens); `pause` seconds in between."""

    def __init__(self, label, connections, source, pause=0.0):
        self.label, self.connections, self.source, self.pause = label, connections, source, pause


class Record:
    """One answer. Times are of the monotonic clock."""

    __slots__ = ("label", "began", "ended", "status", "texts", "tokens")

    def __init__(self, label, began, ended, status, texts, tokens):
        self.label, self.began, self.ended, self.status = label, began, ended, status
        self.texts, self.tokens = texts, tokens


class Client(asyncio.Protocol):
    """A connection; when the server closes it, as some do after a hundred answers, another takes its place."""

    def __init__(self, load, stream):
        self.load, self.stream = load, stream
        self.buffer, self.needed, self.status, self.current, self.last = bytearray(), None, 0, None, False

    def connection_made(self, transport):
        self.transport = transport
        self.send()

    def send(self):
        if self.load.stopped:
            self.transport.abort()
            return
        data, texts, tokens = next(self.stream.source)
        self.current = (time.monotonic(), texts, tokens)
        self.transport.write(data)

    def data_received(self, data):
        self.buffer += data
        if self.needed is None:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            length = LENGTH.search(self.buffer, 0, end)
            self.last = CLOSE.search(self.buffer, 0, end) is not None
            self.status = int(self.buffer[9:12])
            # A body in chunks ends with an empty one; nobody here sends trailers.
            self.needed = end + 4 + int(length.group(1)) if length else -1
        whole = len(self.buffer) >= self.needed if self.needed >= 0 else self.buffer.endswith(b"\r\n0\r\n\r\n")
        if whole:
            self.answered()

    def answered(self):
        began, texts, tokens = self.current
        good = self.status == 200
        self.load.records.append(Record(self.stream.label, began, time.monotonic(), self.status, texts if good else 0,
                                        tokens if good else 0))  # fmt: skip
        self.buffer.clear()
        self.needed = self.current = None
        if self.last:
            self.transport.close()
            return
        pause = self.stream.pause if good else 0.05  # who was refused comes again a little later
        if pause:
            asyncio.get_running_loop().call_later(pause, self.send)
        else:
            self.send()

    def connection_lost(self, error):
        if self.load.stopped:
            return
        if self.current is not None:
            self.load.records.append(Record(self.stream.label, self.current[0], time.monotonic(), 0, 0, 0))
        again = asyncio.get_running_loop().create_task(self.load.reconnect(self.stream))
        self.load.tasks.add(again)
        again.add_done_callback(self.load.tasks.discard)


class Load:
    """Runs streams against one server, after `warm` seconds that do not count."""

    def __init__(self, port, streams, seconds, warm=2.0, least=0, each_second=None):
        self.port, self.streams, self.seconds, self.warm = port, streams, seconds, warm
        self.least, self.each_second = least, each_second
        self.records, self.stopped, self.driver_cpu = [], False, 0.0
        self.transports, self.tasks = [], set()

    def run(self):
        asyncio.run(self.main())
        return self

    async def main(self):
        for stream in self.streams:
            for _ in range(stream.connections):
                await self.connect(stream)
        await asyncio.sleep(self.warm)
        self.begin, cpu = time.monotonic(), time.process_time()
        while self.running():
            await asyncio.sleep(min(1.0, self.seconds))
            if self.each_second:
                self.each_second(time.monotonic() - self.begin)
        self.end, self.driver_cpu = time.monotonic(), time.process_time() - cpu
        self.stopped = True
        for task in self.tasks:
            task.cancel()
        for transport in self.transports:
            transport.abort()
        await asyncio.sleep(0)

    async def connect(self, stream):
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: Client(self, stream), "127.0.0.1", self.port)
        self.transports.append(transport)

    async def reconnect(self, stream):
        while not self.stopped:
            await asyncio.sleep(stream.pause or 0.001)
            try:
                return await self.connect(stream)
            except OSError:  # it has no room, or is gone
                await asyncio.sleep(0.05)

    def running(self):
        """At least `seconds`, and longer, up to four times, if less than `least` answers have come."""
        passed = time.monotonic() - self.begin
        return passed < self.seconds or (len(self.within()) < self.least and passed < 4 * self.seconds)

    def within(self, label=None):
        """The answers that came while it counted."""
        until = getattr(self, "end", float("inf"))
        return [r for r in self.records if self.begin <= r.ended <= until and label in (None, r.label)]

    def summary(self, label=None):
        records, elapsed = self.within(label), self.end - self.begin
        times = sorted(r.ended - r.began for r in records if r.status == 200)
        return {
            "answers": len(records), "seconds": round(elapsed, 2),
            "texts_per_s": sum(r.texts for r in records) / elapsed, "tokens_per_s": sum(r.tokens for r in records) / elapsed,
            "p50_ms": quantile(times, 0.5), "p99_ms": quantile(times, 0.99),
            "statuses": {str(s): sum(r.status == s for r in records) for s in sorted({r.status for r in records})},
            "driver_cpu": self.driver_cpu / elapsed,
        }  # fmt: skip


def quantile(ordered, q):
    """In milliseconds: the value that a share q of all does not exceed; None of nothing."""
    if not ordered:
        return None
    return 1000 * ordered[max(0, math.ceil(len(ordered) * q) - 1)]


def ceiling(connections=64, seconds=3.0):
    """Requests/s that the driver reaches against a server that does nothing, and its own processor time a request."""
    with subprocess.Popen([sys.executable, "-B", HERE / "trivial_server.py"], stdout=subprocess.PIPE, text=True) as server:
        try:
            port = int(server.stdout.readline())
            data = request("/embed", {"inputs": "x" * 100})
            load = Load(port, [Stream("ceiling", connections, iter(lambda: (data, 1, 1), None))], seconds, warm=0.5).run()
        finally:
            server.kill()
    summary = load.summary()
    return {"requests_per_s": summary["texts_per_s"], "cpu_ms": 1000 * load.driver_cpu / max(1, summary["answers"])}
