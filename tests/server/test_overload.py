# More than the server can do: it says so at once, to those it cannot serve, and stops without losing what it took.

import concurrent.futures
import http.client
import signal
import threading
import unittest

from harness import SANITIZED, ServerTest, embed, long_text, until_it_shows, wait_for

BULK = 4 if SANITIZED else 12


class Full(ServerTest):
    arguments = ("--max-concurrent-requests", "8", "--max-client-batch-size", "1000")

    def assertOverloaded(self, answer):
        self.assertTeiError(answer, 429, "Overloaded", "Model is overloaded")
        self.assertRegex(answer.headers["retry-after"] or "", r"^[1-9]\d*$")

    def test_a_request_of_more_texts_than_may_be_in_flight_is_refused(self):
        self.assertOverloaded(self.post("/embed", {"inputs": [f"{i}" for i in range(9)]}))
        self.assertEqual(self.post("/embed", {"inputs": [f"{i}" for i in range(8)]}).status, 200)

    def test_some_are_refused_and_nothing_else_fails(self):
        until_it_shows(self.crowd, "nobody is refused", 24, most=8)

    def crowd(self, clients):
        """That many at the same time: whether one was refused."""
        texts = [long_text(i) for i in range(clients)]
        with concurrent.futures.ThreadPoolExecutor(len(texts)) as pool:
            answers = list(pool.map(lambda text: self.server.post("/embed", {"inputs": text}), texts))
        statuses = [answer.status for answer in answers]
        self.assertLessEqual(set(statuses), {200, 429}, statuses)
        self.assertGreaterEqual(statuses.count(200), 8)
        served = [i for i, status in enumerate(statuses) if status == 200]
        self.assertSameBits([answers[i].json[0] for i in served], embed([texts[i] for i in served]))
        for answer in answers:
            if answer.status != 200:
                self.assertOverloaded(answer)
        self.assertGreaterEqual(self.server.metrics()("te_request_failure", err="overloaded"), statuses.count(429))
        return 429 in statuses

    def test_a_refused_request_leaves_no_place_taken(self):
        for _ in range(20):
            self.assertOverloaded(self.post("/embed", {"inputs": [f"{i}" for i in range(9)]}))
        self.assertEqual(self.post("/embed", {"inputs": [f"{i}" for i in range(8)]}).status, 200)

    def test_openai_s_clients_are_told_in_their_own_words(self):
        answer = self.post("/v1/embeddings", {"input": [f"{i}" for i in range(9)]})
        self.assertEqual(answer.status, 429, answer)
        self.assertRegex(answer.headers["retry-after"] or "", r"^[1-9]\d*$")
        body = answer.json
        self.assertEqual((body["type"], body["code"], body["message"]), ("Overloaded", 429, "Model is overloaded"))
        self.assertEqual(body["error"]["message"], "Model is overloaded")

    def test_where_429_is_unknown_it_is_503(self):
        stop, statuses = threading.Event(), set()

        def ask(number):
            while not stop.is_set():
                answer = self.server.post("/api/embed", {"model": "embeddinggemma", "input": f"{number} " + long_text(number)})
                statuses.add(answer.status)
                if answer.status == 503:
                    self.assertIn("error", answer.json)
                    stop.set()

        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            done = [pool.submit(ask, i) for i in range(24)]
            wait_for(stop.is_set, "nobody was refused")
            for future in done:
                future.result()
        self.assertEqual(statuses, {200, 503})

    def test_what_needs_no_vectors_is_never_refused(self):
        stop = threading.Event()

        def keep_it_full():
            connection, number = self.server.connection(), 0
            while not stop.is_set():
                number += 1
                self.server.post("/embed", {"inputs": long_text(number)}, connection=connection)
            connection.close()

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            for _ in range(12):
                pool.submit(keep_it_full)
            try:
                for _ in range(50):
                    for answer in (self.get("/health"), self.get("/metrics"), self.get("/info"), self.get("/"),
                                   self.post("/tokenize", {"inputs": "a"}), self.post("/decode", {"ids": [2]})):  # fmt: skip
                        self.assertEqual(answer.status, 200, answer)
            finally:
                stop.set()


class Pieces(ServerTest):
    arguments = ("--max-concurrent-requests", "8", "--max-client-batch-size", "4")

    def test_apis_without_a_limit_to_a_batch_get_theirs_piece_by_piece(self):
        many = [f"{i} query" for i in range(50)]
        expected = embed(many)
        self.assertSameBits([row["embedding"][0] for row in self.ok("/embedding", {"content": many})], expected)
        answer = self.ok("/api/embed", {"model": "embeddinggemma", "input": many})
        self.assertSameBits(answer["embeddings"], expected)
        answer = self.ok("/v2/embed", {"model": "m", "input_type": "search_query", "texts": many})
        self.assertSameBits(answer["embeddings"]["float"], embed(many, "--task", "query"))

    def test_no_piece_is_lost_or_given_twice(self):
        connection = self.server.connection()
        self.addCleanup(connection.close)
        for i in range(50 if SANITIZED else 200):
            answer = self.server.post("/embedding", {"content": [f"{i} {k}" for k in range(9)]}, connection=connection)
            self.assertEqual((answer.status, len(answer.json)), (200, 9))


