# Does the shared library export what the header declares, and nothing else? Does the C program use all of it?
"""Usage: symbols.py NM LIBRARY HEADER PROGRAM"""

import re
import subprocess
import sys


def exported(nm, library):
    listing = subprocess.run([nm, "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1].partition("@")[0] for line in listing.splitlines()}


def main(nm, library, header, program):
    with open(header, encoding="utf-8") as file:
        text = file.read()
    declared = set(re.findall(r"^GEMVEC_API[^;]*?\b(gemvec_\w+)\(", text, re.MULTILINE))
    constants = set(re.findall(r"^\s+(GEMVEC_[A-Z0-9_]+) = \d", text, re.MULTILINE))
    with open(program, encoding="utf-8") as file:
        used = set(re.findall(r"\b(?:gemvec|GEMVEC)_\w+", file.read()))
    complaints = [f"{name}: declared, not exported" for name in declared - exported(nm, library)]
    complaints += [f"{name}: exported, not declared" for name in exported(nm, library) - declared]
    complaints += [f"{name}: {program} does not use it" for name in declared - used]
    print("\n".join(sorted(complaints)) or f"{len(declared)} functions, {len(constants)} constants")
    return 1 if complaints or len(declared) < 20 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
