# Clients that are slow, broken, gone or ill-meaning: the server refuses them, forgets them, and serves the others.

import json
import socket
import struct
import threading
import unittest

from harness import SANITIZED, TIMEOUT_S, ServerTest, embed, long_text, until_it_shows, wait_for

HEAD = "POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"


def request_bytes(body):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HEAD.format(len(text)).encode() + text


def reset(connection):
    """Closes it as a process does that was killed: with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class HostileTest(ServerTest):
    def tearDown(self):
        """Whatever was done to it, it still answers, and rightly."""
        self.assertSameBits(self.ok("/embed", {"inputs": "the query"}), embed(["the query"]))


class Broken(HostileTest):
    def test_bytes_that_are_no_request(self):
        host = b"Host: localhost\r\n"
        for data in (b"\r\n\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64, b"GET\r\n\r\n",
                     b"\0" * 1000, b"GET /health HTTP/9.9\r\n" + host + b"\r\n", b"GET /health\r\n\r\n",
                     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n",
                     b"GET /health HTTP/1.1\r\n" + host + b"a\0b: c\r\n\r\n",
                     b"CONNECT example.com:80 HTTP/1.1\r\n" + host + b"\r\n",
                     b"POST /embed HTTP/1.1\r\n" + host + b"Content-Length: -1\r\n\r\n",
                     b"POST /embed HTTP/1.1\r\n" + host + b"Content-Length: 99999999999999999999999\r\n\r\n",
                     b"POST /embed HTTP/1.1\r\n" + host + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
                     b"POST /embed HTTP/1.1\r\n" + host + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     b"POST /embed HTTP/1.1\r\n" + host + b"Transfer-Encoding: gzip\r\n\r\nx",
                     b"POST /embed HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"):  # fmt: skip
            answer = self.server.raw(data, shut=True)
            self.assertTrue(answer is None or 400 <= answer.status < 600, f"{data[:60]!r}: {answer}")

    def test_a_head_without_end(self):
        for data in (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
                     b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"x: y\r\n" * 50_000 + b"\r\n",
                     b"GET /health HTTP/1.1\r\nHost: localhost\r\nx: " + b"y" * 100_000 + b"\r\n\r\n"):  # fmt: skip
            try:
                answer = self.server.raw(data)
            except ConnectionError:
                continue  # closed while we were still sending
            self.assertTrue(answer is None or answer.status in (400, 413, 414, 431), answer)

    def test_json_of_every_shape(self):
        deep = b'{"inputs":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
        objects = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
        for body, statuses in ((deep, (400, 422)), (objects, (400, 422)), (b"[" * 1_000_000, (400,)),
                               (b'{"inputs":[' + b"1," * 900_000 + b"1]}", (200, 422)),
                               (b'{"inputs":[' + b'"",' * 600_000 + b'""]}', (400, 422)),
                               (b'{"inputs":[' + b"1" * 1_900_000 + b"]}", (400, 422)),
                               (b'{"inputs":"a",' + b",".join(b'"k%d":0' % i for i in range(100_000)) + b"}", (200,)),
                               (b'{"inputs":"' + b"a" * 1_900_000 + b'"}', (200, 422)),
                               (b'{"inputs":"' + b"\\u0000" * 300_000 + b'"}', (200, 422)),
                               (b'{"inputs":"\xc3\x28"}', (400,)), (b'{"inputs":"\xed\xa0\x80"}', (400,)),
                               (b'{"inputs":"\xf4\x90\x80\x80"}', (400,)), (b'{"inputs":"\\udc00\\ud800"}', (400,)),
                               (b'{"inputs":"\xc0\x80"}', (400,)), (b'{"inputs":1e999999}', (400, 422)),
                               (b'{"inputs":"a","inputs":"b"}', (422,))):  # fmt: skip
            answer = self.server.post("/embed", body, {"Content-Type": "application/json"})
            self.assertIn(answer.status, statuses, f"{body[:40]!r}: {answer}")

    def test_other_routes_read_hostile_json_as_well(self):
        for path in ("/tokenize", "/decode", "/similarity", "/vertex", "/v1/embeddings", "/api/embed", "/api/embeddings",
                     "/api/show", "/api/pull", "/v2/embed", "/embedding", "/detokenize", "/rerank", "/predict"):  # fmt: skip
            for body in (b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe\x00", b'{"inputs":{"inputs":{}}}', b"{}", b"[]", b"0",
                         b'{"model":1,"input":1,"inputs":1,"ids":"x","texts":1,"tokens":"x","content":{},"prompt":[]}',
                         b'{"ids":[4294967295],"tokens":[-1],"inputs":[4294967295],"input":[4294967295]}',
                         b'{"ids":[18446744073709551616],"tokens":[1e300]}'):  # fmt: skip
                answer = self.server.post(path, body, {"Content-Type": "application/json"})
                self.assertTrue(200 <= answer.status < 500 and answer.status != 401, f"{path} {body[:40]!r}: {answer}")


class Limits(HostileTest):
    arguments = ("--payload-limit", "10000")

    @staticmethod
    def body(size):
        text = b'{"inputs":"the query"}'
        return text[:-1] + b" " * (size - len(text)) + b"}"

    def chunked(self, body):
        head = b"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        parts = [body[i : i + 1000] for i in range(0, len(body), 1000)]
        try:
            return self.server.raw(head + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n")
        except ConnectionError:
            return None  # refused while we were still sending

    def test_a_body_at_the_limit_is_read(self):
        answer = self.post("/embed", self.body(10_000), {"Content-Type": "application/json"})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(self.chunked(self.body(10_000)).status, 200)

    def test_a_body_over_the_limit_is_refused(self):
        answer = self.post("/embed", self.body(10_001), {"Content-Type": "application/json"})
        self.assertPlain(answer, 413, "Failed to buffer the request body: length limit exceeded")
        answer = self.chunked(self.body(10_001))
        self.assertTrue(answer is None or answer.status == 413, answer)

    def test_who_announces_too_much_need_not_send_it(self):
        answer = self.server.raw(HEAD.format(10**12).encode() + b"{")
        self.assertEqual(answer.status, 413)


class Gone(HostileTest):
    arguments = ("--max-concurrent-requests", "10000", "--max-queue-tokens", "20000000")
    BULK = 6 if SANITIZED else 16

    def test_work_of_clients_that_vanish_is_dropped(self):
        until_it_shows(self.vanish, "what nobody waits for was computed all the same", 12, most=16)

    def vanish(self, asked):
        """Asks and goes; whether half of the work or more was left undone. Either way everything is accounted for."""
        before, gone = self.server.metrics(), []

        def change(name, **labels):
            return self.server.metrics()(name, **labels) - before(name, **labels)

        for i in range(asked):
            connection = self.server.connect()
            connection.sendall(request_bytes({"inputs": [long_text(i * 100 + k) for k in range(self.BULK)]}))
            gone.append(connection)
        wait_for(lambda: change("te_embed_count") >= asked * self.BULK, "the requests did not arrive")
        for i, connection in enumerate(gone):
            reset(connection) if i % 2 else connection.close()
        wait_for(lambda: change("te_request_success") + change("te_request_failure", err="dropped") == asked,
                 "a request ended neither answered nor dropped")  # fmt: skip
        wait_for(lambda: self.server.metrics()("te_queue_size") == 0, "the queue does not empty")
        self.assertSameBits(self.ok("/embed", {"inputs": "no rain"}), embed(["no rain"]))
        return change("te_batch_next_tokens_sum") < asked * self.BULK * 2048 / 2

    def test_others_in_the_queue_keep_their_answers(self):
        bulk = [long_text(5000 + k) for k in range(self.BULK)]
        kept, answers = threading.Thread(target=lambda: answers.append(self.server.post("/embed", {"inputs": bulk}))), []
        kept.start()
        for i in range(10):
            connection = self.server.connect()
            connection.sendall(request_bytes({"inputs": [long_text(6000 + i), bulk[0]]}))
            reset(connection)
        kept.join(TIMEOUT_S)
        self.assertEqual(answers[0].status, 200)
        self.assertSameBits(answers[0].json[0], embed(bulk[:1])[0])

    def test_who_has_said_all_may_close_his_side(self):
        answer = self.server.raw(request_bytes({"inputs": "the query"}), shut=True)
        self.assertTrue(answer is None or answer.status == 200, answer)

    def test_a_request_that_breaks_off(self):
        whole = request_bytes({"inputs": "the query"})
        for size in (1, 10, len(HEAD) - 5, len(HEAD) + 3, len(whole) - 1):
            connection = self.server.connect()
            connection.sendall(whole[:size])
            connection.close()
            connection = self.server.connect()
            connection.sendall(whole[:size])
            reset(connection)

    def test_thousands_of_connections_come_and_go(self):
        files = self.server.open_files()
        for i in range(500 if SANITIZED else 10_000):
            connection = self.server.connect()
            if i % 4 == 1:
                connection.sendall(b"GET /health HT")
            elif i % 4 == 2:
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            reset(connection) if i % 2 else connection.close()
        wait_for(self.server.is_healthy, "it does not answer any more")
        wait_for(lambda: self.server.open_files() <= files + 4, "connections that are gone keep their files open")


if __name__ == "__main__":
    unittest.main()
