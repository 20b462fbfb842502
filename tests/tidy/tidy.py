# The style test: dependency rules, size limits, banned calls and the shape of files. CONTRIBUTING.md explains them.
"""Usage: tidy.py ROOT

Prints one line per finding, PATH:LINE: [RULE] MESSAGE, and exits 1 if there is any. One line of code is let
through by a comment on it or above it: `// tidy: allow(RULE) reason`.
"""

import sys

import banned
import limits
import rooms
import shape
import source

CHECKS = (rooms.check, limits.check, banned.check, shape.check)


def tidy(root):
    files = source.load(root)
    findings = [finding for check in CHECKS for finding in check(files)]
    return files, sorted(findings, key=lambda finding: (finding.path, finding.line, finding.rule))


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    files, findings = tidy(arguments[0])
    for finding in findings:
        print(finding)
    print(f"{len(files)} files, {len(findings)} findings")
    return 1 if findings or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
