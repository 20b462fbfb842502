# Calls and words that have no place in the code, each with what to write instead.

import re

from source import Finding, line_of


class Ban:
    """`where` takes a SourceFile; `pattern` is searched in code, without comments and strings."""

    def __init__(self, rule, where, pattern, instead):
        self.rule, self.where, self.pattern, self.instead = rule, where, re.compile(pattern), instead


def library(file):
    return file.is_cpp and file.path.startswith(("src/", "include/")) and not file.is_test


def kernels(file):
    return file.path.startswith("src/kernels/") and file.is_cpp and not file.is_test


def product(file):
    return file.is_cpp and file.path.startswith(("src/", "include/", "cli/", "server/")) and not file.is_test


def cpp(file):
    return file.is_cpp


def test_code(file):
    return file.is_cpp and file.is_test


def header(file):
    return file.suffix == ".h"


# A call of a function of the C library, or of std::, but not a member or another namespace's function.
def call(names):
    return r"(?<![\w.>])(?<!->)(?:(?<!:)|(?<=std::)|(?<=[^:\w]::))(?:" + names + r")\s*\("


BANS = [
    Ban("print", library, call("printf|fprintf|vprintf|vfprintf|puts|fputs|putchar|fputc|perror|dprintf"),
        "libraries never print: return a Result, or call the caller's callback"),
    Ban("print", library, r"\bstd::(cout|cerr|clog|wcout|wcerr|print|println)\b|\bfmt::print\b|\bfmt::println\b"
        r"|<iostream>", "libraries never print: return a Result, or call the caller's callback"),
    Ban("abort", library, call("abort|exit|_exit|_Exit|quick_exit|terminate|raise|kill") +
        r"|\b__builtin_(trap|abort)\b", "libraries never end the process: return a Result; assert() what only "
        "a bug in gemvec can break"),
    Ban("exit", product, call("exit|_Exit|quick_exit"), "return the exit code from main, so that destructors run"),
    Ban("throw", library, r"\bthrow\b", "errors are values: return a Result"),
    Ban("throw", product, call("stoi|stol|stoll|stoul|stoull|stof|stod"),
        "it throws on bad input: use std::from_chars and look at what it says"),
    Ban("unsafe", cpp, call("strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca|tmpnam|mktemp"),
        "it cannot know the size of its buffer: use std::string or a span"),
    Ban("locale", product, call("atoi|atol|atof|strtod|strtof|setlocale|isalpha|isspace|isdigit|tolower|toupper"),
        "it depends on the locale or hides errors: use std::from_chars, or compare the characters"),
    Ban("random", cpp, call("rand|srand|drand48") + r"|\bstd::random_device\b|\bstd::default_random_engine\b",
        "not the same on every machine: use std::mt19937 with a seed written down"),
    Ban("random", test_code, r"\bstd::(normal|uniform_real|uniform_int|bernoulli)_distribution\b",
        "each standard library has its own: derive numbers from std::mt19937's bits"),
    Ban("shell", product, call("system|popen|vfork"), "no shell: posix_spawn with an argument list"),
    Ban("regex", product, r"\bstd::(basic_)?regex\b|<regex>", "it recurses on hostile input: write the few lines"),
    Ban("format", cpp, r"\bstd::v?format(_to)?\b|<format>|<ranges>",
        "Debian 12's compilers lack it: use fmt::format; loops instead of views"),
    Ban("using", header, r"\busing\s+namespace\b", "it leaks into every includer: name what is used"),
    Ban("using", product, r"\busing\s+namespace\s+std\b", "name what is used"),
    Ban("fast-math", cpp, r"#\s*pragma\s+(GCC|clang)\s+(optimize|fp)|\b__attribute__\s*\(\(\s*optimize",
        "the order of roundings is a promise: no fast math, no optimisation pragmas"),
    Ban("goto", cpp, r"\bgoto\b", "return early, or make it a function"),
    Ban("kernel-memory", kernels, call("malloc|calloc|realloc|free|aligned_alloc|posix_memalign") +
        r"|(?<!\w)new\s+[\w:(]|\bdelete\b(?!\s*;)(?<!=\sdelete)|\bstd::(make_|)(unique|shared)(_ptr|)\b",
        "kernels allocate nothing: the caller passes the memory"),
    Ban("kernel-container", kernels, r"\bstd::(vector|map|set|unordered_\w+|deque|list|array|function)\b",
        "kernels take plain pointers and sizes"),
    Ban("kernel-thread", kernels, r"\bstd::(thread|jthread|mutex|async|future|condition_variable|atomic)\b|"
        r"\bthread_local\b|\bThreadPool\b", "kernels know no threads: the caller splits the work"),
]

