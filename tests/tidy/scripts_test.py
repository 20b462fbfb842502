# Tests of scripts/: they say what is wrong before they install, build or download anything.

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = ("setup", "demo", "test", "lint", "test-ecosystem", "lib.sh")
SCRIPTS = [ROOT / "scripts" / name for name in NAMES] + [ROOT / ".ci" / "run"]


def start(*command, path=None):
    environment = dict(os.environ, **({"PATH": path} if path else {}))
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, env=environment, check=False)  # fmt: skip


class Scripts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def put(self, name, content):
        (self.folder / name).write_bytes(content)
        return self.folder / name

    def test_shellcheck_finds_nothing(self):
        run = start("shellcheck", "-x", "-P", ROOT / "scripts", *SCRIPTS)
        self.assertEqual(run.stdout + run.stderr, "")

    def test_every_package_has_a_reason(self):
        for line in (ROOT / "scripts" / "packages.txt").read_text().splitlines():
            if not line.startswith("#"):
                self.assertRegex(line, r"^(build|test) +[a-z0-9.+-]+ +\S+.*")

    def test_help_and_unknown_options(self):
        for name in ("setup", "demo", "test", "lint", "test-ecosystem"):
            run = start(ROOT / "scripts" / name, "--help")
            self.assertEqual((run.returncode, run.stderr), (0, ""), name)
            self.assertIn(f"scripts/{name}", run.stdout)
        for name in ("setup", "test"):
            run = start(ROOT / "scripts" / name, "--unknown")
            self.assertEqual(run.returncode, 1)
            self.assertIn("unknown option --unknown", run.stderr)

    def test_ci_calls_the_tests_and_nothing_else(self):
        code = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if not line.startswith("#")]
        self.assertEqual(len(code), 1)
        self.assertIn("scripts/test", code[0])

    def test_the_demo_names_every_file_that_is_no_text(self):
        good = self.put("good one.txt", b"some text\n")
        bad = {
            self.put("empty.txt", b""): "empty",
            self.put("blank.txt", b" \n\t\n"): "empty",
            self.put("binary.pdf", b"%PDF\0\1\2"): "NUL bytes",
            self.folder / "missing.txt": "no such file",
            self.folder: "a folder",
        }
        run = start(ROOT / "scripts" / "demo", "a question", good, *bad)
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        for path, why in bad.items():
            self.assertRegex(run.stderr, re.escape(f"demo: {path}: ") + ".*" + why)
        self.assertNotIn("good one", run.stderr)

    def test_the_demo_wants_a_question_and_a_file(self):
        for arguments, why in [(["a question"], "no file was given"), (["  ", "x"], "question is empty")]:
            run = start(ROOT / "scripts" / "demo", *arguments)
            self.assertEqual(run.returncode, 1)
            self.assertIn(why, run.stderr)

    def test_without_root_and_sudo_the_packages_are_named(self):
        # A machine of our own: dpkg-query knows no package, id is nobody's, sudo is not there.
        commands = self.folder / "bin"
        commands.mkdir()
        for name in ("bash", "dirname", "basename", "sed", "cat", "env"):
            (commands / name).symlink_to(shutil.which(name))
        for name, code in [("dpkg-query", "exit 1"), ("id", "echo 1000")]:
            (commands / name).write_text(f"#!{shutil.which('bash')}\n{code}\n")
            (commands / name).chmod(0o755)
        run = start(ROOT / "scripts" / "setup", "--no-build", path=str(commands))
        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stderr, r"needs root or sudo.*apt-get install .*\bg\+\+ cmake")


if __name__ == "__main__":
    unittest.main()
