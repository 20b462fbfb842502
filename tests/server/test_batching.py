# A text's vector does not depend on what else the server does at that time; and what it does is counted.

import concurrent.futures
import threading
import unittest

import numpy
from harness import SANITIZED, Metrics, ServerTest, embed, long_text, tokenize, until_it_shows, wait_for

# Lengths from one word to the whole window, so that batches are ragged.
TEXTS = [f"{i} the query" + " or rain" * (i * i % 90) for i in range(40)] + [long_text(0)]
DURATIONS = [1.5e-5 * 1.5**k for k in range(35)]


class Companions(ServerTest):
    def test_many_connections_get_the_command_s_bits_whoever_shares_the_batch(self):
        expected = embed(TEXTS)

        def client(number):
            generator = numpy.random.default_rng(number)
            connection = self.server.connection()
            got = []
            for _ in range(4 if SANITIZED else 12):
                chosen = generator.choice(len(TEXTS) - 1, size=generator.integers(1, 9)).tolist()
                answer = self.server.post("/embed", {"inputs": [TEXTS[i] for i in chosen]}, connection=connection)
                got.append((chosen, answer))
            connection.close()
            return got

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            long_one = pool.submit(self.server.post, "/embed", {"inputs": [TEXTS[-1]] + TEXTS[:20]})
            rounds = [answer for answers in pool.map(client, range(11)) for answer in answers]
        self.assertSameBits(long_one.result().json, expected[[-1, *range(20)]])
        for chosen, answer in rounds:
            self.assertEqual(answer.status, 200, answer)
            self.assertSameBits(answer.json, expected[chosen])

    def test_kinds_of_requests_may_share_a_batch(self):
        jobs = {
            "/embed": ({"inputs": TEXTS[:8], "dimensions": 128}, embed(TEXTS[:8], "--dim", "128", width=128)),
            "/": ({"inputs": TEXTS[:8], "normalize": False}, embed(TEXTS[:8], "--no-normalize")),
            "/invocations": ({"inputs": TEXTS[:8], "prompt_name": "query"}, embed(TEXTS[:8], "--task", "query")),
        }
        alone = self.ok("/embed_all", {"inputs": TEXTS[:8]})
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for _ in range(3):
                asked = [(pool.submit(self.server.post, path, body), want) for path, (body, want) in jobs.items()]
                tokens = pool.submit(self.server.post, "/embed_all", {"inputs": TEXTS[:8]})
                for answer, want in asked:
                    self.assertSameBits(answer.result().json, want)
                self.assertEqual(tokens.result().json, alone)

    def test_equal_texts_at_the_same_time_get_equal_bits(self):
        text = long_text(7)
        expected = embed([text])
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: self.server.post("/embed", {"inputs": [text, text]}), range(8)))
        for answer in answers:
            self.assertSameBits(answer.json, numpy.repeat(expected, 2, axis=0))


class Lanes(ServerTest):
    arguments = ("--max-client-batch-size", "512", "--payload-limit", "20000000")
    BULK = 8 if SANITIZED else 24

    def test_a_lone_text_and_health_do_not_wait_for_a_bulk_request(self):
        """By what is answered first, not by the clock. In one lane the bulk request would always be the first."""
        until_it_shows(self.lone_is_first, "what is quick was answered after what is slow", self.BULK, most=16)

    def lone_is_first(self, texts):
        done, before = threading.Event(), self.server.metrics()("te_embed_count")

        def bulk():
            answer = self.server.post("/embed", {"inputs": [long_text(i) for i in range(texts)]})
            done.set()
            return answer

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(bulk)
            wait_for(lambda: self.server.metrics()("te_embed_count") - before >= texts, "the bulk request did not arrive")
            lone = self.server.post("/embed", {"inputs": "the query"})
            health, metrics = self.server.get("/health"), self.server.get("/metrics")
            first = not done.is_set()
            self.assertEqual([lone.status, health.status, metrics.status], [200, 200, 200])
            self.assertSameBits(lone.json, embed(["the query"]))
            self.assertEqual(asked.result().status, 200)
            self.assertSameBits(asked.result().json[0], embed([long_text(0)])[0])
        return first

    def test_bulk_requests_come_through_beside_a_stream_of_lone_ones(self):
        stop = threading.Event()

        def lone():
            connection, asked = self.server.connection(), 0
            while not stop.is_set():
                status = self.server.post("/embed", {"inputs": f"{asked} query"}, connection=connection).status
                self.assertEqual(status, 200)
                asked += 1
            connection.close()
            return asked

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            streams = [pool.submit(lone) for _ in range(4)]
            try:
                answer = self.server.post("/embed", {"inputs": [f"{i} " + "task " * 100 for i in range(32)]})
            finally:
                stop.set()
            self.assertEqual(answer.status, 200)
            self.assertGreater(min(stream.result() for stream in streams), 0)


