# Is nothing in a program with emulated kernels an instruction that should have been emulated?
"""Usage: no_native.py OBJDUMP PROGRAM"""

import subprocess
import sys

NATIVE = ("%zmm", "vpdpbusd", "vpdpwssd", "vdpbf16ps", "vcvtneps2bf16", "vcvtne2ps2bf16", "%tmm", "tilerelease", "ldtilecfg")


def main(arguments):
    run = subprocess.run([arguments[0], "-d", "--no-show-raw-insn", arguments[1]], capture_output=True, text=True,
                         check=True)  # fmt: skip
    lines = run.stdout.splitlines()
    emulated = sum("%ymm" in line for line in lines)
    native = [line for line in lines if any(word in line for word in NATIVE)]
    print(f"{emulated} instructions of AVX2, {len(native)} that should have been emulated", *native[:10], sep="\n")
    return 1 if native or not emulated else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
