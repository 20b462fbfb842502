# Runs the command as a user does, and looks at everything that comes back.

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "support"))
from command import BIN, SANITIZED, environment, tiny_model  # noqa: E402, F401

# Under sanitizers everything takes several times as long.
TIMEOUT_S = 120


class Answer:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def text(self):
        return self.out.decode()

    @property
    def lines(self):
        return self.text.splitlines()

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def jsonl(self):
        return [json.loads(line) for line in self.lines]


class CliTest(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="gemvec-cli-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, name, content=None):
        path = os.path.join(self.folder, name)
        if content is not None:
            with open(path, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
        return path

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def run_cli(self, *arguments, stdin=b"", code=0, env=None, **options):
        """Runs `gemvec ARGUMENTS` and checks its exit code."""
        stdin = stdin.encode() if isinstance(stdin, str) else stdin
        options.setdefault("stdout", subprocess.PIPE)
        done = subprocess.run([BIN, *map(str, arguments)], input=stdin, stderr=subprocess.PIPE, cwd=self.folder,
                              env=environment(env), timeout=TIMEOUT_S, check=False, **options)  # fmt: skip
        err = done.stderr.decode()
        self.assertEqual(done.returncode, code, f"gemvec {' '.join(map(str, arguments))}\n{err}")
        return Answer(done.returncode, done.stdout, err)

    def embed(self, *arguments, stdin=b"", **options):
        return self.run_cli("embed", "--task", "none", *arguments, stdin=stdin, **options)

    def start(self, *arguments, **options):
        options.setdefault("stderr", subprocess.PIPE)
        process = subprocess.Popen([BIN, *map(str, arguments)], cwd=self.folder, env=environment(), **options)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    def assertSays(self, err, *parts):
        for part in parts:
            self.assertIn(part, err)

    def assertNoLeftovers(self, *names):
        """Nothing lies in the folder but these."""
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(names))
