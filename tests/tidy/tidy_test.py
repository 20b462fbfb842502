# Tests of the style test: every rule is shown a small bad project that it must refuse, and a good one.

import os
import pathlib
import tempfile
import textwrap
import unittest

import functions
import source
import tidy

HEADER = "// What it is.\n#pragma once\n"


class TidyTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def put(self, path, content, mode=0o644):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.chmod(file, mode)

    def rules(self, path, content, mode=0o644):
        """The rules that a project of this one file breaks."""
        self.put(path, content, mode)
        _, findings = tidy.tidy(self.root)
        (self.root / path).unlink()
        return sorted({finding.rule for finding in findings})

    def refuses(self, rule, path, content, **more):
        self.assertIn(rule, self.rules(path, content, **more), f"{rule} let through {path}:\n{content}")

    def accepts(self, path, content, **more):
        self.assertEqual(self.rules(path, content, **more), [], f"refused {path}:\n{content}")


class RoomRules(TidyTest):
    def includes(self, line):
        return f"// What it is.\n{line}\n"

    def test_arrows_of_the_rooms(self):
        for path, header in [
            ("src/base/a.cc", "cpu/isa.h"),
            ("src/cpu/a.cc", "kernels/table.h"),
            ("src/kernels/table.cc", "model/forward.h"),
            ("src/model/a.cc", "engine/load.h"),
            ("src/model/a.cc", "formats/safetensors.h"),
            ("src/formats/a.cc", "tokenizer/bpe.h"),
            ("src/tokenizer/a.cc", "formats/safetensors.h"),
            ("src/tokenizer/a.cc", "kernels/table.h"),
            ("src/fetch/a.cc", "engine/load.h"),
            ("src/engine/a.cc", "fetch/hub.h"),
            ("src/engine/a.cc", "cli/options.h"),
            ("src/engine/a.cc", "server/routes.h"),
            ("src/engine/a.cc", "tests/support/tiny.h"),
            ("src/base/a.cc", "gemvec/embedder.h"),
            ("src/kernels/a.cc", "gemvec/tokenizer.h"),
            ("cli/a.cc", "base/file.h"),
            ("cli/a.cc", "src/base/file.h"),
            ("server/a.cc", "engine/load.h"),
            ("include/gemvec/a.h", "base/file.h"),
            ("src/cellar/a.cc", "base/file.h"),
            ("src/engine/a.cc", "../base/file.h"),
            ("src/engine/a.cc", "formats/safetensors.h"),
        ]:
            self.refuses("rooms", path, self.includes(f'#include "{header}"'))
        for path, header in [
            ("src/cpu/a.cc", "base/file.h"),
            ("src/kernels/table.cc", "cpu/isa.h"),
            ("src/model/a.cc", "kernels/table.h"),
            ("src/source/a.cc", "formats/safetensors.h"),
            ("src/engine/a.cc", "source/model_source.h"),
            ("src/engine/a.cc", "tokenizer/bpe.h"),
            ("src/engine/a.cc", "gemvec/embedder.h"),
            ("src/tokenizer/a.cc", "gemvec/tokenizer.h"),
            ("src/fetch/a.cc", "base/file.h"),
            ("cli/a.cc", "gemvec/fetch.h"),
            ("cli/a.cc", "cli/options.h"),
            ("tests/golden/a_test.cc", "engine/load.h"),
            ("bench/kernels/a.cc", "kernels/table.h"),
        ]:
            self.accepts(path, self.includes(f'#include "{header}"'))

    def test_a_commented_include_is_none(self):
        self.accepts("src/base/a.cc", '// What it is.\n// #include "engine/load.h"\n/* #include "cli/a.h" */\n')

    def test_an_exception_needs_a_reason(self):
        self.accepts("src/base/a.cc", self.includes('#include "cpu/isa.h"  // tidy: allow(rooms) a reason'))
        self.refuses("rooms", "src/base/a.cc", self.includes('#include "cpu/isa.h"  // tidy: allow(rooms)'))
        self.refuses("rooms", "src/base/a.cc", self.includes('#include "cpu/isa.h"  // tidy: allow(print) a reason'))

    def test_libraries_stay_in_their_rooms(self):
        for path, header in [
            ("src/engine/a.cc", "curl/curl.h"), ("src/engine/a.cc", "CLI/CLI.hpp"), ("cli/a.cc", "curl/curl.h"),
            ("src/base/a.cc", "openssl/evp.h"), ("src/kernels/a.cc", "boost/json.hpp"),
            ("src/model/a.cc", "immintrin.h"), ("src/engine/a.cc", "gtest/gtest.h"),
            ("src/engine/a.cc", "spdlog/spdlog.h"), ("src/engine/a.cc", "gemvec/result.h"),
        ]:  # fmt: skip
            self.refuses("rooms", path, self.includes(f"#include <{header}>"))
        for path, header in [
            ("src/fetch/a.cc", "curl/curl.h"), ("cli/a.cc", "CLI/CLI.hpp"), ("src/engine/a.cc", "boost/json.hpp"),
            ("src/kernels/norm/avx2.cc", "immintrin.h"), ("src/engine/a_test.cc", "gtest/gtest.h"),
            ("bench/kernels/a.cc", "benchmark/benchmark.h"),
        ]:  # fmt: skip
            self.accepts(path, self.includes(f"#include <{header}>"))

    def test_kernels_and_their_isa_files(self):
        self.refuses("rooms", "src/kernels/norm/dispatch.cc", self.includes("#include <vector>"))
        self.refuses("rooms", "src/kernels/norm/norm.h", HEADER + "#include <thread>\n")
        self.refuses("rooms", "src/kernels/norm/avx2.cc", self.includes("#include <algorithm>"))
        self.refuses("rooms", "src/kernels/norm/avx512.cc", self.includes('#include "base/aligned.h"'))
        self.refuses("rooms", "src/kernels/norm/scalar.cc", self.includes('#include "gemvec/result.h"'))
        self.refuses("rooms", "src/kernels/norm/norm.inl.h", HEADER + "#include <algorithm>\nnamespace {}\n")
        self.refuses("rooms", "src/kernels/norm/norm.inl.h", HEADER + "namespace gemvec {\n}\n")
        self.refuses("rooms", "src/kernels/simd/avx2.h", HEADER + "#include <immintrin.h>\n")
        self.accepts("src/kernels/simd/avx2.h", HEADER + "#include <immintrin.h>\nnamespace {\n}\n")
        self.accepts("src/kernels/norm/avx2.cc", self.includes('#include "kernels/norm/norm.h"'))
        self.accepts("src/kernels/norm/norm_test.cc", self.includes("#include <vector>"))