class Cache(ServerTest):
    arguments = ("--cache-size", "16")

    def test_a_repeated_text_has_the_same_bits_in_every_form(self):
        text = TEXTS[3]
        for _ in range(2):
            self.assertSameBits(self.ok("/embed", {"inputs": text}), embed([text]))
            self.assertSameBits(self.ok("/embed", {"inputs": text, "normalize": False}), embed([text], "--no-normalize"))
            got = self.ok("/embed", {"inputs": text, "dimensions": 256})
            self.assertSameBits(got, embed([text], "--dim", "256", width=256))
            got = self.ok("/embed", {"inputs": text, "prompt_name": "query"})
            self.assertSameBits(got, embed([text], "--task", "query"))
            long_one = long_text(3)
            for side in ("left", "right"):
                got = self.ok("/embed", {"inputs": long_one, "truncation_direction": side})
                self.assertSameBits(got, embed([long_one], "--truncate", side))

    def test_more_texts_than_it_holds_are_no_trouble(self):
        for _ in range(2):
            self.assertSameBits(self.ok("/embed", {"inputs": TEXTS[:32]}), embed(TEXTS[:32]))


class Counters(ServerTest):
    def change(self, *requests):
        """What the requests, (path, body), change: a function like Metrics."""
        before = self.server.metrics()
        self.statuses = [self.post(path, body).status for path, body in requests]
        after = self.server.metrics()
        return lambda name, **labels: after(name, **labels) - before(name, **labels)

    def test_requests_and_texts(self):
        change = self.change(("/embed", {"inputs": "a"}), ("/embed", {"inputs": ["a", "b", "c"]}),
                             ("/v1/embeddings", {"input": "a"}), ("/embed_all", {"inputs": "a"}))  # fmt: skip
        for name in ("te_request_count", "te_request_success"):
            self.assertEqual((change(name, method="single"), change(name, method="batch")), (3, 1), name)
        for name in ("te_embed_count", "te_embed_success"):
            self.assertEqual(change(name), 6, name)

    def test_similarity_is_a_batch(self):
        change = self.change(("/similarity", {"inputs": {"source_sentence": "a", "sentences": ["b", "c"]}}))
        self.assertEqual((change("te_request_count", method="batch"), change("te_embed_count")), (1, 3))

    def test_what_computes_nothing_is_not_counted(self):
        change = self.change(("/tokenize", {"inputs": "a"}), ("/decode", {"ids": [2]}))
        self.assertEqual(self.statuses, [200, 200])
        self.assertEqual((change("te_request_count"), change("te_embed_count")), (0, 0))

    def test_failures_have_their_reason(self):
        for path, body, reason in (("/embed", {"inputs": ["a"] * 33}, "batch_size"),
                                   ("/embed", {"inputs": ""}, "validation"),
                                   ("/embed", {"inputs": "a", "dimensions": 769}, "validation"),
                                   ("/rerank", {"query": "a", "texts": ["b"]}, "model_type"),
                                   ("/predict", {"inputs": "a"}, "model_type")):  # fmt: skip
            change = self.change((path, body))
            self.assertGreaterEqual(change("te_request_failure", err=reason), 1, f"{path} {body}")
            self.assertEqual(change("te_request_success"), 0)

    def test_histograms_have_tei_s_buckets(self):
        change = self.change(("/embed", {"inputs": TEXTS[:3]}))
        tokens = sum(len(tokenize(text)["ids"]) for text in TEXTS[:3])
        self.assertEqual((change("te_request_input_length_sum"), change("te_request_input_length_count")), (tokens, 3))
        self.assertEqual(change("te_request_duration_count"), 1)
        self.assertEqual(change("te_embed_duration_count"), 3)
        reading = self.server.metrics()
        for part in ("", "tokenization_", "queue_", "inference_"):
            for kind in ("te_request_", "te_embed_"):
                self.assert_buckets(reading, f"{kind}{part}duration", DURATIONS)
        self.assert_buckets(reading, "te_request_input_length", [2.0**k for k in range(12)])
        self.assert_buckets(reading, "te_batch_next_size", [2.0**k for k in range(13)])
        self.assert_buckets(reading, "te_batch_next_tokens", [2.0**k for k in range(21)])

    def assert_buckets(self, reading, name, expected):
        bounds = sorted({float(dict(labels)["le"]) for series, labels in reading.values if series == f"{name}_bucket"})
        self.assertEqual(len(bounds), len(expected) + 1, name)
        self.assertEqual(bounds[-1], float("inf"))
        for got, want in zip(bounds, expected):
            self.assertAlmostEqual(got / want, 1, places=4, msg=name)

    def test_the_queue_is_empty_when_nothing_waits(self):
        self.ok("/embed", {"inputs": TEXTS[:8]})
        wait_for(lambda: self.server.metrics()("te_queue_size") == 0, "te_queue_size is not 0 again")

    def test_the_text_is_prometheus_s(self):
        answer = self.get("/metrics")
        self.assertEqual(answer.type, "text/plain")
        Metrics(answer.text)
        self.assertIn("# TYPE te_request_count counter", answer.text)
        self.assertIn("# TYPE te_queue_size gauge", answer.text)

    def test_what_clients_type_makes_no_series(self):
        self.get("/nothing/of/this/name")
        self.post("/embed", {"inputs": "a", **{f"field{i}": 1 for i in range(500)}})
        text = self.server.metrics().text
        self.assertNotIn("of/this/name", text)
        self.assertLess(text.count("field"), 200)


if __name__ == "__main__":
    unittest.main()
