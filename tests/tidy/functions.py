# Finds the functions of a C++ file by their braces: enough of a parser to measure how long each one is.

import re

from source import line_of

TYPE_OR_NAMESPACE = re.compile(r"\b(?:namespace|class|struct|union|enum)\b|\bextern\s*\"")
CONSTRUCTOR_INITIALIZER = re.compile(r"\)\s*(?:noexcept\s*)?:(?!:)[^;]*[\w>]$", re.DOTALL)


class Function:
    def __init__(self, name, first_line, last_line):
        self.name, self.first_line, self.last_line = name, first_line, last_line

    @property
    def length(self):
        return self.last_line - self.first_line + 1


def without_preprocessor(code):
    """Blanks #directives, whose braces need not match; continued lines too."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), code, flags=re.M)


def kind_of_brace(header):
    """What a brace opens, told by the text before it: "scope", "function" or "value"."""
    header = re.sub(r"\balignas\s*\([^()]*\)", " ", header).strip()
    before_parenthesis = re.sub(r"template\s*<.*?>\s*(?=\b(?:class|struct|union)\b)", "", header, flags=re.S)
    before_parenthesis = before_parenthesis.partition("(")[0]
    if TYPE_OR_NAMESPACE.search(re.sub(r"\btemplate\s*<[^{]*?>", "", before_parenthesis)) or header == "":
        return "scope"
    if "(" not in header or header.endswith(("=", ",", "(")):
        return "value"
    if CONSTRUCTOR_INITIALIZER.search(header):
        return "value"
    return "function"


def name_of(header):
    match = re.search(r"([~\w:]+|operator\s*\S+?)\s*\(", header)
    if not match:
        return "a function"
    if re.fullmatch(r"[A-Z][A-Z_0-9]+", match.group(1)):  # TEST(Suite, Name) {
        return header.strip().partition(")")[0] + ")"
    return match.group(1)


def functions(code):
    """The outermost functions of blanked C++ code, lambdas inside them included in their length."""
    code = without_preprocessor(code)
    found, scopes = [], []  # scopes: (kind, header, position where the header begins)
    header_begin = 0
    for match in re.finditer(r"[{};]", code):
        position, character = match.start(), match.group(0)
        in_scope = all(kind == "scope" for kind, _, _ in scopes)
        if character == "{":
            header = code[header_begin:position]
            kind = kind_of_brace(header) if in_scope else "inside"
            begin = header_begin + len(header) - len(header.lstrip())
            scopes.append((kind, header, begin))
            if kind == "scope":
                header_begin = position + 1
        elif character == "}" and scopes:
            kind, header, begin = scopes.pop()
            if kind == "function":
                found.append(Function(name_of(header), line_of(code, begin), line_of(code, position)))
            if kind in ("function", "scope"):
                header_begin = position + 1
        elif character == ";" and in_scope:
            header_begin = position + 1
    return found