class Limits(TidyTest):
    def function(self, lines):
        return "// What it is.\nvoid f() {\n" + "  g();\n" * (lines - 2) + "}\n"

    def test_files(self):
        self.accepts("cli/a.cc", "// What it is.\n" * 600)
        self.refuses("file-length", "cli/a.cc", "// What it is.\n" * 601)
        self.refuses("file-length", "tools/a.py", "# What it is.\n" * 601)

    def test_functions(self):
        self.accepts("cli/a.cc", self.function(70))
        self.refuses("function-length", "cli/a.cc", self.function(71))
        self.refuses("function-length", "tools/a.py", "# What it is.\ndef f():\n" + "    g()\n" * 70)

    def test_kernels_say_why_they_are_long(self):
        path = "src/kernels/gemm/avx2.cc"
        self.refuses("function-length", path, self.function(71))
        reason = "// What it is.\n// long: one loop nest over registers\n"
        self.accepts(path, reason + self.function(120).partition("\n")[2])
        self.refuses("function-length", path, reason + self.function(121).partition("\n")[2])
        self.refuses("function-length", "src/engine/a.cc", reason + self.function(71).partition("\n")[2])

    def test_columns(self):
        self.refuses("columns", "tools/a.py", "# What it is.\nx = 1  # " + "x" * 130 + "\n")

    def test_functions_are_found_in_all_their_forms(self):
        code = source.blank_comments_and_literals(
            textwrap.dedent("""\
            namespace a { namespace {
            constexpr int kTable[] = {1, 2, f(3)};
            template <class T>
            struct alignas(64) S : Base<int(void)> {
              S(int x) : x_{x}, y_(x) { g("}"); }
              ~S() { h('{'); }
              int x_ = 0, y_{0};
              bool operator==(const S&) const = default;
            };
            enum class E { kOne, kTwo };
            #define MACRO(x) do { x; } while (false)
            auto lambda = [](int x) {
              return x;
            };
            template <class T, class U = std::vector<int>>
            auto long_one(T t)
                -> std::enable_if_t<true, int> {
              if (t) { return 1; } else { return 2; }
              auto inner = [&] { return R"x( } )x"; };
            }
            }}
            TEST(Suite, Promise) { EXPECT_TRUE(true); }
            extern "C" { int c_function(void) { return 1'000; } }
            """)
        )
        self.assertEqual(
            [(function.name, function.length) for function in functions.functions(code)],
            [("S", 1), ("~S", 1), ("a function", 3), ("long_one", 6), ("TEST(Suite, Promise)", 1), ("c_function", 1)],
        )


