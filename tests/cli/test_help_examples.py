# The examples in every --help run as they stand, on the release's weights.

import os
import re
import shlex
import subprocess
import unittest

from harness import BIN, TIMEOUT_S, CliTest, environment

COMMANDS = ["embed", "similarity", "tokenize", "verify", "info", "bench", "quantize", "convert", "pull", "serve"]


def examples(help_text):
    """The indented lines below "Example:"."""
    below = help_text.partition("\nExample:\n")[2]
    return [line[2:] for line in below.splitlines() if line.startswith("  ")]


class HelpExamples(CliTest):
    def test_every_command_has_help_with_an_example_that_runs(self):
        listed = re.findall(r"^  (\w+) {2,}", self.run_cli("--help").text.partition("Subcommands:")[2], re.M)
        self.assertEqual(sorted(listed), sorted(COMMANDS))
        path = f"{os.path.dirname(BIN)}:{os.environ['PATH']}"
        for arguments in ([], *([command] for command in COMMANDS)):
            found = examples(self.run_cli(*arguments, "--help").text)
            self.assertTrue(found, f"gemvec {arguments} --help has no example")
            for line in found:
                with self.subTest(line):
                    self.assertTrue(re.search(r"\bgemvec " + "".join(arguments), line))
                    if arguments == ["serve"]:
                        self.serve_until_stopped(line)
                        continue
                    done = subprocess.run(["bash", "-euo", "pipefail", "-c", line], cwd=self.folder, check=False,
                                          env=environment({"PATH": path}), capture_output=True, text=True,
                                          timeout=TIMEOUT_S)  # fmt: skip
                    self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.read("vectors.jsonl").splitlines()), 2)

    def serve_until_stopped(self, line):
        # The port of the example may be somebody's on this machine.
        command = shlex.split(line.replace("--port 8080", "--port 0"))
        self.assertIn("0", command)
        process = self.start(*command[1:], text=True)
        for said in process.stderr:
            if "listening on" in said:
                break
        else:
            self.fail(f"{line} ended before it listened")
        process.terminate()
        self.assertEqual(process.wait(TIMEOUT_S), 0)


if __name__ == "__main__":
    unittest.main()
