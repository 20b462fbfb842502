"""Usage: fake_server.py PORT [KEY]

Serves the page with answers that are shaped like the server's but come from no model: for working on the page, and
for testing its test. Similar spelling gives similar vectors. With KEY, as with --api-key.
"""

import http.server
import json
import math
import pathlib
import re
import sys
import zlib

STATIC = pathlib.Path(__file__).resolve().parents[2] / "server" / "page" / "static"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES = {"/": "index.html", "/docs": "docs.html", "/docs/": "docs.html", "/api-doc/openapi.json": "openapi.json"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
INFO = {
    "model_id": "google/embeddinggemma-300m", "model_dtype": "q8", "served_model_name": "google/embeddinggemma-300m",
    "max_input_length": 2048, "max_client_batch_size": 32,
}  # fmt: skip


def embed(text, dimensions):
    vector = [0.02] * dimensions
    for word in re.findall(r"\w+", text.lower()):
        for i in range(len(word) - 2):
            vector[zlib.crc32(word[i : i + 3].encode()) % dimensions] += 1
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector]


def tokenize(text, prompt):
    whole = f"{prompt}: {text}"
    tokens = [{"id": 2, "text": "<bos>", "special": True, "start": None, "stop": None}]
    for match in re.finditer(r"\s*\S+", whole):
        start, stop = (len(whole[:at].encode()) for at in match.span())
        tokens.append({"id": 818, "text": match.group(), "special": False, "start": start, "stop": stop})
    return [*tokens, {"id": 1, "text": "<eos>", "special": True, "start": None, "stop": None}]


class Handler(http.server.BaseHTTPRequestHandler):
    key = None

    def answer(self, status, kind="application/json", body=b""):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("content-security-policy", POLICY)
        self.end_headers()
        self.wfile.write(body)

    def locked(self):
        return self.key is not None and self.headers.get("authorization") != f"Bearer {self.key}"

    def do_GET(self):
        if self.path == "/info":
            self.answer(401 if self.locked() else 200, body=b"" if self.locked() else json.dumps(INFO).encode())
            return
        name = FILES.get(self.path) or self.path.removeprefix("/static/")
        if name not in {path.name for path in STATIC.iterdir()}:
            self.answer(404)
            return
        path = STATIC / name
        self.answer(200, TYPES.get(path.suffix, "application/json"), path.read_bytes())

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.locked():
            self.answer(401)
        elif any(text == "overload" for text in body["inputs"]):
            self.answer(429, body=b'{"error":"Model is overloaded","error_type":"Overloaded"}')
        elif self.path == "/embed":
            vectors = [embed(text, body.get("dimensions", 768)) for text in body["inputs"]]
            self.answer(200, body=json.dumps(vectors).encode())
        else:
            self.answer(200, body=json.dumps([tokenize(t, body["prompt_name"]) for t in body["inputs"]]).encode())

    def log_message(self, *arguments):
        pass


def main(arguments):
    if len(arguments) not in (1, 2):
        print(__doc__)
        return 2
    Handler.key = arguments[1] if len(arguments) == 2 else None
    http.server.ThreadingHTTPServer(("127.0.0.1", int(arguments[0])), Handler).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