class BannedCalls(TidyTest):
    def body(self, line):
        return f"// What it is.\nvoid f() {{\n  {line}\n}}\n"

    def test_in_libraries(self):
        for rule, line in [
            ("print", 'printf("x");'), ("print", 'std::fprintf(stderr, "x");'), ("print", "std::cout << 1;"),
            ("print", "std::cerr << 1;"), ("print", "::puts(x);"), ("abort", "abort();"), ("abort", "std::abort();"),
            ("abort", "exit(1);"), ("abort", "std::exit(1);"), ("abort", "std::terminate();"), ("throw", "throw x;"),
            ("abort", "__builtin_trap();"), ("throw", "int x = std::stoi(y);"), ("random", "int x = std::rand();"),
            ("random", "std::random_device device;"), ("unsafe", "strcpy(a, b);"), ("unsafe", "sprintf(a, b);"),
            ("locale", "double x = atof(y);"), ("regex", "std::regex x;"), ("shell", "system(x);"),
            ("format", "auto x = std::format(y);"), ("goto", "goto end;"), ("using", "using namespace std;"),
        ]:  # fmt: skip
            self.refuses(rule, "src/engine/a.cc", self.body(line))
        for line in [
            'std::snprintf(a, 3, "x");', "file.exit();", "int printf_count = 0;", '// printf("x");', 'g("abort()");',
            "my_exit(1);", "other::exit(1);", "auto x = fmt::format(y);", "error->abort();",
            'throw x;  // tidy: allow(throw) a reason',
        ]:  # fmt: skip
            self.accepts("src/engine/a.cc", self.body(line))

    def test_elsewhere(self):
        self.accepts("cli/a.cc", self.body('std::printf("x");'))
        self.refuses("exit", "cli/a.cc", self.body("std::exit(1);"))
        self.refuses("random", "tests/a_test.cc", self.body("std::normal_distribution<double> d;"))
        self.accepts("src/engine/a_test.cc", self.body('std::printf("x");'))
        self.refuses("using", "tests/a.h", HEADER + "using namespace std;\n")

    def test_in_kernels(self):
        path = "src/kernels/norm/norm.cc"
        for rule, line in [
            ("kernel-memory", "float* x = new float[3];"), ("kernel-memory", "void* x = std::malloc(3);"),
            ("kernel-memory", "delete x;"), ("kernel-memory", "auto x = std::make_unique<int>(3);"),
            ("kernel-container", "std::vector<int> x;"), ("kernel-container", "std::array<int, 3> x;"),
            ("kernel-thread", "std::thread x(y);"), ("kernel-thread", "static thread_local int x;"),
        ]:  # fmt: skip
            self.refuses(rule, path, self.body(line))
            self.accepts("src/kernels/norm/norm_test.cc", self.body(line))
        self.accepts(path, self.body("const int renew = 3;"))

    def test_words(self):
        self.refuses("todo", "cli/a.cc", self.body("// TODO: later"))
        self.accepts("cli/a.cc", self.body("// TODO(ada): later"))
        self.refuses("todo", "cli/a.cc", self.body("// FIXME(ada): later"))
        self.refuses("todo", "docs/a.md", "# Title\n\nTODO write this\n")
        self.accepts("docs/a.md", "# Title\n\nWrite `TODO(name):`.\n")
        self.refuses("fast-math", "cmake/a.cmake", "# What it is.\nadd_compile_options(-ffast-math)\n")
        self.refuses("fast-math", "CMakeLists.txt", "# What it is.\nadd_compile_options(-march=native)\n")

    def test_hosts_and_paths_of_one_machine(self):
        self.refuses("host", "docs/a.md", "# Title\n\nhttps://registry.elsewhere.test/simple\n")
        self.accepts("docs/a.md", "# Title\n\nhttps://ai.google.dev/gemma/terms and http://127.0.0.1:8080/\n")
        self.refuses("host", "server/page/static/a.js", "fetch('https://fonts.elsewhere.test/a');\n")
        self.refuses("path", "cli/a.cc", self.body('open("../shared/golden.json");'))
        self.refuses("path", "tools/a.py", '# What it is.\nopen("/tmp/x")\n')
        self.accepts("tools/a.py", '# What it is.\nopen("build/tmp/x")\n')


