# Runs what the texts show: every ```sh test, ```cpp test and ```js test block of README.md and docs/.
"""Usage: docs.py --root ROOT --bin FOLDER --package PREFIX --cxx COMPILER --work FOLDER   runs the examples
       docs.py --root ROOT --links                                                        checks links only

```sh test           run by bash in a folder of the document's own, where it finds what earlier blocks left;
                     `exit=2` after it says that the command ends with 2
```text output       right after one: what it prints on standard output; ... stands for anything
```cpp test          a whole program, compiled with warnings as errors against the installed library, and run;
                     a text output block may follow too
```python test       run by bindings/python/tests/test_docs.py, and here passed over
```js test           a whole module, run by Node, which finds bindings/node as the package gemvec
```sh server port=N  one command that is started, runs while the rest of the document is tested, and must end with 0
                     when it is then sent SIGTERM. It gets a free port in the variable PORT, and :N in the blocks
                     below it means that port
"""

import argparse
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

import markdown

TIMEOUT_S = 300


class Server:
    """The command of an ```sh server block, while it runs."""

    def __init__(self, block, folder, environment):
        self.block = block
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.log = open(folder / f"server_{block.line}.txt", "w+", encoding="utf-8")
        self.process = subprocess.Popen(["bash", "-euo", "pipefail", "-c", f"exec {block.text}"], cwd=folder,
                                        env=dict(environment, PORT=str(self.port)), stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)  # fmt: skip

    def listens(self):
        deadline = time.monotonic() + TIMEOUT_S
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return True
            except OSError:
                time.sleep(0.05)
        return False

    def stop(self):
        """The exit code, and what it printed."""
        self.process.terminate()
        try:
            code = self.process.wait(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.log.seek(0)
        with self.log:
            return code, self.log.read()

    def real(self, text):
        """The text with the real port in place of the one that readers see."""
        return re.sub(rf":{self.block.port}\b", f":{self.port}", text)


class Runner:
    def __init__(self, options):
        self.options = options
        self.work = pathlib.Path(options.work).resolve()
        self.failures, self.count, self.server = [], 0, None
        self.environment = dict(os.environ, LC_ALL="C.UTF-8")
        self.environment["PATH"] = f"{pathlib.Path(options.bin).resolve()}:{os.environ['PATH']}"

    def run(self):
        shutil.rmtree(self.work, ignore_errors=True)
        for path in markdown.documents(self.options.root):
            text = (pathlib.Path(self.options.root) / path).read_text(encoding="utf-8")
            try:
                found = markdown.blocks(path, text)
            except ValueError as error:
                self.failures.append(str(error))
                continue
            self.run_document(path, found)
            self.end_server()
        for failure in self.failures:
            print(failure)
        print(f"{self.count} blocks, {len(self.failures)} failures")
        return 1 if self.failures or self.count == 0 else 0

    def run_document(self, path, found):
        folder = self.work / re.sub(r"\W", "_", path)
        folder.mkdir(parents=True)
        for index, block in enumerate(found):
            follower = found[index + 1] if index + 1 < len(found) else None
            expected = follower if follower is not None and follower.is_output else None
            if block.is_output and not (index and found[index - 1].is_test):
                self.failures.append(f"{block.place}: output of what? No test block stands before it")
            if block.is_server:
                self.begin_server(block, folder)
            if not block.is_test or block.language == "python":
                continue
            if self.server is not None:
                block.text = self.server.real(block.text)
            self.count += 1
            if block.language == "sh":
                self.check(block, expected, self.shell(block, folder))
            elif block.language == "cpp":
                self.check(block, expected, self.program(block, folder / f"program_{block.line}"))
            elif block.language == "js":
                self.check(block, expected, self.module(block, folder))
            else:
                self.failures.append(f"{block.place}: do not know how to test {block.language!r}")

    def begin_server(self, block, folder):
        self.end_server()
        self.count += 1
        self.server = Server(block, folder, self.environment)
        if not self.server.listens():
            self.failures.append(f"{block.place}: it does not listen on the port in PORT")

    def end_server(self):
        if self.server is None:
            return
        code, output = self.server.stop()
        if code != 0:
            self.failures.append(f"{self.server.block.place}: the server ended with {code}, expected 0:\n{output}")
        self.server = None

    def start(self, command, folder):
        return subprocess.run(command, cwd=folder, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # fmt: skip

    def shell(self, block, folder):
        return self.start(["bash", "-euo", "pipefail", "-c", block.text], folder)

    def program(self, block, folder):
        folder.mkdir()
        (folder / "main.cc").write_text(block.text, encoding="utf-8")
        (folder / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.22)\nproject(example LANGUAGES CXX)\n"
            "find_package(gemvec REQUIRED COMPONENTS fetch)\nadd_executable(example main.cc)\n"
            "target_compile_options(example PRIVATE -Wall -Wextra -Werror)\n"
            "target_link_libraries(example PRIVATE gemvec::gemvec gemvec::fetch)\n"
        )
        for command in (
            ["cmake", "-G", "Ninja", "-S", ".", "-B", "build", f"-DCMAKE_PREFIX_PATH={self.options.package}",
             f"-DCMAKE_CXX_COMPILER={self.options.cxx}", "-DCMAKE_BUILD_TYPE=Release"],
            ["cmake", "--build", "build"],
        ):  # fmt: skip
            run = self.start(command, folder)
            if run.returncode != 0:
                run.stderr = run.stdout + run.stderr
                return run
        return self.start(["build/example"], folder)

    def module(self, block, folder):
        packages = folder / "node_modules"
        packages.mkdir(exist_ok=True)
        if not (packages / "gemvec").exists():
            (packages / "gemvec").symlink_to(pathlib.Path(self.options.root).resolve() / "bindings" / "node")
        (folder / f"module_{block.line}.mjs").write_text(block.text, encoding="utf-8")
        return self.start(["node", f"module_{block.line}.mjs"], folder)

    def check(self, block, expected, run):
        print(f"{block.place}: {block.language}, exit {run.returncode}")
        if run.returncode != block.exit_code:
            self.failures.append(f"{block.place}: ended with {run.returncode}, expected {block.exit_code}:\n"
                                 f"{run.stdout}{run.stderr}")  # fmt: skip
        elif expected is not None and not markdown.output_matches(expected.text, run.stdout):
            self.failures.append(f"{expected.place}: the output is another:\n--- expected\n{expected.text}"
                                 f"--- printed\n{run.stdout}---")  # fmt: skip


def check_links(root):
    broken = []
    for path in markdown.documents(root):
        broken += markdown.broken_links(root, path, (pathlib.Path(root) / path).read_text(encoding="utf-8"))
    print("\n".join(broken))
    return 1 if broken or not markdown.documents(root) else 0


def main(arguments):
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--links", action="store_true")
    for name in ("bin", "package", "cxx", "work"):
        parser.add_argument(f"--{name}")
    options = parser.parse_args(arguments)
    return check_links(options.root) if options.links else Runner(options).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
