"""The examples of docs/python.md, run one after the other."""

import contextlib
import io
import sys

import pytest
from conftest import ROOT

sys.path.append(str(ROOT / "tests" / "docs"))
import markdown  # noqa: E402

PAGE = "docs/python.md"


@pytest.mark.golden
def test_examples_print_what_the_page_says():
    names, printed, checked = {}, None, 0
    for block in markdown.blocks(PAGE, (ROOT / PAGE).read_text(encoding="utf-8")):
        if block.language == "python" and block.is_test:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile("\n" * block.line + block.text, PAGE, "exec"), names)
        elif block.is_output and printed is not None:
            output = "\n".join(line.rstrip() for line in printed.getvalue().splitlines())
            assert markdown.output_matches(block.text, output), f"{block.place}: printed\n{output}"
            checked += 1
    assert checked >= 3
