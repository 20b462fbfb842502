"""The servers that are measured: how each is made ready, started, asked and stopped."""
import http.client
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tarfile
import time

from driver import request
from lib.paths import cache
from peers import environments, prepare

HERE = pathlib.Path(__file__).resolve().parent
LLAMA = "llama_cpp_python==0.3.36"  # its source package has all of llama.cpp in it, the server too
LLAMA_CMAKE = ("-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DGGML_OPENMP=ON", "-DBUILD_SHARED_LIBS=OFF",
               "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF", "-DLLAMA_BUILD_UI=OFF",
               "-DLLAMA_USE_PREBUILT_UI=OFF")  # fmt: skip
START_S = 300


class Missing(Exception):
    """A server that cannot be had here, and why."""


class Server:
    """`prepare` may raise Missing. `command` is what to run; `ask` makes a request of a list of texts."""

    key = name = ""
    path, field = "/embed", "inputs"

    def __init__(self, binary, model, threads, log):
        self.binary, self.model, self.threads, self.log = binary, model, threads, log
        self.process = self.port = None

    def prepare(self, say):
        pass

    def environment(self):
        return dict(os.environ)

    def command(self):
        raise NotImplementedError

    def version(self):
        return ""

    def ask(self, texts):
        return request(self.path, {self.field: texts if len(texts) > 1 else texts[0]})

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        with open(self.log / f"{self.key}.txt", "wb") as log:
            self.process = subprocess.Popen([str(word) for word in self.command()], env=self.environment(), stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)  # fmt: skip
        until = time.monotonic() + START_S
        while not self.is_healthy():
            if self.process.poll() is not None or time.monotonic() > until:
                self.__exit__()
                raise Missing(f"it does not start: see {self.key}.txt in the log folder")
            time.sleep(0.1)
        return self

    def is_healthy(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def rss_mb(self):
        """{"resident", "private"}: VmRSS, and what of it is no mapped file (RssAnon)."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        fields = dict(line.split(":", 1) for line in text.splitlines())
        keys = (("resident", "VmRSS"), ("private", "RssAnon"))
        return {name: int(fields[key].split()[0]) * 1024 / 1e6 for name, key in keys}


class Gemvec(Server):
    def __init__(self, *arguments, dtype="q8"):
        super().__init__(*arguments)
        self.dtype, self.key, self.name = dtype, f"gemvec-{dtype}", f"gemvec `{dtype}`"

    def command(self):
        return [self.binary, "serve", "--model-id", self.model, "--port", self.port, "--dtype", self.dtype,
                "--max-client-batch-size", "64"]  # fmt: skip

    def version(self):
        return subprocess.run([self.binary, "--version"], capture_output=True, text=True, check=False).stdout.strip()


class Llama(Server):
    key, name, path, field = "llama-server", "llama-server Q8_0", "/v1/embeddings", "input"

    def prepare(self, say):
        self.folder = cache() / "llama-server"
        self.program = self.folder / "build" / "bin" / "llama-server"
        self.gguf = self.folder / "q8_0.gguf"
        self.folder.mkdir(exist_ok=True)
        if not self.program.exists():
            say("building llama-server from the source package of llama-cpp-python: some minutes")
            self.build()
        if not self.gguf.exists():
            convert = [self.binary, "convert", self.model, self.gguf, "--numbers", "q8_0"]
            if subprocess.run(convert, capture_output=True, check=False).returncode != 0:
                raise Missing("its model file could not be made")

    def build(self):
        download = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "llama_cpp_python", "-d", self.folder]
        with open(self.log / "llama-server-build.txt", "wb") as log:
            def do(command):
                if subprocess.run(command, stdout=log, stderr=log, check=False).returncode != 0:
                    raise Missing("it could not be built: see llama-server-build.txt in the log folder")

            if not (archives := list(self.folder.glob("llama_cpp_python-*.tar.gz"))):
                do([*download, LLAMA])
                archives = list(self.folder.glob("llama_cpp_python-*.tar.gz"))
            with tarfile.open(archives[0]) as archive:
                archive.extractall(self.folder)
            source = self.folder / archives[0].name.removesuffix(".tar.gz") / "vendor" / "llama.cpp"
            do(["cmake", "-S", source, "-B", self.folder / "build", "-G", "Ninja", *LLAMA_CMAKE])
            do(["cmake", "--build", self.folder / "build", "--target", "llama-server"])

    def command(self):
        # 16 slots of 2048 tokens, all of which may share a batch.
        return [self.program, "-m", self.gguf, "--embeddings", "--pooling", "mean", "-c", 16 * 2048, "-np", "16",
                "-b", "2048", "-ub", "2048", "-t", self.threads, "-tb", self.threads, "--host", "127.0.0.1",
                "--port", self.port]  # fmt: skip

    def version(self):
        done = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=False)
        return f"{LLAMA}, {(done.stdout + done.stderr).splitlines()[0] if done.stdout + done.stderr else ''}"


class Sentence(Server):
    key, name = "sentence-transformers", "sentence-transformers, FastAPI, fp32"

    def prepare(self, say):
        why = environments.install("torch", say)
        if why:
            raise Missing(why)
        self.web = cache() / "environments" / "web"
        stamp, wanted = self.web / "stamp", (HERE / "requirements" / "web.txt").read_text()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        say("installing FastAPI and uvicorn")
        shutil.rmtree(self.web, ignore_errors=True)
        command = [environments.python("torch"), "-m", "pip", "install", "--no-deps", "--only-binary", ":all:", "--target",
                   self.web, "-r", HERE / "requirements" / "web.txt"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            raise Missing("FastAPI and uvicorn could not be installed")
        stamp.write_text(wanted)

    def environment(self):
        return dict(os.environ, PYTHONPATH=str(self.web))

    def command(self):
        return [environments.python("torch"), "-B", HERE / "sentence_server.py", self.model, self.port, self.threads]

    def version(self):
        lines = (HERE.parent / "peers" / "requirements" / "torch.txt").read_text().splitlines()
        return ", ".join(line for line in lines if line.startswith(("sentence-transformers", "torch==")))


class Tei(Server):
    """text-embeddings-inference, if somebody has built it: GEMVEC_BENCH_TEI names its program, text-embeddings-router."""

    key, name, numbers = "tei-fp32", "text-embeddings-inference fp32", "fp32"

    def prepare(self, say):
        self.program = os.environ.get("GEMVEC_BENCH_TEI") or shutil.which("text-embeddings-router")
        if not self.program:
            raise Missing("no text-embeddings-router: name one in GEMVEC_BENCH_TEI")
        # With the ONNX Runtime backend it looks for onnx/model.onnx in the model's folder; with others it does not mind.
        self.folder = cache() / self.key
        graphs = self.folder / "onnx"
        graphs.mkdir(parents=True, exist_ok=True)
        links = {self.folder / path.name: path for path in self.model.iterdir() if path.name != "onnx"}
        for link, path in (links | self.graph(graphs, say)).items():
            if not link.exists():
                link.symlink_to(path)

    def graph(self, graphs, say):
        """{link: file} of the model's file, where it is not made in place."""
        whole = self.folder / "whole"
        if not (graphs / "model.onnx").exists():
            say("making TEI's model file")
            shutil.rmtree(whole, ignore_errors=True)
            convert = [self.binary, "convert", self.model, whole, "--to", "onnx", "--numbers", self.numbers]
            if subprocess.run(convert, capture_output=True, check=False).returncode != 0:
                raise Missing("its model file could not be made")
        return {graphs / path.name: path for path in (whole / "onnx").iterdir()}

    def command(self):
        return [self.program, "--model-id", self.folder, "--port", self.port, "--hostname", "127.0.0.1", "--dtype", "float32",
                "--max-client-batch-size", "64"]  # fmt: skip

    def version(self):
        return subprocess.run([self.program, "--version"], capture_output=True, text=True, check=False).stdout.strip()


class TeiQ8(Tei):
    """The same over the file that ONNX Runtime's own dynamic quantiser makes, as the public release's q8 was made."""

    key, name = "tei-q8", "text-embeddings-inference q8"

    def graph(self, graphs, say):
        for recipe in prepare.RECIPES:
            if recipe.outputs[0] in ("plain.onnx", "plain-q8.onnx"):
                why = environments.install(recipe.environment, say) or prepare.make(recipe, self.model, say)
                if why:
                    raise Missing(why)
        files = prepare.models(self.model)
        # The data keep the name by which the graph calls them.
        data = {graphs / path.name: path for path in files.glob("plain-q8.onnx*data*")}
        return {graphs / "model.onnx": files / "plain-q8.onnx"} | data


PEERS = (Llama, Sentence, Tei, TeiQ8)
