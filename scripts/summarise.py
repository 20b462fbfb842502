# Adds up ctest's JUnit files and closes with one line, "N passed, M failed", on which the exit code depends.
"""Usage: summarise.py FOLDER [--failed-stage=NAME ...]

FOLDER holds one JUnit file per preset. A stage that failed without a failed test (a build that broke, a
ctest that found nothing to run) counts as one failure, so that the last line never looks better than the
run was. A test may be skipped for one reason only: this machine's processor lacks the instruction set that
the test's name ends in, or the system refuses its registers. Both are asked here again, so a broken detection in
gemvec cannot skip its own tests.
"""

import argparse
import ctypes
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

# What /proc/cpuinfo must list for each instruction set that a test's name may end in.
AVX2 = {"avx2", "fma", "f16c"}
AVX512 = {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
ISA_FLAGS = {
    "scalar": set(),
    "avx2": AVX2,
    "avxvnni": AVX2 | {"avx_vnni"},
    "avx512": AVX512,
    "avx512vnni": AVX512 | {"avx512_vnni"},
    "avx512bf16": AVX512 | {"avx512_vnni", "avx512_bf16"},
    "amx": AVX512 | {"avx512_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16"},
}


def processor_flags(cpuinfo="/proc/cpuinfo"):
    """The flags of the first processor; empty where the file or the line does not exist."""
    try:
        with open(cpuinfo, encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("flags"):
                    return set(line.partition(":")[2].split())
    except OSError:
        pass
    return set()


def may_use_tiles():
    """Whether the system lets a process have AMX's tile registers: Linux may refuse what the processor has."""
    arch_prctl, request_permission, tile_data = 158, 0x1023, 18
    return ctypes.CDLL(None).syscall(arch_prctl, request_permission, tile_data) == 0


def may_skip(name, flags):
    """Whether a test of this name has a right to be skipped on a processor with these flags."""
    program, _, isa = name.rpartition(".")
    if program.endswith("_emulated_test"):
        isa = "avx2"  # what the emulation of any set runs on
    return isa in ISA_FLAGS and not ISA_FLAGS[isa] <= flags


def outcome(case, flags):
    """"passed", "skipped" or "failed: WHY" of one <testcase>."""
    status = case.get("status")
    if status == "run" and case.find("failure") is None and case.find("skipped") is None:
        return "passed"
    if case.find("skipped") is not None or status in ("notrun", "disabled"):
        skipped = case.find("skipped")
        why = skipped.get("message", "") if skipped is not None else "not run"
        if "SKIP_RETURN_CODE" in why and may_skip(case.get("name", ""), flags):
            return "skipped"
        return f"failed: skipped without a right to ({why or status})"
    failure = case.find("failure")
    return "failed: " + (failure.get("message") or "failed" if failure is not None else f"status {status}")


def add_up(folder, failed_stages, flags):
    """(passed, failed, skipped, lines that name each failure and skip)."""
    passed, failed, skipped, lines = 0, 0, 0, []
    stages_with_failures = set()
    for path in sorted(pathlib.Path(folder).glob("*.xml")):
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            result = outcome(case, flags)
            if result == "passed":
                passed += 1
                continue
            if result == "skipped":
                skipped += 1
            else:
                failed += 1
                stages_with_failures.add(path.stem)
            lines.append(f"{path.stem}: {case.get('name')}: {result}")
    for stage in failed_stages:
        if stage not in stages_with_failures:
            failed += 1
            lines.append(f"{stage}: failed: the stage itself (see above)")
    if passed + failed == 0:
        failed = 1
        lines.append("no test ran")
    return passed, failed, skipped, lines


def main(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--failed-stage", action="append", default=[])
    options = parser.parse_args(arguments)
    flags = processor_flags()
    if "amx_tile" in flags and not may_use_tiles():
        flags.discard("amx_tile")
    passed, failed, skipped, lines = add_up(options.folder, options.failed_stage, flags)
    for line in lines:
        print(line)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