class Default(ServerTest):
    arguments = ("--max-client-batch-size", "600")

    def test_512_texts_are_taken_at_once_and_not_513(self):
        self.assertEqual(self.post("/embed", {"inputs": [f"{i}" for i in range(512)]}).status, 200)
        self.assertEqual(self.post("/embed", {"inputs": [f"{i}" for i in range(513)]}).status, 429)


class Tokens(ServerTest):
    arguments = ("--max-queue-tokens", "5000", "--max-client-batch-size", "600")

    def test_the_queue_is_bounded_in_tokens(self):
        until_it_shows(self.crowd, "nobody is refused", 10, most=8)

    def crowd(self, clients):
        bodies = [{"inputs": [long_text(10 * i + k) for k in range(2)]} for i in range(clients)]
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            statuses = [answer.status for answer in pool.map(lambda body: self.server.post("/embed", body), bodies)]
        self.assertLessEqual(set(statuses), {200, 429}, statuses)
        self.assertIn(200, statuses)
        wait_for(lambda: self.post("/embed", {"inputs": "a"}).status == 200, "the queue stays full")
        return 429 in statuses


class Stopping(ServerTest):
    def setUp(self):
        self.server = self.start()

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def test_what_was_taken_is_answered_before_it_ends(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.start()
            before = server.metrics()("te_embed_count")
            bodies = [{"inputs": [long_text(100 * i + k) for k in range(2)]} for i in range(BULK)]
            with concurrent.futures.ThreadPoolExecutor(BULK) as pool:
                asked = [pool.submit(server.post, "/embed", body) for body in bodies]
                wait_for(lambda: server.metrics()("te_embed_count") - before >= 2 * BULK, "the requests did not arrive")
                code = server.stop(number)
                answers = [future.result() for future in asked]
            self.assertEqual([answer.status for answer in answers], [200] * BULK)
            self.assertSameBits(answers[0].json, embed(bodies[0]["inputs"]))
            self.assertEqual(code, 0, server.log())

    def test_an_idle_server_with_open_connections_ends(self):
        idle = [self.server.connect() for _ in range(5)]
        used = self.server.connection()
        self.assertEqual(self.server.request("GET", "/health", connection=used).status, 200)
        half = self.server.connect()
        half.sendall(b"POST /embed HTTP/1.1\r\nHost: loc")
        self.assertEqual(self.server.stop(), 0, self.server.log())
        for connection in [*idle, half]:
            connection.close()
        used.close()

    def test_under_load_no_request_is_lost(self):
        """Every request is answered, or the connection is closed before any of an answer; and that only at the end."""
        server, told, stopped = self.server, threading.Event(), []

        def client(number):
            connection, good = server.connection(), 0
            while True:
                try:
                    answer = server.post("/embed", {"inputs": [f"{number} {good} query"] * 3}, connection=connection)
                except (http.client.RemoteDisconnected, ConnectionError):
                    return good, told.is_set()  # IncompleteRead and the like would be half an answer: an error
                if answer.status != 200:
                    return good, f"{answer}"
                good += 1

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            clients = [pool.submit(client, i) for i in range(8)]
            wait_for(lambda: server.metrics()("te_request_success") > 20, "the clients do not get on")
            told.set()
            stopped.append(server.stop())
            results = [future.result() for future in clients]
        self.assertEqual(stopped, [0], server.log())
        for good, ended_well in results:
            self.assertIs(ended_well, True)
            self.assertGreater(good, 0)


class Timeouts(ServerTest):
    arguments = ("--request-timeout", "1", "--max-client-batch-size", "512", "--payload-limit", "20000000")

    def test_a_request_that_takes_too_long_is_told_so_and_its_work_is_dropped(self):
        until_it_shows(self.takes_too_long, "512 texts take less than a second", 64, most=8)
        self.assertEqual(self.post("/embed", {"inputs": "a"}).status, 200)
        wait_for(lambda: self.server.metrics()("te_queue_size") == 0, "the work stays in the queue")

    def takes_too_long(self, texts):
        answer = self.post("/embed", {"inputs": [long_text(i) for i in range(texts)]})
        if answer.status == 200:
            return False
        self.assertEqual(answer.status, 503, answer)
        self.assertIn("error", answer.json)
        return True


class Memory(ServerTest):
    """Twice the same load; what the second one needs, the first has left behind."""

    arguments = ("--max-concurrent-requests", "64")

    @unittest.skipIf(SANITIZED, "a sanitizer keeps freed memory on purpose")
    def test_memory_does_not_grow_with_the_load(self):
        self.load()
        first = self.server.rss_bytes()
        for _ in range(2):
            self.load()
        self.assertLess(self.server.rss_bytes() - first, 48 << 20)

    def load(self):
        """Bodies near the limit, batches, texts as long as the window, more than is taken at a time."""
        bodies = [b'{"inputs":"' + b"a " * 900_000 + b'"}', {"inputs": [f"{i} task" for i in range(32)]},
                  {"inputs": [long_text(1), long_text(2)]}, b'{"inputs":[' + b'"b",' * 400_000 + b'""]}']  # fmt: skip

        def client(number):
            body = bodies[number % len(bodies)]
            return self.server.post("/embed", body, {"Content-Type": "application/json"}).status

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            statuses = set(pool.map(client, range(48)))
        self.assertLessEqual(statuses, {200, 400, 422, 429})
        self.assertIn(200, statuses)


if __name__ == "__main__":
    unittest.main()
