# The server as a process: its command line, its environment, and what may go wrong around it.

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from harness import BIN, SANITIZED, TIMEOUT_S, Server, ServerTest, embed, environment, run_cli, tiny_model, wait_for

BODY = {"inputs": "the query"}


class ProcessTest(ServerTest):
    """Each test starts what it needs."""

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gemvec-server-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def assertServes(self, server):
        answer = server.post("/embed", BODY)
        self.assertEqual(answer.status, 200, answer)
        self.assertSameBits(answer.json, embed(["the query"]))

    def fails(self, *arguments, env=None, words=()):
        """`serve` must end at once, with one message that has the words."""
        done = subprocess.run([BIN, "serve", *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                              env=environment(env), cwd=self.folder, timeout=TIMEOUT_S * 2, check=False)  # fmt: skip
        err = done.stderr.decode()
        self.assertGreater(done.returncode, 0, err)
        self.assertNotIn("listening on", err)
        for word in words:
            self.assertIn(word, err)


class CommandLine(ProcessTest):
    def test_every_option_of_tei_is_known(self):
        text = run_cli("serve", "--help").decode()
        for name in ("--model-id", "--revision", "--tokenization-workers", "--dtype", "--served-model-name", "--pooling",
                     "--max-concurrent-requests", "--max-batch-tokens", "--max-batch-requests", "--max-client-batch-size",
                     "--auto-truncate", "--default-prompt-name", "--default-prompt", "--hostname", "--port",
                     "--payload-limit", "--api-key", "--json-output", "--cors-allow-origin"):  # fmt: skip
            self.assertIn(name, text)

    def test_the_model_may_be_named_or_come_from_the_environment(self):
        self.assertServes(self.start())
        model = tiny_model()["GEMVEC_MODEL"]
        for arguments, env in ((["--model-id", model], {}), ([], {"MODEL_ID": model})):
            server = self.start(*arguments, env=dict({"GEMVEC_MODEL": None}, **env))
            self.assertServes(server)
            self.assertEqual(server.get("/info").json["model_id"], model)
            self.assertEqual(server.stop(), 0)

    def test_options_come_from_the_environment_under_tei_s_names(self):
        server = self.start(env={"MAX_CLIENT_BATCH_SIZE": "3", "SERVED_MODEL_NAME": "mine", "API_KEY": "k",
                                 "AUTO_TRUNCATE": "false", "MAX_CONCURRENT_REQUESTS": "7"})  # fmt: skip
        self.assertEqual(server.get("/info").status, 401)
        info = server.get("/info", {"Authorization": "Bearer k"}).json
        self.assertEqual((info["max_client_batch_size"], info["served_model_name"], info["auto_truncate"],
                          info["max_concurrent_requests"]), (3, "mine", False, 7))  # fmt: skip

    def test_what_the_command_line_says_comes_first(self):
        server = self.start("--max-client-batch-size", "5", env={"MAX_CLIENT_BATCH_SIZE": "3"})
        self.assertEqual(server.get("/info").json["max_client_batch_size"], 5)

    def test_default_prompts(self):
        prompt = "task: search result | query: "
        for arguments in (["--default-prompt-name", "query"], ["--default-prompt", prompt]):
            server = self.start(*arguments)
            for path, body in (("/embed", BODY), ("/v1/embeddings", {"input": "the query"})):
                answer = server.post(path, body).json
                got = answer if path == "/embed" else [answer["data"][0]["embedding"]]
                self.assertSameBits(got, embed(["the query"], "--task", "query"))
            answer = server.post("/embed", dict(BODY, prompt_name="document")).json
            self.assertSameBits(answer, embed(["the query"], "--task", "document"))
            self.assertEqual(server.stop(), 0)

    def test_the_port_is_written_where_scripts_find_it(self):
        server = self.start()
        with open(server.port_path, encoding="ascii") as file:
            self.assertEqual(int(file.read()), server.port)

    def test_vectors_of_a_dtype(self):
        server = self.start("--dtype", "fp32")
        self.assertSameBits(server.post("/embed", BODY).json, embed(["the query"], "--dtype", "fp32"))

    def test_tei_s_names_of_dtypes_are_understood(self):
        server = self.start("--dtype", "float32", "--pooling", "mean")
        self.assertSameBits(server.post("/embed", BODY).json, embed(["the query"], "--dtype", "fp32"))

    def test_tls(self):
        key, cert = self.folder / "key.pem", self.folder / "cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days",
                        "2", "-subj", "/CN=localhost"], check=True, capture_output=True)  # fmt: skip
        server = self.start("--tls-cert", cert, "--tls-key", key)
        self.assertEqual(server.scheme, "https")
        self.assertServes(server)
        with server.connect() as connection:  # plain HTTP to a TLS port
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertNotIn(b"200", connection.recv(100))
        self.assertServes(server)
        self.assertEqual(server.stop(), 0)

    def test_a_taken_port_is_named(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.fails("--port", port, words=[str(port)])

    def test_mistakes_are_told_at_the_start(self):
        self.fails("--model-id", self.folder / "missing", env={"GEMVEC_MODEL": None}, words=["missing"])
        self.fails("--port", "0", "--default-prompt-name", "nothing", words=["nothing"])
        self.fails("--port", "0", "--default-prompt-name", "query", "--default-prompt", "x")
        self.fails("--port", "0", "--pooling", "cls", words=["pooling"])
        self.fails("--port", "70000")
        self.fails("--port", "0", "--max-client-batch-size", "0")
        self.fails("--port", "0", "--tls-cert", self.folder / "missing.pem", words=["tls"])
        self.fails("--port", "0", "--dtype", "float128", words=["float128"])
        self.fails("--port", "0", "--no-such-option")

    def test_everybody_only_if_asked(self):
        def listening(server):
            lines = pathlib.Path(f"/proc/{server.process.pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]
            return [line.split()[1] for line in lines if line.split()[1].endswith(f":{server.port:04X}")
                    and line.split()[3] == "0A"]  # fmt: skip

        self.assertEqual([a.split(":")[0] for a in listening(self.start())], ["0100007F"])
        server = self.start("--hostname", "0.0.0.0")
        self.assertEqual([a.split(":")[0] for a in listening(server)], ["00000000"])
        self.assertEqual(server.get("/health", {"Host": "models.example.com"}).status, 200)


class Around(ProcessTest):
    def test_a_full_disk_under_the_log_stops_nothing(self):
        server = Server("--json-output", log="/dev/full", wait=False)
        self.addCleanup(server.close)
        wait_for(lambda: os.path.exists(server.port_path) and os.path.getsize(server.port_path), "no port", TIMEOUT_S * 4)
        with open(server.port_path, encoding="ascii") as file:
            server.port = int(file.read())
        for _ in range(20):
            self.assertServes(server)
        self.assertEqual(server.stop(), 0)

    def test_a_log_that_nobody_reads_any_more_stops_nothing(self):
        read, write = os.pipe()
        port_path = self.folder / "port"
        process = subprocess.Popen([BIN, "serve", "--port", "0", "--port-file", port_path, "--json-output"],
                                   stdin=subprocess.DEVNULL, stderr=write, env=environment())  # fmt: skip
        self.addCleanup(lambda: (process.kill(), process.wait()))
        os.close(write)
        os.close(read)
        self.served_and_stopped(process, port_path)

    def test_without_standard_streams_it_serves_as_well(self):
        port_path = self.folder / "port"
        command = f"exec '{BIN}' serve --port 0 --port-file '{port_path}' --json-output <&- >&- 2>&-"
        process = subprocess.Popen(["bash", "-c", command], env=environment())
        self.addCleanup(lambda: (process.kill(), process.wait()))
        self.served_and_stopped(process, port_path)

    def served_and_stopped(self, process, port_path):
        wait_for(lambda: port_path.exists() and port_path.read_text(), "no port", TIMEOUT_S * 4)
        client = Server.__new__(Server)
        client.scheme, client.host, client.port = "http", "127.0.0.1", int(port_path.read_text())
        for _ in range(20):
            self.assertServes(client)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=TIMEOUT_S), 0)

    def test_the_model_s_files_may_go_away_once_it_runs(self):
        shutil.copytree(tiny_model()["GEMVEC_MODEL"], self.folder / "model")
        server = self.start("--model-id", self.folder / "model", env={"GEMVEC_CACHE": str(self.folder / "cache")})
        self.assertServes(server)
        shutil.rmtree(self.folder / "model")
        shutil.rmtree(self.folder / "cache")
        self.assertServes(server)
        self.assertEqual(server.post("/tokenize", BODY).status, 200)
        self.assertEqual(server.stop(), 0)

    def test_nothing_is_read_from_the_working_folder_or_left_there(self):
        server = self.start()
        self.assertServes(server)
        self.assertEqual(sorted(os.listdir(server.folder)), ["log", "port"])

    def test_too_few_files_are_survived(self):
        server = self.start()
        subprocess.run(["prlimit", f"--pid={server.process.pid}", f"--nofile={server.open_files() + 10}"], check=True)
        crowd = []
        for _ in range(30):
            connection = socket.socket()
            connection.settimeout(TIMEOUT_S)
            connection.connect((server.host, server.port))
            crowd.append(connection)
        for connection in crowd:
            connection.close()
        self.assertServes(server)
        self.assertEqual(server.stop(), 0)

    def test_it_does_not_spin_while_it_waits(self):
        server = self.start()
        self.assertServes(server)

        def ticks():
            fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])

        # One that asks again and again without sleeping would take all 200 ticks, or more.
        before = ticks()
        time.sleep(2)
        self.assertLess(ticks() - before, 60 if SANITIZED else 20, "it uses the processor while nothing is asked")

    def test_the_access_log_names_each_request_once(self):
        server = self.start("--json-output")
        for i in range(5):
            server.post("/embed", BODY, {"X-Request-Id": f"number-{i}"})
        for i in range(5):
            lines = wait_for(lambda i=i: [o for o in server.log_objects() if f"number-{i}" in json.dumps(o)], "not logged")
            self.assertEqual(len(lines), 1)
        self.assertNotIn("the query", server.log(), "what clients embed is nobody else's business")


if __name__ == "__main__":
    unittest.main()
