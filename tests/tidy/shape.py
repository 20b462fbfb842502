# Which files there may be, and what each looks like from outside: type, size, first comment, last newline.

import json
import pathlib
import re

from source import Finding

BLOB_BYTES = 1_000_000
# Larger files that have earned their place, with the reason.
LARGE = {}
KNOWN_TYPES = {".cc", ".h", ".inc", ".py", ".md", ".cmake", ".txt", ".in", ".json", ".jsonl", ".csv", ".html", ".sh",
               ".dict", ".css", ".js", ".service", ".dockerignore", ".c", ".toml", ".pyi", ".typed", ".mjs", ".ts", ".mts"}
KNOWN_NAMES = {".clang-format", ".clang-tidy", ".gitignore", ".gitattributes", ".npmrc", "LICENSE", "NOTICE", "Dockerfile"}
# Bytes that no text editor made live where tests read them, and nowhere else.
DATA_TYPES = {".bin", ".f32", ".npy", ".gz", ".xz", ".safetensors", ".tsv"}
DATA_TEXT = {".json", ".jsonl", ".csv"}  # as the program that made them left them
DATA_FOLDERS = re.compile(r"^(tests|bench)/")
# Plots are drawn by bench/peers beside the JSON with their figures, the picture of the page by tests/page.
PICTURES = re.compile(r"^(docs/benchmarks/[\w-]+\.svg|docs/[\w-]+\.png|server/page/static/[\w-]+\.svg)$")
FUZZ_CORPUS = re.compile(r"^tests/fuzz/\w+/")  # seeds, of any name and with any bytes
CONFLICT = re.compile(r"^(<{7} |>{7} |={7}$)", re.MULTILINE)


def check(files):
    findings = []
    paths = {file.path for file in files}
    for file in files:
        findings += check_type(file)
        findings += check_bytes(file)
        if file.text is not None and is_text(file):
            findings += check_text(file)
            findings += check_first_comment(file, paths)
    return findings


def is_text(file):
    return file.suffix in KNOWN_TYPES or file.name in KNOWN_NAMES or file.suffix == ""


def is_script(file):
    return file.suffix == "" and (file.path.startswith(("scripts/", "bench/")) or file.path == ".ci/run")


def check_type(file):
    if file.suffix in KNOWN_TYPES or file.name in KNOWN_NAMES or is_script(file) or FUZZ_CORPUS.match(file.path):
        return []
    if PICTURES.match(file.path):
        return []
    if file.suffix in DATA_TYPES and DATA_FOLDERS.match(file.path):
        return []
    return [Finding(file.path, 1, "file-type", f"no file of type '{file.suffix or file.name}' belongs here (the known "
                    "ones are in tests/tidy/shape.py)")]


def check_bytes(file):
    findings = []
    size = len(file.raw)
    if size > BLOB_BYTES and file.path not in LARGE:
        findings.append(Finding(file.path, 1, "blob", f"{size} bytes; at most {BLOB_BYTES}: history keeps them"))
    executable = file.full_path.stat().st_mode & 0o111
    if is_script(file) and not file.path.endswith(".txt") and not executable:
        findings.append(Finding(file.path, 1, "mode", "a script is executable"))
    if executable and not file.raw.startswith(b"#!"):
        findings.append(Finding(file.path, 1, "mode", "executable, but no script: chmod -x"))
    if file.text is None and is_text(file) and not FUZZ_CORPUS.match(file.path):
        findings.append(Finding(file.path, 1, "encoding", "not UTF-8"))
    return findings


def check_text(file):
    if FUZZ_CORPUS.match(file.path) or file.path == "LICENSE" or file.text == "":
        return []
    findings = []
    if file.suffix not in DATA_TEXT and (not file.text.endswith("\n") or file.text.endswith("\n\n")):
        findings.append(Finding(file.path, len(file.lines), "whitespace", "ends in exactly one newline"))
    for number, line in enumerate(file.lines, 1):
        if line != line.rstrip():
            findings.append(Finding(file.path, number, "whitespace", "spaces at the end of the line, or a CR"))
        if "\t" in line and file.suffix != ".txt":
            findings.append(Finding(file.path, number, "whitespace", "a tab: indent with spaces, write \\t in strings"))
    if CONFLICT.search(file.text):
        findings.append(Finding(file.path, 1, "conflict", "a merge conflict was left in"))
    if file.suffix == ".json":
        try:
            json.loads(file.text)
        except ValueError as error:
            findings.append(Finding(file.path, 1, "syntax", f"not JSON: {error}"))
    return findings


def check_first_comment(file, paths):
    """The first line says what the file is. A .cc whose header of the same name says it need not repeat it."""
    lines = file.lines
    if file.is_cpp or file.suffix == ".inc":
        beside = str(pathlib.PurePosixPath(file.path).with_suffix(".h"))
        in_public = "include/gemvec/" + pathlib.PurePosixPath(file.path).stem + ".h"
        if file.suffix == ".cc" and (beside in paths or in_public in paths):
            return []
        if not re.match(r"//+ \S+", lines[0]):
            return [Finding(file.path, 1, "first-comment", "the first line is a // comment: what this file is")]
        if file.suffix == ".h" and "#pragma once" not in lines:
            return [Finding(file.path, 1, "pragma-once", "a header has #pragma once")]
    elif is_script(file) or file.suffix == ".sh" or (file.suffix == ".py" and lines[0].startswith("#!")):
        second = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
        if not re.match(r'(# |""")\S+', second):
            return [Finding(file.path, 2, "first-comment", "after #!, a comment that says what this script does")]
    elif file.suffix in (".py", ".cmake") or file.path.startswith("scripts/"):
        if not re.match(r'(#|""")\s*\S+', lines[0]):
            return [Finding(file.path, 1, "first-comment", "the first line is a comment that says what this file is")]
    elif file.suffix == ".md" and not re.match(r"# \S+", lines[0]):
        return [Finding(file.path, 1, "first-comment", "a text begins with its title, # Title")]
    return []
