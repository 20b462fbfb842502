# Tests of the runner of examples: it must be able to fail.

import contextlib
import io
import pathlib
import tempfile
import textwrap
import unittest

import docs
import markdown


class DocsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def run_text(self, text, name="README.md"):
        (self.root / name).write_text(textwrap.dedent(text))
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            code = docs.main(["--root", str(self.root), "--bin", str(self.root), "--package", str(self.root),
                              "--cxx", "c++", "--work", str(self.root / "work")])  # fmt: skip
        return code, output.getvalue()

    def passes(self, text):
        code, output = self.run_text(text)
        self.assertEqual(code, 0, output)

    def fails(self, text, why):
        code, output = self.run_text(text)
        self.assertEqual(code, 1, output)
        self.assertIn(why, output)

    def test_runs_marked_blocks_only(self):
        self.passes("# A\n```sh\nfalse\n```\n```sh test\ntrue\n```\n")
        self.fails("# A\n```sh test\nfalse\n```\n", "README.md:2: ended with 1, expected 0")
        self.fails("# A\n```sh test\nfalse | true\n```\n", "ended with 1")
        self.fails("# A\n```sh\ntrue\n```\n", "0 blocks")

    def test_expected_exit_codes(self):
        self.passes("# A\n```sh test exit=2\nexit 2\n```\n")
        self.fails("# A\n```sh test exit=2\ntrue\n```\n", "expected 2")

    def test_output(self):
        block = "# A\n```sh test\necho one; echo two 2.5 x; echo three\n```\n```text output\n{}\n```\n"
        self.passes(block.format("one\ntwo 2.5 x\nthree"))
        self.passes(block.format("one\ntwo ... x\nthree"))
        self.passes(block.format("one\n..."))
        self.passes(block.format("...\nthree"))
        self.fails(block.format("one\ntwo ... y\nthree"), "README.md:5: the output is another")
        self.fails(block.format("one\ntwo 2.5 x"), "the output is another")
        self.fails(block.format("one\ntwo 2x5 x\nthree"), "the output is another")
        self.fails("# A\n```text output\none\n```\n```sh test\ntrue\n```\n", "output of what")

    def test_blocks_of_one_document_share_a_folder(self):
        self.passes("# A\n```sh test\necho x > file\n```\n```sh test\ncat file\n```\n```text output\nx\n```\n")

    SERVER = """python3 -c '
        import http.server, os, signal, sys
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(int(os.environ.get("CODE", "0"))))
        http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), http.server.SimpleHTTPRequestHandler).serve_forever()
        '
    """.replace("\n        ", "\n").replace("\n    ", "\n")
    FETCH = "python3 -c 'import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:3000/file\").status)'\n"

    def test_a_server_runs_until_the_document_ends(self):
        document = f"# A\n```sh test\ntouch file\n```\n```sh server port=3000\n{self.SERVER}```\n```sh test\n{self.FETCH}```\n"
        self.passes(document + "```text output\n200\n```\n")
        self.fails(document.replace("/file", "/missing"), "README.md:12: ended with 1")
        self.fails(document.replace('"CODE", "0"', '"CODE", "3"'), "README.md:5: the server ended with 3, expected 0")
        self.fails("# A\n```sh server\ntrue\n```\n", "README.md:2: it does not listen")

    def test_unknown_languages_and_open_fences(self):
        self.fails("# A\n```cobol test\nx\n```\n", "do not know how to test 'cobol'")
        self.fails("# A\n```sh test\ntrue\n", "never closed")

    def test_a_program_that_does_not_compile(self):
        self.fails("# A\n```cpp test\nint main() { return missing; }\n```\n", "README.md:2: ended with")

    def test_a_module_of_node(self):
        package = self.root / "bindings" / "node"
        package.mkdir(parents=True)
        (package / "index.js").write_text("exports.answer = 42;\n")
        self.passes('# A\n```js test\nimport { answer } from "gemvec";\nconsole.log(answer);\n```\n```text output\n42\n```\n')
        self.fails('# A\n```js test\nimport { answer } from "nobody";\n```\n', "README.md:2: ended with 1")

    def test_nested_and_indented_fences(self):
        text = "# A\n````md\n```sh test\nfalse\n```\n````\n  ```sh test\n  true\n  ```\n"
        self.assertEqual([block.line for block in markdown.blocks("a.md", text) if block.is_test], [7])
        self.assertEqual(markdown.blocks("a.md", text)[1].text, "true\n")

    def test_links(self):
        (self.root / "LICENSE").write_text("x\n")
        (self.root / "README.md").write_text("[a](LICENSE) [b](https://example.com) [c](#here) [d](LICENSE#x)\n")
        self.assertEqual(docs.main(["--root", str(self.root), "--links"]), 0)
        (self.root / "README.md").write_text("[a](docs/missing.md)\n")
        self.assertEqual(docs.main(["--root", str(self.root), "--links"]), 1)


if __name__ == "__main__":
    unittest.main()
