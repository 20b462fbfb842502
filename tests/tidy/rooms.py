# Who may include whom: ARCHITECTURE.md's arrows, as a table that a test reads.

import re

from source import Finding

# For each room: the rooms of src/ it may include, and the public headers it may include.
RESULT = {"gemvec/result.h"}
EVERY_HEADER = None
ROOMS = {
    "base": ({"base"}, RESULT),
    "cpu": ({"base", "cpu"}, RESULT),
    "kernels": ({"base", "cpu", "kernels"}, RESULT),
    "formats": ({"base", "formats"}, RESULT),
    "tokenizer": ({"base", "tokenizer"}, RESULT | {"gemvec/tokenizer.h"}),
    "model": ({"base", "cpu", "kernels", "model"}, RESULT),
    "source": ({"base", "formats", "tokenizer", "model", "source"}, RESULT | {"gemvec/tokenizer.h", "gemvec/inspect.h"}),
    "convert": ({"base", "formats", "tokenizer", "model", "source", "convert"}, EVERY_HEADER),
    "engine": ({"base", "cpu", "kernels", "tokenizer", "model", "source", "engine"}, EVERY_HEADER),
    "fetch": ({"base", "fetch"}, RESULT | {"gemvec/fetch.h"}),
    "capi": ({"base", "engine", "capi"}, EVERY_HEADER),
}
# Folders outside src/: which of our headers they may include, by the beginning of the path.
OUTSIDE = {
    "include": ("gemvec/",),
    "cli": ("gemvec/", "cli/", "server/options.h", "server/serve.h"),
    "server": ("gemvec/", "server/"),
    "bindings": ("gemvec/gemvec.h", "bindings/"),
}
# Libraries that only some rooms may use. A header's first match decides; the rest is free.
LIBRARIES = [
    (r"curl/", {"fetch"}),
    (r"openssl/", {"fetch", "server"}),
    (r"(minizip/|unzip\.h|zlib\.h|zip\.h)", {"fetch"}),
    (r"CLI/", {"cli"}),
    (r"spdlog/", {"cli", "server"}),
    (r"boost/(asio|beast)", {"server"}),
    (r"prometheus/", {"server"}),
    (r"csv\.h", {"cli"}),
    (r"protozero/", {"formats"}),
    (r"(napi|node_api)\.h", {"bindings"}),
    (r"boost/", {"base", "formats", "tokenizer", "model", "source", "convert", "engine", "fetch", "cli", "server"}),
    (r"fmt/", {"base", "cpu", "formats", "tokenizer", "model", "source", "convert", "engine", "fetch", "capi", "cli", "server"}),
    (r"(immintrin|x86intrin|arm_neon|wasm_simd128)\.h", {"kernels"}),
    (r"(gtest|gmock|benchmark)/", set()),
]
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.MULTILINE)

# What is compiled with an instruction set's flags: its files in the families, and the headers they share.
ISA = re.compile(r"^src/kernels/(\w+/(scalar|sse\d*|avx2|avxvnni|avx512\w*|amx|neon\w*|wasm\w*)\.cc|simd/\w+(\.inl)?\.h|"
                 r"\w+/\w+\.inl\.h)$")
ISA_ANGLE = {
    "immintrin.h", "arm_neon.h", "wasm_simd128.h", "cassert", "cmath", "cstddef", "cstdint", "cstring", "limits",
}
CONTAINERS = re.compile(
    r"^(vector|string|array|deque|list|forward_list|map|set|unordered_map|unordered_set|queue|stack|memory|new|"
    r"thread|mutex|shared_mutex|condition_variable|future|atomic|functional|iostream|sstream|fstream|filesystem)$"
)


def room_of(path):
    """("src", "kernels") for src/kernels/..., ("cli", None) for cli/..."""
    parts = path.split("/")
    if parts[0] == "src":
        return "src", parts[1] if len(parts) > 2 else None
    return parts[0], None


def includes(file):
    """(line, angle or quote, header) of each #include."""
    for match in INCLUDE.finditer(file.code):
        yield file.code.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def check(files):
    findings = []
    for file in files:
        if not file.is_cpp:
            continue
        top, room = room_of(file.path)
        if top == "src" and room not in ROOMS:
            findings.append(Finding(file.path, 1, "rooms", f"src/{room} is no room: add it to tests/tidy/rooms.py "
                                    "and to ARCHITECTURE.md, with what it may include"))
            continue
        if ISA.match(file.path) and file.suffix == ".h" and not re.search(r"namespace \{", file.code):
            findings.append(Finding(file.path, 1, "rooms", "what is compiled per instruction set lies in an unnamed "
                                    "namespace: the linker must not take one set's copy for another's"))
        for line, quote, header in includes(file):
            message = refuse(file, top, room, quote, header)
            if message and not file.allows(line, "rooms"):
                findings.append(Finding(file.path, line, "rooms", message))
    return findings


def refuse(file, top, room, quote, header):
    """Why this include may not be, or None."""
    if header.startswith((".", "/")):
        return f'"{header}": write the path from src/ or include/, without dots'
    if quote == "<":
        if header.startswith("gemvec/") and not file.path.startswith("tests/package/"):  # a consumer's view
            return f"<{header}>: our own headers are included with quotes"
        return refuse_library(file, top, room, header)
    if top == "src":
        return refuse_in_src(file, room, header)
    if top in OUTSIDE and not file.is_test:
        if not header.startswith(OUTSIDE[top]) and not beside(file, header):
            return f'"{header}": {top}/ sees only ' + " and ".join(OUTSIDE[top])
    return None


def beside(file, header):
    return "/" not in header and (file.full_path.parent / header).exists()


def refuse_in_src(file, room, header):
    rooms, public = ROOMS[room]
    if room == "kernels" and not file.is_test and ISA.match(file.path) and not header.startswith("kernels/"):
        return f'"{header}": a file of one instruction set includes its contract and the intrinsics, nothing else'
    if header.startswith("gemvec/"):
        if public is EVERY_HEADER or header in public or file.is_test:
            return None
        return f'"{header}": src/{room} may include of the public headers only ' + ", ".join(sorted(public))
    first = header.partition("/")[0]
    if file.is_test and header.startswith("support/"):  # tests/support: helpers of the tests
        return None
    if first not in rooms:
        return f'"{header}": src/{room} may include only ' + ", ".join(f"{name}/" for name in sorted(rooms))
    return None


def refuse_library(file, top, room, header):
    if room == "kernels" and not file.is_test:
        if ISA.match(file.path) and header not in ISA_ANGLE:
            return f"<{header}>: a file of one instruction set includes its contract and the intrinsics; allowed " \
                   "are " + ", ".join(f"<{name}>" for name in sorted(ISA_ANGLE))
        if CONTAINERS.match(header):
            return f"<{header}>: kernels take plain pointers; containers, memory and threads belong to their callers"
    if file.is_test or top in ("tests", "bench", "tools"):
        return None
    for pattern, rooms in LIBRARIES:
        if re.match(pattern, header):
            if (room or top) not in rooms:
                return f"<{header}>: only " + (", ".join(sorted(rooms)) or "tests") + " may use this library"
            return None
    return None
