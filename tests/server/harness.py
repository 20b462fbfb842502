# Starts `gemvec serve`, talks to it as a client does, and looks at everything that comes back.

import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

import numpy

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "support"))
from command import BIN, SANITIZED, environment, tiny_model  # noqa: E402, F401

# How long anything may take before it counts as hanging: no test says how fast the server is.
TIMEOUT_S = 240 if SANITIZED else 60
LISTENING = re.compile(r"listening on (https?)://(\[[0-9a-f:]+\]|[\w.-]+):(\d+)")

_state = {}


def run_cli(*arguments, stdin=""):
    done = subprocess.run([BIN, *map(str, arguments)], input=stdin.encode(), capture_output=True, env=environment(),
                          timeout=TIMEOUT_S * 4, check=False)  # fmt: skip
    if done.returncode != 0:
        raise AssertionError(f"gemvec {' '.join(map(str, arguments))}\n{done.stderr.decode()}")
    return done.stdout


def embed(texts, *arguments, width=768):
    """What `gemvec embed` gives for the texts, float32 [texts, width]; without a prompt unless one is named."""
    key = (tuple(texts), arguments)
    if key not in _state:
        task = () if "--task" in arguments or "--prompt" in arguments else ("--task", "none")
        lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        raw = run_cli("embed", *task, "--input-format", "jsonl", "--output-format", "f32", *arguments, stdin=lines)
        _state[key] = numpy.frombuffer(raw, "<f4").reshape(len(texts), -1)
    assert _state[key].shape[1] == width, _state[key].shape
    return _state[key]


def tokenize(text, *arguments):
    """What `gemvec tokenize --pieces` says of one text."""
    task = () if "--task" in arguments else ("--task", "none")
    lines = json.dumps({"text": text})
    return json.loads(run_cli("tokenize", *task, "--input-format", "jsonl", "--pieces", *arguments, stdin=lines))


def long_text(number, words=2000):
    """A text that fills the model's window, unlike any of another number: equal ones would be computed once."""
    return f"{number} " + "the query or " * (words // 3)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def type(self):
        return (self.headers.get("content-type") or "").partition(";")[0]

    def __repr__(self):
        return f"{self.status} {dict(self.headers)} {self.body[:300]!r}"


class Metrics:
    """A reading of /metrics: metrics("te_embed_count"), metrics("te_request_failure", err="dropped")."""

    LINE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)(?: \d+)?$')
    LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

    def __init__(self, text):
        self.text, self.values = text, {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                match = self.LINE.match(line)
                assert match, f"not the Prometheus text format: {line!r}"
                labels = frozenset(self.LABEL.findall(match.group(2) or ""))
                self.values[match.group(1), labels] = float(match.group(3))

    def __call__(self, name, **labels):
        """The sum over all series of the name that have these labels; 0 if there is none."""
        wanted = set(labels.items())
        return sum(value for (n, have), value in self.values.items() if n == name and wanted <= have)


class Server:
    """One process. `log` is a file to write standard error to, instead of one of the server's own."""

    def __init__(self, *arguments, env=None, log=None, wait=True):
        self.folder = tempfile.mkdtemp(prefix="gemvec-server-")
        self.log_path = os.path.join(self.folder, "log")
        self.port_path = os.path.join(self.folder, "port")
        self.scheme, self.host, self.port = "http", "127.0.0.1", None
        command = [BIN, "serve", "--port", "0", "--port-file", self.port_path, *map(str, arguments)]
        with open(log or self.log_path, "ab") as stderr:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
                                            cwd=self.folder, env=environment(env))  # fmt: skip
        if wait:
            self.wait_until_listening()

    def wait_until_listening(self):
        def listening():
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}\n{self.log()}")
            return LISTENING.search(self.log())

        match = wait_for(listening, "the server does not listen", TIMEOUT_S * 4)
        self.scheme, self.host, self.port = match.group(1), match.group(2).strip("[]"), int(match.group(3))

    @property
    def url(self):
        return f"{self.scheme}://{self.host}:{self.port}"

    def log(self):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, "rb") as file:
            return file.read().decode(errors="replace")

    def log_lines(self):
        """Those that are written to their end: the last may be on its way."""
        return self.log().split("\n")[:-1]

    def log_objects(self):
        """The lines of the log that are JSON objects."""
        return [json.loads(line) for line in self.log_lines() if line.startswith("{")]

    def stop(self, number=signal.SIGTERM):
        """Ends it: the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(timeout=TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"the server did not stop\n{self.log()[-4000:]}") from None
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- talking to it --

    def connect(self):
        """A bare socket."""
        return socket.create_connection((self.host, self.port), timeout=TIMEOUT_S)

    def connection(self):
        if self.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            return http.client.HTTPSConnection(self.host, self.port, timeout=TIMEOUT_S, context=context)
        return http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_S)

    def request(self, method, path, body=None, headers=None, connection=None):
        """`body` as it is if it is bytes or a string, else as JSON. On a connection of its own if none is given."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        body = body.encode() if isinstance(body, str) else body
        own = connection is None
        connection = connection or self.connection()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            if own:
                connection.close()

    def get(self, path, headers=None, **options):
        return self.request("GET", path, headers=headers, **options)

    def post(self, path, body, headers=None, **options):
        return self.request("POST", path, body, headers, **options)

    def raw(self, data, shut=False):
        """Sends bytes as they are and reads until the server closes, or has answered once and keeps the connection."""
        with self.connect() as connection:
            connection.sendall(data)
            if shut:
                connection.shutdown(socket.SHUT_WR)
            response = http.client.HTTPResponse(connection)
            try:
                response.begin()
                return Answer(response.status, response.headers, response.read())
            except (http.client.HTTPException, ConnectionError):
                return None  # closed without an answer

    def is_healthy(self):
        """Whether /health can be asked and is good: false also if there is no room for one more connection."""
        try:
            return self.get("/health").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def metrics(self):
        answer = self.get("/metrics")
        assert answer.status == 200, answer
        return Metrics(answer.text)

    # -- looking at the process --

    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS:"))

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def wait_for(condition, what, timeout=TIMEOUT_S):
    """Asks again and again until the answer is true, and gives it."""
    until = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > until:
            raise AssertionError(what)
        time.sleep(0.02)


