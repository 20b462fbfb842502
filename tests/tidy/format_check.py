# Is every C++ file formatted as .clang-format says?
"""Usage: format_check.py ROOT CLANG_FORMAT"""

import subprocess
import sys

import source


def unformatted(root, clang_format):
    """What clang-format would change, as it says it; empty if nothing."""
    paths = [path for path in source.project_files(root) if path.endswith(source.CPP)]
    if not paths:
        return "no C++ file was found"
    run = subprocess.run(
        [clang_format, "--dry-run", "-Werror", "--style=file", *paths],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return run.stderr if run.returncode else ""


def main(arguments):
    complaint = unformatted(*arguments)
    if complaint:
        print(complaint)
        print("Run: git ls-files -co --exclude-standard '*.cc' '*.h' | xargs clang-format -i")
    return 1 if complaint else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
