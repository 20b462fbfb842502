# Do the library's objects call anything that prints or ends the process? The linker's view of the banned calls.
"""Usage: symbols.py NM ARCHIVE...

What inline code of other libraries brings along is told apart by name, not waved through: libstdc++ throws and
terminates through its own entry points (std::__throw_..., std::terminate), which are not in the list; a call
of abort, exit or printf itself can only come from a source that our objects were compiled from.
"""

import re
import subprocess
import sys

BANNED = re.compile(
    r"^_?_?(abort|exit|_exit|_Exit|quick_exit|raise|v?f?printf|v?dprintf|__v?f?printf_chk|puts|fputs|putchar|fputc|"
    r"perror|putc|fwrite_unlocked|rand|srand|random|system|popen|"
    r"_ZSt4(cout|cerr|clog)|_ZNSt8ios_base4InitC1Ev|__assert_fail)$"
)
# symbol -> (object name pattern, reason): what an object may refer to after all.
ALLOWED = {}


def references(nm_output):
    """(object, symbol) of every undefined symbol in `nm -A -u` output."""
    for line in nm_output.splitlines():
        match = re.match(r"^(?:.*?:)?([^:]+\.o):\s+U\s+(\S+)", line)
        if match:
            yield match.group(1), match.group(2).partition("@")[0]


def offenders(nm_output):
    return sorted(
        (name, symbol)
        for name, symbol in set(references(nm_output))
        if BANNED.match(symbol) and not (symbol in ALLOWED and re.search(ALLOWED[symbol][0], name))
    )


def main(arguments):
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    run = subprocess.run([arguments[0], "-A", "-u", *arguments[1:]], capture_output=True, text=True, check=False)
    if run.returncode != 0 or not any(references(run.stdout)):
        print(f"nm found no objects to look at: {run.stderr}")
        return 1
    found = offenders(run.stdout)
    for name, symbol in found:
        print(f"{name} calls {symbol}: libraries never print and never end the process")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
