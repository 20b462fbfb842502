# Do the library's objects call anything that prints or ends the process, or share code between instruction sets?
"""Usage: symbols.py NM ARCHIVE...

Two things that only the linker sees. An object compiled for AVX2 or AVX-512 must not define a weak symbol, such as
an inline function that was not inlined: the linker keeps one copy for the whole program, and a machine without
those instructions would run it. And no object may refer to what prints or ends the process: inline code of other
libraries is no excuse, since libstdc++ throws and terminates through entry points of its own
(std::__throw_..., std::terminate) that are not in the list.
"""

import re
import subprocess
import sys

BANNED = re.compile(
    r"^_?_?(abort|exit|_exit|_Exit|quick_exit|raise|v?f?printf|v?dprintf|__v?f?printf_chk|puts|fputs|putchar|fputc|"
    r"perror|putc|fwrite_unlocked|rand|srand|random|system|popen|"
    r"_ZSt4(cout|cerr|clog)|_ZNSt8ios_base4InitC1Ev|__assert_fail)$"
)
ISA_OBJECT = re.compile(r"^(sse\d*|avx\w*|amx|neon\w*)\.(cc\.)?o$")
# symbol -> (object name pattern, reason): what an object may refer to after all.
ALLOWED = {}


def references(nm_output):
    """(object, symbol) of every undefined symbol in `nm -A` output."""
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


def shared_by_isa_objects(nm_output):
    """(object, symbol) of every weak definition in an object of one instruction set."""
    for line in nm_output.splitlines():
        match = re.match(r"^(?:.*?:)?([^:]+\.o):[0-9a-f]+\s+[WVu]\s+(\S+)", line)
        if match and ISA_OBJECT.match(match.group(1)):
            yield match.group(1), match.group(2)


def main(arguments):
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    run = subprocess.run([arguments[0], "-A", *arguments[1:]], capture_output=True, text=True, check=False)
    if run.returncode != 0 or ".o:" not in run.stdout:
        print(f"nm found no objects to look at: {run.stderr}")
        return 1
    found = offenders(run.stdout)
    for name, symbol in found:
        print(f"{name} calls {symbol}: libraries never print and never end the process")
    shared = sorted(set(shared_by_isa_objects(run.stdout)))
    for name, symbol in shared:
        print(f"{name} defines {symbol} for the whole program: put it into an unnamed namespace")
    return 1 if found or shared else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
