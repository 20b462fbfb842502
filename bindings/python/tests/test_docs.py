"""The examples of the pages about Python; those of a page are run one after the other."""

import contextlib
import io
import sys

import pytest
from conftest import ROOT

sys.path.append(str(ROOT / "tests" / "docs"))
import markdown  # noqa: E402

PAGES = {"docs/python.md": 3, "docs/examples.md": 8}  # and how many of its examples print something


@pytest.mark.golden
@pytest.mark.parametrize("page", PAGES)
def test_examples_print_what_the_page_says(page):
    names, printed, checked = {}, None, 0
    for block in markdown.blocks(page, (ROOT / page).read_text(encoding="utf-8")):
        if block.language == "python" and block.is_test:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile("\n" * block.line + block.text, page, "exec"), names)
        elif block.is_output and printed is not None:
            output = "\n".join(line.rstrip() for line in printed.getvalue().splitlines())
            assert markdown.output_matches(block.text, output), f"{block.place}: printed\n{output}"
            checked += 1
    assert checked == PAGES[page]
