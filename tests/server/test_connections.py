# The server as HTTP: connections, keys, origins, names, request ids, the access log.

import json
import unittest
import uuid

from harness import ServerTest, wait_for

BODY = {"inputs": "a"}
PAGE = "https://example.com"
KEY_ROUTES = ("/embed", "/embed_all", "/similarity", "/tokenize", "/decode", "/vertex", "/rerank", "/predict",
              "/embed_sparse", "/v1/embeddings", "/embeddings", "/", "/invocations", "/api/embed", "/api/embeddings",
              "/v2/embed", "/embedding", "/detokenize")  # fmt: skip


def preflight(server, origin, headers="content-type"):
    return server.request("OPTIONS", "/embed", headers={
        "Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": headers})  # fmt: skip


class Connections(ServerTest):
    def test_one_connection_serves_many_requests(self):
        connection = self.server.connection()
        self.addCleanup(connection.close)
        for _ in range(3):
            for method, path, body, status in (("POST", "/embed", BODY, 200), ("GET", "/health", None, 200),
                                               ("POST", "/embed", {}, 422), ("GET", "/nothing", None, 404),
                                               ("HEAD", "/metrics", None, 200)):  # fmt: skip
                answer = self.server.request(method, path, body, connection=connection)
                self.assertEqual(answer.status, status)
                sock = connection.sock
                self.assertIsNotNone(sock, f"closed after {method} {path}")

    def test_close_means_close(self):
        answer = self.server.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["connection"].lower(), "close")

    def test_http_1_0_is_spoken(self):
        self.assertEqual(self.server.raw(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n").status, 200)

    def test_a_chunked_body_is_a_body(self):
        text = json.dumps(BODY).encode()
        head = b"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = b"".join(b"1\r\n" + text[i : i + 1] + b"\r\n" for i in range(len(text)))
        answer = self.server.raw(head + chunks + b"0\r\n\r\n")
        self.assertEqual(answer.status, 200)
        self.assertSameBits(answer.json, self.ok("/embed", BODY))

    def test_who_waits_to_be_told_to_continue_is_told(self):
        text = json.dumps(BODY).encode()
        head = ("POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                f"Content-Length: {len(text)}\r\n\r\n").encode()  # fmt: skip
        with self.server.connect() as connection:
            connection.sendall(head)
            self.assertTrue(connection.recv(1000).startswith(b"HTTP/1.1 100"))
            connection.sendall(text)
            self.assertTrue(connection.recv(1000).startswith(b"HTTP/1.1 200"))

    def test_requests_in_a_pipeline_are_answered_in_order(self):
        text = json.dumps(BODY).encode()
        post = (f"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(text)}"
                "\r\n\r\n").encode() + text  # fmt: skip
        get = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
        last = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        with self.server.connect() as connection:
            connection.sendall(post + get + post + last)
            got = b""
            while True:
                block = connection.recv(65536)
                if not block:
                    break
                got += block
        statuses = [part[:3] for part in got.split(b"HTTP/1.1 ")[1:]]
        self.assertEqual(statuses, [b"200", b"404", b"200", b"200"])


class RequestIds(ServerTest):
    arguments = ("--json-output",)

    def line_with(self, text):
        """The values of the access log's line that holds the text."""
        lines = wait_for(lambda: [o for o in self.server.log_objects() if text in json.dumps(o)], f"no line with {text}")
        self.assertEqual(len(lines), 1, lines)
        return flat(lines[0])

    def test_a_client_s_id_comes_back_and_is_logged(self):
        name = f"test-{uuid.uuid4()}"
        answer = self.post("/embed", BODY, {"X-Request-Id": name})
        self.assertEqual(answer.headers["x-request-id"], name)
        values = self.line_with(name)
        for value in (200, "POST", "/embed"):
            self.assertIn(value, values)

    def test_others_get_one_of_their_own(self):
        names = {self.get("/health").headers["x-request-id"] for _ in range(5)}
        self.assertEqual(len(names), 5)
        self.assertNotIn(None, names)
        self.assertIn(404, self.line_with(self.get("/nothing").headers["x-request-id"]))

    def test_an_id_that_is_no_id_is_replaced(self):
        for name in ("x" * 5000, "a b", "", "\u00e9" * 3, '"},{"level":"fatal"'):
            got = self.get("/health", {"X-Request-Id": name.encode("latin-1")}).headers["x-request-id"]
            self.assertRegex(got, r"^[\x21-\x7e]{1,200}$")
        self.assertNotIn("fatal", [o.get("level") for o in self.server.log_objects()])

    def test_a_trace_is_carried_through(self):
        trace = uuid.uuid4().hex
        parent = f"00-{trace}-00f067aa0ba902b7-01"
        answer = self.post("/embed", BODY, {"traceparent": parent})
        self.assertEqual((answer.status, answer.headers["traceparent"]), (200, parent))
        for header in ("", "00", f"00-{trace}", "zz-" + "0" * 32 + "-" + "0" * 16 + "-00", "00-\xff"):
            self.assertEqual(self.post("/embed", BODY, {"traceparent": header.encode("latin-1")}).status, 200)

    def test_every_line_of_the_log_is_one_object(self):
        self.get('/health%22%7d%0a{"level":"fatal"}')
        for line in self.server.log_lines():
            if "listening on" not in line and "warning" not in line:
                self.assertIsInstance(json.loads(line), dict, line)


def flat(value):
    if isinstance(value, dict):
        return [x for v in value.values() for x in flat(v)]
    return [x for v in value for x in flat(v)] if isinstance(value, list) else [value]


class Keys(ServerTest):
    arguments = ("--api-key", "secret-one", "--api-key", "secret-two", "--json-output")

    def test_nothing_that_computes_is_open(self):
        for path in KEY_ROUTES:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret-one"},
                            {"Authorization": "Basic secret-one"}, {"Authorization": "Bearer secret-on"},
                            {"Authorization": "Bearer secret-one2"}, {"Authorization": "Bearer "},
                            {"X-Api-Key": "wrong"}):  # fmt: skip
                answer = self.post(path, BODY, headers)
                self.assertEqual((answer.status, answer.body), (401, b""), f"{path} {headers}")
        for path in ("/info", "/v1/models", "/api/tags", "/api/ps"):
            self.assertEqual(self.get(path).status, 401, path)

    def test_either_key_opens_under_either_name(self):
        for key in ("secret-one", "secret-two"):
            for headers in ({"Authorization": f"Bearer {key}"}, {"X-Api-Key": key}):
                self.assertEqual(self.post("/embed", BODY, headers).status, 200, headers)
                self.assertEqual(self.get("/info", headers).status, 200, headers)

    def test_health_metrics_and_documentation_stay_open(self):
        for path in ("/health", "/ping", "/", "/metrics", "/docs", "/api-doc/openapi.json"):
            self.assertIn(self.get(path).status, (200, 301, 302, 303, 307, 308), path)

    def test_a_body_is_not_looked_at_before_the_key(self):
        self.assertEqual(self.server.post("/embed", b"{").status, 401)

    def test_no_key_is_ever_logged(self):
        self.post("/embed", BODY, {"Authorization": "Bearer secret-one"})
        self.post("/embed", BODY, {"X-Api-Key": "secret-two"})
        self.post("/embed", BODY, {"Authorization": "Bearer secret-three"})
        self.get("/info?api_key=secret-four")
        marker = self.get("/health").headers["x-request-id"]
        wait_for(lambda: marker in self.server.log(), "the log lacks the last request")
        self.assertNotIn("secret", self.server.log())

    def test_pages_of_other_sites_are_not_let_in(self):
        for origin in (PAGE, "http://localhost:1", "null"):
            answer = preflight(self.server, origin, "authorization")
            self.assertIsNone(answer.headers["access-control-allow-origin"], answer)


class Origins(ServerTest):
    arguments = ("--cors-allow-origin", PAGE, "--api-key", "k")

    def test_a_page_that_was_named_may_call(self):
        answer = preflight(self.server, PAGE, "authorization,content-type")
        self.assertIn(answer.status, (200, 204))
        self.assertEqual(answer.headers["access-control-allow-origin"], PAGE)
        allowed = answer.headers["access-control-allow-headers"].lower()
        for name in ("content-type", "authorization"):
            self.assertTrue(name in allowed or allowed == "*", allowed)
        self.assertIn("POST", answer.headers["access-control-allow-methods"])
        answer = self.post("/embed", BODY, {"Origin": PAGE, "Authorization": "Bearer k"})
        self.assertEqual((answer.status, answer.headers["access-control-allow-origin"]), (200, PAGE))

    def test_the_answer_says_that_it_depends_on_the_origin(self):
        self.assertIn("origin", (self.get("/health", {"Origin": PAGE}).headers["vary"] or "").lower())

    def test_others_may_not(self):
        for origin in ("https://example.org", PAGE + ".example.org", PAGE + ":444", "http://example.com", "null"):
            answer = preflight(self.server, origin)
            self.assertIn(answer.status, (200, 204, 403))
            self.assertIsNone(answer.headers["access-control-allow-origin"], origin)


class AnyOrigin(ServerTest):
    arguments = ("--cors-allow-origin", "*")

    def test_a_star_lets_every_page_call(self):
        self.assertIn(preflight(self.server, PAGE).headers["access-control-allow-origin"], ("*", PAGE))
        answer = self.post("/embed", BODY, {"Origin": PAGE})
        self.assertIn(answer.headers["access-control-allow-origin"], ("*", PAGE))


class Loopback(ServerTest):
    """A page of another site must not reach a server on this machine by giving its own name this machine's address."""

    def test_only_names_of_this_machine_are_answered(self):
        port = self.server.port
        for host in (f"127.0.0.1:{port}", f"localhost:{port}", "localhost", "127.0.0.1", f"[::1]:{port}", "LOCALHOST"):
            self.assertEqual(self.post("/embed", BODY, {"Host": host}).status, 200, host)
        for host in ("example.com", f"example.com:{port}", "127.0.0.1.example.com", "localhost.example.com", "10.0.0.1", ""):
            answer = self.post("/embed", BODY, {"Host": host})
            self.assertIn(answer.status, (400, 403, 421), f"{host!r}: {answer}")

    def test_a_request_has_exactly_one_name(self):
        for hosts in (b"", b"Host: localhost\r\nHost: example.com\r\n"):
            answer = self.server.raw(b"GET /info HTTP/1.1\r\n" + hosts + b"Connection: close\r\n\r\n")
            self.assertTrue(answer is None or 400 <= answer.status < 500, answer)


class AllowedHost(ServerTest):
    arguments = ("--allowed-host", "models.example.com")

    def test_a_name_that_was_allowed_is_answered(self):
        self.assertEqual(self.post("/embed", BODY, {"Host": "models.example.com"}).status, 200)
        self.assertIn(self.post("/embed", BODY, {"Host": "example.com"}).status, (400, 403, 421))


if __name__ == "__main__":
    unittest.main()