def until_it_shows(attempt, what, size, most=64):
    """Calls attempt(size) until it is true, each time with twice the work, for what shows only if the server still has work
    when the client gets to look: how much that takes depends on who else uses the machine. Fails if it shows with `most`
    times the work neither."""
    factor = 1
    while not attempt(size * factor):
        factor *= 2
        if factor > most:
            raise AssertionError(what)


def problems(result):
    return len(result.failures) + len(result.errors) if result is not None else 0


class ServerTest(unittest.TestCase):
    """All tests of a class share a server, started with `arguments`, which must end well when they are done."""

    maxDiff = 2000
    arguments = ()
    env = None
    server = None

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.arguments, env=cls.env)
        cls.addClassCleanup(cls.server.close)

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        if code != 0:
            raise AssertionError(f"the server ended with {code}, expected 0\n{cls.server.log()[-6000:]}")

    def run(self, result=None):
        before = problems(result)
        answer = super().run(result)
        if problems(result) > before and self.server is not None:
            print(f"--- {self.id()}: the end of the server's log\n{self.server.log()[-6000:]}\n---", file=sys.stderr)
        return answer

    def start(self, *arguments, **options):
        """A server for one test alone."""
        server = Server(*arguments, **options)
        self.addCleanup(server.close)
        return server

    def get(self, path, headers=None):
        return self.server.get(path, headers)

    def post(self, path, body, headers=None):
        return self.server.post(path, body, headers)

    def ok(self, path, body, headers=None):
        """The JSON of an answer that must be 200."""
        answer = self.server.post(path, body, headers)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.type, "application/json", answer)
        return answer.json

    def assertSameBits(self, got, expected):
        got, expected = (numpy.asarray(rows, dtype=numpy.float32) for rows in (got, expected))
        self.assertEqual(got.shape, expected.shape)
        different = numpy.flatnonzero((got.view(numpy.uint32) != expected.view(numpy.uint32)).reshape(-1))
        self.assertEqual(len(different), 0, f"{len(different)} of {got.size} numbers differ, the first at "
                         f"{different[:3]}: {got.reshape(-1)[different[:3]]}, {expected.reshape(-1)[different[:3]]}")  # fmt: skip

    def assertNear(self, got, expected, tolerance):
        got, expected = (numpy.asarray(rows, dtype=numpy.float64) for rows in (got, expected))
        self.assertEqual(got.shape, expected.shape)
        self.assertLess(numpy.abs(got - expected).max(), tolerance)

    def assertTeiError(self, answer, status, kind, message):
        """{"error": message, "error_type": kind}. `message` may be a regular expression."""
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.type, "application/json", answer)
        body = answer.json
        self.assertEqual(list(body), ["error", "error_type"])
        self.assertEqual(body["error_type"], kind)
        if hasattr(message, "search"):
            self.assertRegex(body["error"], message)
        else:
            self.assertEqual(body["error"], message)

    def assertPlain(self, answer, status, *parts):
        """Text, as a framework says that it could not read a request."""
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers["content-type"], "text/plain; charset=utf-8", answer)
        for part in parts:
            self.assertIn(part, answer.text)
