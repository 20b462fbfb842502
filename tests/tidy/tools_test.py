# Tests of the format check and of the symbol check: each must be able to fail.

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import format_check
import symbols

CLANG_FORMAT = os.environ.get("CLANG_FORMAT") or shutil.which("clang-format")
CXX = os.environ.get("CXX") or shutil.which("c++")


class ToolTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)


class FormatCheck(ToolTest):
    def test_refuses_what_is_not_formatted(self):
        (self.root / ".clang-format").write_text("BasedOnStyle: Google\n")
        (self.root / "a.cc").write_text("int f() { return 1; }\n")
        self.assertEqual(format_check.unformatted(self.root, CLANG_FORMAT), "")
        (self.root / "b.h").write_text("int  f( ) ;\n")
        self.assertIn("b.h", format_check.unformatted(self.root, CLANG_FORMAT))

    def test_an_empty_project_is_no_success(self):
        self.assertNotEqual(format_check.unformatted(self.root, CLANG_FORMAT), "")


class SymbolCheck(ToolTest):
    def archive(self, code, name="a"):
        (self.root / f"{name}.cc").write_text(code)
        subprocess.run([CXX, "-std=c++20", "-O1", "-c", f"{name}.cc"], cwd=self.root, check=True)
        (self.root / "liba.a").unlink(missing_ok=True)
        subprocess.run(["ar", "rcs", "liba.a", f"{name}.o"], cwd=self.root, check=True)
        return symbols.main(["nm", str(self.root / "liba.a")])

    def test_refuses_calls_that_print_or_end_the_process(self):
        for code in [
            '#include <cstdio>\nint f(int x) { return std::printf("%d", x); }\n',
            "#include <cstdlib>\nvoid f() { std::abort(); }\n",
            "#include <cstdlib>\nvoid f() { std::exit(1); }\n",
            "#include <iostream>\nvoid f() { std::cerr << 1; }\n",
            "#include <cassert>\nvoid f(int x) { assert(x); }\n",
        ]:
            self.assertEqual(self.archive(code), 1, code)

    def test_accepts_what_the_standard_library_needs(self):
        self.assertEqual(self.archive("#include <vector>\nvoid f(std::vector<int>& x) { x.push_back(1); }\n"), 0)

    def test_refuses_inline_functions_in_objects_of_an_instruction_set(self):
        shared = "__attribute__((noinline)) inline int f(int x) { return x + 1; }\nint g(int x) { return f(x); }\n"
        self.assertEqual(self.archive(shared, "avx512"), 1)
        self.assertEqual(self.archive("namespace {\n" + shared.replace("\n", "\n}\n", 1), "avx512"), 0)
        self.assertEqual(self.archive(shared, "table"), 0)

    def test_an_archive_that_is_not_there_is_no_success(self):
        self.assertEqual(symbols.main(["nm", str(self.root / "none.a")]), 1)


if __name__ == "__main__":
    unittest.main()