class Shape(TidyTest):
    def test_types(self):
        for path in ("src/base/a.cpp", "notes.docx", "src/base/a.o", "model.onnx", "src/base/weights.bin", "a",
                     "server/page/static/photo.png", "docs/icon.ico", "cli/a.svg"):
            self.refuses("file-type", path, "x\n")
        self.accepts("tests/golden/vectors.bin", b"\x00\xff")
        self.accepts("tests/fuzz/safetensors/seed-1", b"\x00\xff")
        self.accepts("docs/page.png", b"\x00\xff")
        self.accepts("server/page/static/style.css", "body { margin: 0; }\n")

    def test_blobs(self):
        self.accepts("tests/golden/vectors.bin", bytes(1_000_000))
        self.refuses("blob", "tests/golden/vectors.bin", bytes(1_000_001))

    def test_modes(self):
        self.refuses("mode", "scripts/a", "#!/bin/sh\n# What it does.\n")
        self.accepts("scripts/a", "#!/bin/sh\n# What it does.\n", mode=0o755)
        self.refuses("mode", "src/base/a.cc", "// What it is.\n", mode=0o755)

    def test_whitespace(self):
        for text in ("// What it is.", "// What it is.\n\n", "// What it is. \n", "// What\tit is.\n",
                     "// What it is.\r\n"):  # fmt: skip
            self.refuses("whitespace", "cli/a.cc", text)
        self.refuses("conflict", "cli/a.cc", "// What it is.\n<<<<<<< ours\n=======\n")
        self.refuses("encoding", "cli/a.cc", b"// What it is.\n// \xff\n")
        self.refuses("syntax", "a.json", "{,}\n")

    def test_first_comment(self):
        self.refuses("first-comment", "cli/a.cc", "#include <cstdio>\n")
        self.refuses("first-comment", "cli/a.h", "#pragma once\n")
        self.refuses("first-comment", "tools/a.py", "import sys\n")
        self.refuses("first-comment", "cmake/a.cmake", "set(x y)\n")
        self.refuses("first-comment", "scripts/a", "#!/bin/sh\nset -e\n", mode=0o755)
        self.refuses("first-comment", "docs/a.md", "Text without a title\n")
        self.refuses("pragma-once", "cli/a.h", "// What it is.\n")
        self.put("src/base/a.h", HEADER)
        self.accepts("src/base/a.cc", '#include "base/a.h"\n')  # its header says what it is

    def test_an_empty_project_is_no_success(self):
        self.assertEqual(tidy.main([str(self.root)]), 1)


if __name__ == "__main__":
    unittest.main()
