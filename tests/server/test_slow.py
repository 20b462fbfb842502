# Clients that take their time, and crowds of them: each is closed when its time is up, and costs the others nothing.

import socket
import threading
import time
import unittest

from harness import TIMEOUT_S, ServerTest, embed, wait_for
from test_hostile import HEAD, request_bytes


class Slow(ServerTest):
    """All at once, since the server's limits are waited for: 10 s for a head, 30 s for a body or to take an answer."""

    CASES = {
        "says nothing": (b"", b""),
        "stops in the head": (b"GET /health HT", b""),
        "drips the head": (b"GET /health HTTP/1.1\r\nHost: localhost\r\nx: ", b"y"),
        "stops in the body": (HEAD.format(100_000).encode() + b'{"inputs', b""),
        "drips the body": (HEAD.format(100_000).encode() + b'{"inputs":"', b"a"),
        "stops in a chunk": (HEAD.replace("Content-Length: {}", "Transfer-Encoding: chunked").encode() + b"ff\r\n{", b""),
    }

    def until_closed(self, connection, drip):
        """Sends a byte now and then, until the server closes: what it said; None if it never does."""
        connection.settimeout(0.2)
        until, got = time.monotonic() + TIMEOUT_S * 2, b""
        while time.monotonic() < until:
            try:
                if drip:
                    connection.sendall(drip)
                block = connection.recv(4096)
                if not block:
                    return got
                got += block
            except TimeoutError:
                pass
            except OSError:
                return got
        return None

    def never_reads(self):
        """Asks for much more than the buffers on the way hold, and takes nothing of it."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect((self.server.host, self.server.port))
        self.addCleanup(connection.close)
        body = request_bytes({"inputs": [f"{k} the query" for k in range(32)]})
        connection.settimeout(1)
        try:
            connection.sendall(body * 40)
        except TimeoutError:
            pass  # the server takes no more requests from who takes no answers
        return connection

    def test_every_way_of_taking_one_s_time(self):
        files, said, threads = self.server.open_files(), {}, []

        def client(name, first, drip):
            with self.server.connect() as connection:
                connection.sendall(first)
                said[name] = self.until_closed(connection, drip)

        stuck = [self.never_reads() for _ in range(3)]
        for name, (first, drip) in self.CASES.items():
            threads.append(threading.Thread(target=client, args=(name, first, drip)))
            threads[-1].start()
        for _ in range(20):  # meanwhile the others are served
            self.assertSameBits(self.ok("/embed", {"inputs": "a task"}), embed(["a task"]))
        for thread in threads:
            thread.join()
        for name in self.CASES:
            self.assertIsNotNone(said[name], f"a client that {name} is never closed")
            self.assertTrue(said[name] == b"" or said[name].startswith(b"HTTP/1.1 4"), f"{name}: {said[name][:100]}")
        wait_for(lambda: self.server.open_files() <= files + 1, "a client that takes no answers is never closed",
                 TIMEOUT_S * 3)  # fmt: skip
        for connection in stuck:
            connection.close()
        self.assertSameBits(self.ok("/embed", {"inputs": "the query"}), embed(["the query"]))


class ManyConnections(ServerTest):
    arguments = ("--max-connections", "40")

    def test_more_than_allowed_are_refused_and_there_is_room_again_afterwards(self):
        crowd = [self.server.connect() for _ in range(60)]
        for connection in crowd:
            connection.settimeout(TIMEOUT_S)

        def closed():
            return sum(1 for c in crowd if readable(c)) >= 20

        wait_for(closed, "more connections than allowed stay open")
        for connection in crowd:
            connection.close()
        wait_for(lambda: self.server.is_healthy(), "there is no room after the crowd has gone")


def readable(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) in (b"", b"H")
    except BlockingIOError:
        return False
    except OSError:
        return True


if __name__ == "__main__":
    unittest.main()
