# How long files, functions and lines may be.

import ast
import re

from functions import functions
from source import Finding

FILE_LINES = 600
FUNCTION_LINES = 70
# A kernel of one instruction set is one loop nest that registers tie together: it may be longer, and says why.
KERNEL_LINES = 120
LINE_COLUMNS = 110  # C++ is held to the same by .clang-format
CODE = (".cc", ".h", ".py", ".sh", ".cmake")
LONG = re.compile(r"// long: \S+")


def is_script(file):
    return file.path.startswith(("scripts/", "bench/")) and file.suffix == "" or file.path == ".ci/run"


def check(files):
    findings = []
    for file in files:
        if file.text is None or not (file.suffix in CODE or is_script(file)):
            continue
        lines = file.text.count("\n")
        if lines > FILE_LINES:
            findings.append(Finding(file.path, lines, "file-length", f"{lines} lines; at most {FILE_LINES}: "
                                    "split it along what it is about"))
        if file.is_cpp:
            findings += check_cpp_functions(file)
        elif file.suffix == ".py":
            findings += check_python_functions(file)
        if not file.is_cpp:
            findings += check_columns(file)
    return findings


def check_cpp_functions(file):
    findings = []
    for function in functions(file.code):
        limit, advice = FUNCTION_LINES, "split it, control flow in one parent"
        if file.path.startswith("src/kernels/") and not file.is_test:
            above_and_inside = file.lines[max(0, function.first_line - 4) : function.last_line]
            if any(LONG.search(line) for line in above_and_inside):
                limit = KERNEL_LINES
            else:
                advice += f"; or, for a kernel, up to {KERNEL_LINES} with a comment `// long: reason`"
        if function.length > limit:
            findings.append(Finding(file.path, function.first_line, "function-length",
                                    f"{function.name} has {function.length} lines; at most {limit}: {advice}"))
    return findings


def check_python_functions(file):
    try:
        tree = ast.parse(file.text)
    except SyntaxError as error:
        return [Finding(file.path, error.lineno or 1, "syntax", str(error.msg))]
    return [
        Finding(file.path, node.lineno, "function-length",
                f"{node.name} has {node.end_lineno - node.lineno + 1} lines; at most {FUNCTION_LINES}")
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES
    ]


def check_columns(file):
    limit = LINE_COLUMNS + 20  # comments and messages in scripts wrap a little later than code
    return [
        Finding(file.path, number, "columns", f"{len(line)} columns; at most {limit}")
        for number, line in enumerate(file.lines, 1)
        if len(line) > limit and "http" not in line
    ]
