# Tests of deploy/ and of the flags in docs/server.md.
"""Usage: deploy_test.py ROOT PROGRAM"""

import http.server
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT, PROGRAM = pathlib.Path(), pathlib.Path()
# In every image of Debian, because apt needs them.
ALWAYS = {"libc6", "libstdc++6", "libgcc-s1"}
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def start(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=False, **options)  # fmt: skip


def documented_flags():
    text = (ROOT / "docs" / "server.md").read_text()
    section = text.partition("\n## Flags\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `--")]
    return {flag for row in rows for flag in FLAG.findall(row)}


def owner(library):
    """The Debian package of a library that programs name so: "libfmt.so.9"."""
    listing = start("/sbin/ldconfig", "-p").stdout
    path = next(line.split(" => ")[1] for line in listing.splitlines() if line.split(" ", 1)[0].strip() == library)
    for spelling in {path, os.path.realpath(path), "/usr" + path}:
        run = start("dpkg-query", "-S", spelling)
        if run.returncode == 0:
            return run.stdout.split(":")[0]
    raise AssertionError(f"no package has {path}")


class Dockerfile(unittest.TestCase):
    def setUp(self):
        text = (ROOT / "deploy" / "Dockerfile").read_text()
        code = re.sub(r"^\s*#.*\n", "", text, flags=re.M).replace("\\\n", " ")
        self.steps = [line.strip() for line in code.splitlines() if line.strip()]

    def step(self, beginning):
        return [line for line in self.steps if line.startswith(beginning)]

    def test_copies_what_is_there(self):
        for line in self.step("COPY"):
            words = [word for word in line.split()[1:] if not word.startswith("--")]
            if "--from=build" not in line:
                for source in words[:-1]:
                    self.assertTrue((ROOT / source).exists(), line)

    def test_installs_the_packages_that_the_build_needs(self):
        script = re.search(r"sed -nE '([^']+)'", self.step("RUN")[0]).group(1)
        names = start("sed", "-nE", script, ROOT / "scripts" / "packages.txt").stdout.split()
        self.assertIn("libboost1.81-dev", names)
        self.assertNotIn("clang", names)

    def test_installs_the_libraries_that_the_program_needs(self):
        installed = set(re.search(r"--no-install-recommends\s+(.*?) &&", self.step("RUN")[2]).group(1).split())
        needed = re.findall(r"NEEDED\s+(\S+)", start("objdump", "-p", PROGRAM).stdout)
        self.assertGreater(len(needed), 3)
        owners = {owner(name) for name in needed if not name.startswith("ld-linux")}
        self.assertLessEqual(owners - ALWAYS, installed)

    def test_is_not_root_and_takes_the_arguments_of_the_image_it_replaces(self):
        self.assertEqual(self.step("USER"), ["USER gemvec"])
        self.assertEqual(self.step("ENTRYPOINT"), ['ENTRYPOINT ["gemvec", "serve", "--hostname", "0.0.0.0"]'])
        self.assertEqual(self.step("EXPOSE"), ["EXPOSE 80"])
        self.assertIn("PORT=80", self.step("ENV")[0])
        self.assertIn("HUGGINGFACE_HUB_CACHE=/data", self.step("ENV")[0])
        self.assertLess(self.steps.index("USER gemvec"), self.steps.index(self.step("HEALTHCHECK")[0]))

    def test_uses_flags_that_are_documented(self):
        used = set(FLAG.findall(" ".join(self.step("ENTRYPOINT") + self.step("CMD"))))
        self.assertEqual(used, {"--hostname", "--json-output"})
        self.assertLessEqual(used, documented_flags())


class HealthCheck(unittest.TestCase):
    def check(self, status):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status if self.path == "/health" else 404)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            run = self.ask(server.server_port)
            server.shutdown()
        return run.returncode, server.server_port

    def ask(self, port):
        return start(ROOT / "deploy" / "healthcheck.sh", env={"PATH": os.environ["PATH"], "PORT": str(port)})

    def test_tells_well_from_unwell_and_absent(self):
        self.assertEqual(self.check(200)[0], 0)
        code, port = self.check(503)
        self.assertNotEqual(code, 0)
        self.assertNotEqual(self.ask(port).returncode, 0)

    def test_shellcheck_finds_nothing(self):
        self.assertEqual(start("shellcheck", ROOT / "deploy" / "healthcheck.sh").stdout, "")


class Service(unittest.TestCase):
    def setUp(self):
        self.text = (ROOT / "deploy" / "gemvec.service").read_text()

    def values(self, name):
        return [value for key, value in re.findall(r"^(\w+)=(.*)$", self.text, re.M) if key == name]

    def test_can_do_nothing_but_serve(self):
        for name in ("DynamicUser", "NoNewPrivileges", "MemoryDenyWriteExecute", "PrivateDevices", "ProtectHome",
                     "RestrictNamespaces", "RestrictSUIDSGID", "LockPersonality"):  # fmt: skip
            self.assertEqual(self.values(name), ["yes"], name)
        self.assertEqual(self.values("ProtectSystem"), ["strict"])
        self.assertEqual(self.values("CapabilityBoundingSet"), [""])

    def test_waits_longer_than_the_server_does(self):
        row = re.search(r"^\| `--stop-timeout` \| (\d+) ", (ROOT / "docs" / "server.md").read_text(), re.M)
        self.assertGreater(int(self.values("TimeoutStopSec")[0]), int(row.group(1)))

    def test_sets_variables_that_are_flags(self):
        names = {word.partition("=")[0] for word in self.values("Environment")[0].split()}
        flags = {name for name in names if not name.startswith("GEMVEC_")}
        self.assertEqual(len(flags), 2)
        self.assertLessEqual({"--" + name.lower().replace("_", "-") for name in flags}, documented_flags())

    @unittest.skipUnless(shutil.which("systemd-analyze"), "this machine has no systemd")
    def test_systemd_understands_it(self):
        with tempfile.TemporaryDirectory() as folder:
            unit = pathlib.Path(folder) / "gemvec.service"
            unit.write_text(self.text.replace("/usr/local/bin/gemvec", "/bin/true"))
            run = start("systemd-analyze", "verify", unit)
        self.assertEqual((run.returncode, run.stderr), (0, ""))


class Flags(unittest.TestCase):
    def test_the_text_has_exactly_the_flags_of_the_program(self):
        run = start(PROGRAM, "serve", "--help")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(documented_flags(), set(FLAG.findall(run.stdout)) - {"--help"})


if __name__ == "__main__":
    ROOT, PROGRAM = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    unittest.main(argv=sys.argv[:1])