# Words, in the text of any file, comments included.
OWNERLESS_TODO = re.compile(r"\bTODO\b(?!\([\w-]+\):)")
FIXME = re.compile(r"\b(FIXME|XXX|HACK)\b")
FAST_MATH_FLAG = re.compile(r"-f(fast-math|unsafe-math-optimizations|associative-math)\b|-Ofast\b|-march=native\b")
# Our texts and code point to few places; a package registry's host is never one of them.
URL = re.compile(r"\bhttps?://(\[[0-9a-f:]+\]|[\w.-]+)", re.IGNORECASE)
HOSTS = {
    "huggingface.co",  # the model hub
    "ai.google.dev",  # the Gemma terms
    "www.apache.org",  # the licence text
    "git-lfs", "git-lfs.github.com",  # the first line of a file that git-lfs did not fetch
    "gemvec.invalid", "example.com", "example.invalid", "example.org", "localhost", "127.0.0.1", "[::1]",  # tests
}
OUTSIDE_PATH = re.compile(r"\.\./shared\b|(?<![\w./$}-])/work/|(?<![\w./$}-])/home/\w|(?<![\w./$}-])/tmp/\w")
TEXT = (".cc", ".h", ".py", ".md", ".txt", ".cmake", ".in", ".json", ".sh", ".html", ".css", ".js", ".service", "")


def check(files):
    findings = []
    for file in files:
        if file.text is None or file.suffix not in TEXT:
            continue
        if file.is_cpp:
            findings += check_calls(file)
        findings += check_words(file)
    return findings


def check_calls(file):
    findings = []
    for ban in BANS:
        if not ban.where(file):
            continue
        for match in ban.pattern.finditer(file.code):
            line = line_of(file.code, match.start())
            if not file.allows(line, ban.rule):
                findings.append(Finding(file.path, line, ban.rule, f"{match.group(0).strip()}: {ban.instead}"))
    return findings


def check_words(file):
    # The rules themselves have to spell what they ban, and the licence text is not ours to change.
    if file.path.startswith("tests/tidy/") or file.path == "LICENSE":
        return []
    findings = []

    def find(pattern, rule, message, text):
        for match in pattern.finditer(text):
            line = line_of(text, match.start())
            if not file.allows(line, rule):
                findings.append(Finding(file.path, line, rule, message.format(match.group(0))))

    # In prose, `TODO(name):` between backticks is a mention.
    words = re.sub(r"`[^`\n]*`", lambda m: " " * len(m.group(0)), file.text) if file.suffix == ".md" else file.text
    find(OWNERLESS_TODO, "todo", "{}: say whose it is, TODO(name): what", words)
    find(FIXME, "todo", "{}: fix it now, or file an issue", words)
    find(FAST_MATH_FLAG, "fast-math", "{}: the order of roundings is a promise, and ISA flags belong to single files",
         words)
    for match in URL.finditer(file.text):
        if match.group(1).lower() not in HOSTS:
            line = line_of(file.text, match.start())
            findings.append(Finding(file.path, line, "host", f"{match.group(0)}: not one of the few places gemvec "
                                    "names (HOSTS in tests/tidy/banned.py)"))
    find(OUTSIDE_PATH, "path", "{}: a path of one machine; nothing may depend on what lies outside the repository",
         file.text)
    return findings
