# Reading source files for the style test: which files there are, and C++ without its comments and strings.

import pathlib
import re
import subprocess

CPP = (".cc", ".h")


class Finding:
    """One thing that is wrong, at one line of one file."""

    def __init__(self, path, line, rule, message):
        self.path, self.line, self.rule, self.message = path, line, rule, message

    def __str__(self):
        return f"{self.path}:{self.line}: [{self.rule}] {self.message}"


class SourceFile:
    """A file of the project. `path` is relative to the root, with forward slashes."""

    def __init__(self, root, path):
        self.path = path
        self.full_path = pathlib.Path(root) / path
        self.suffix = pathlib.PurePosixPath(path).suffix
        self.raw = self.full_path.read_bytes()
        try:
            self.text = self.raw.decode("utf-8")
        except UnicodeDecodeError:
            self.text = None
        self._code = None

    @property
    def name(self):
        return self.path.rpartition("/")[2]

    @property
    def lines(self):
        return (self.text or "").split("\n")

    @property
    def code(self):
        """C++ with comments and the insides of literals blanked out; positions and lines stay."""
        if self._code is None:
            self._code = blank_comments_and_literals(self.text or "")
        return self._code

    @property
    def is_cpp(self):
        return self.suffix in CPP

    @property
    def is_test(self):
        """Test code: what lies under tests/, and unit tests and fuzzers that stand beside the code."""
        stem = pathlib.PurePosixPath(self.path).stem
        return self.path.startswith("tests/") or stem.endswith(("_test", "_fuzz", "_testing"))

    def allows(self, line, rule):
        """`// tidy: allow(RULE) REASON` on the line or the one above; without a reason it counts for nothing."""
        pattern = re.compile(r"tidy: allow\(" + re.escape(rule) + r"\)\s+\S+")
        return any(pattern.search(text) for text in self.lines[max(0, line - 2) : line])


LEXEMES = re.compile(
    r"""//[^\n]*
      | /\*.*?\*/
      | R"(?P<delimiter>[^()\\\s]*)\(.*?\)(?P=delimiter)"
      | "(?:\\.|[^"\\\n])*"
      | (?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'
    """,
    re.VERBOSE | re.DOTALL,
)


def blank_comments_and_literals(text):
    def blank(match):
        lexeme = match.group(0)
        hidden = re.sub(r"[^\n]", " ", lexeme)
        if lexeme.startswith("/"):
            return hidden
        return lexeme[0] + hidden[1:-1] + lexeme[-1]  # the quotes stay: `""` is still an expression

    # What #include names is no string to be hidden.
    def keep_includes(match):
        line_begin = text.rfind("\n", 0, match.start()) + 1
        if re.match(r"\s*#\s*include\b", text[line_begin : match.start()]):
            return match.group(0)
        return blank(match)

    return LEXEMES.sub(keep_includes, text)


def project_files(root):
    """Paths of the project's files: what git tracks or would add; without git, everything but build/."""
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listing.returncode == 0:
        paths = [path.decode("utf-8", "replace") for path in listing.stdout.split(b"\0") if path]
    else:
        paths = [
            path.relative_to(root).as_posix()
            for path in pathlib.Path(root).rglob("*")
            if path.is_file() and path.relative_to(root).parts[0] not in ("build", ".git")
        ]
    return sorted(set(path for path in paths if (pathlib.Path(root) / path).is_file()))


def load(root):
    return [SourceFile(root, path) for path in project_files(root)]


def line_of(text, position):
    return text.count("\n", 0, position) + 1
