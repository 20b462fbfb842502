# Tests of scripts/summarise.py, with the JUnit file that ctest itself writes for each way a test can end.

import io
import contextlib
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
import summarise  # noqa: E402

CTEST_FILE = """\
add_test(good "true")
add_test(bad "false")
add_test(lost "no-such-program-anywhere")
add_test(off "true")
set_tests_properties(off PROPERTIES DISABLED TRUE)
add_test(gemm.avx512bf16 "bash" "-c" "exit 77")
set_tests_properties(gemm.avx512bf16 PROPERTIES SKIP_RETURN_CODE 77)
add_test(gemm.scalar "bash" "-c" "exit 77")
set_tests_properties(gemm.scalar PROPERTIES SKIP_RETURN_CODE 77)
add_test(golden "bash" "-c" "exit 77")
set_tests_properties(golden PROPERTIES SKIP_RETURN_CODE 77)
add_test(slow "sleep" "30")
set_tests_properties(slow PROPERTIES TIMEOUT 1)
"""
EVERYTHING = set().union(*summarise.ISA_FLAGS.values())


class Summarise(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def ctest(self, text, name="release"):
        (self.root / "CTestTestfile.cmake").write_text(text)
        results = self.root / "results"
        results.mkdir(exist_ok=True)
        subprocess.run(["ctest", "--test-dir", str(self.root), "--output-junit", str(results / f"{name}.xml")],
                       capture_output=True, check=False)  # fmt: skip
        return results

    def test_each_way_a_test_can_end(self):
        results = self.ctest(CTEST_FILE)
        without_bf16 = EVERYTHING - {"avx512_bf16"}
        passed, failed, skipped, lines = summarise.add_up(results, [], without_bf16)
        self.assertEqual((passed, failed, skipped), (1, 6, 1), lines)
        text = "\n".join(lines)
        for name in ("bad", "lost", "off", "gemm.scalar", "golden", "slow"):
            self.assertIn(f"release: {name}: failed", text)
        self.assertIn("release: gemm.avx512bf16: skipped", text)

    def test_a_skip_where_the_processor_has_the_instructions_is_a_failure(self):
        results = self.ctest(CTEST_FILE)
        self.assertEqual(summarise.add_up(results, [], EVERYTHING)[:3], (1, 7, 0))

    def test_emulated_kernels_are_skipped_only_without_what_the_emulation_needs(self):
        self.assertTrue(summarise.may_skip("kernels_test.avx512", summarise.AVX2))
        self.assertFalse(summarise.may_skip("kernels_emulated_test.avx512", summarise.AVX2))
        self.assertTrue(summarise.may_skip("kernels_emulated_test.avx512", set()))

    def test_a_failed_stage_counts_once(self):
        good = self.ctest('add_test(good "true")\n')
        self.assertEqual(summarise.add_up(good, ["asan"], set())[:3], (1, 1, 0))
        bad = self.ctest('add_test(bad "false")\n')
        self.assertEqual(summarise.add_up(bad, ["release"], set())[:3], (0, 1, 0))

    def test_no_test_is_a_failure(self):
        self.assertEqual(summarise.add_up(self.root, [], set())[:3], (0, 1, 0))

    def test_the_closing_line(self):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            code = summarise.main([str(self.ctest('add_test(good "true")\n'))])
        self.assertEqual((code, output.getvalue()), (0, "1 passed, 0 failed\n"))
        with contextlib.redirect_stdout(output):
            code = summarise.main([str(self.root / "nothing")])
        self.assertEqual((code, output.getvalue().splitlines()[-1]), (1, "0 passed, 1 failed"))


if __name__ == "__main__":
    unittest.main()
