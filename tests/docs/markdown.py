# Fenced blocks and links of a Markdown file.

import pathlib
import re

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})[ ]*(?P<info>[^`]*)$")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


class Block:
    """A fenced block: `language`, then `words`, as in ```sh test exit=2, or ```sh server port=3000."""

    def __init__(self, path, line, info, text):
        self.path, self.line, self.text = path, line, text
        self.language, *self.words = info.split() or [""]

    @property
    def place(self):
        return f"{self.path}:{self.line}"

    @property
    def is_test(self):
        return "test" in self.words

    @property
    def is_server(self):
        return self.language == "sh" and "server" in self.words

    @property
    def port(self):
        return next((word[5:] for word in self.words if word.startswith("port=")), "3000")

    @property
    def is_output(self):
        return self.language == "text" and "output" in self.words

    @property
    def exit_code(self):
        return next((int(word[5:]) for word in self.words if word.startswith("exit=")), 0)


def blocks(path, text):
    """The blocks in order. Raises ValueError at a fence that is never closed."""
    found, opened = [], None  # opened: (line, ticks, indent, info, lines)
    for number, line in enumerate(text.split("\n"), 1):
        match = FENCE.match(line)
        if opened is None:
            if match:
                opened = (number, match["ticks"], len(match["indent"]), match["info"], [])
        elif match and not match["info"] and len(match["ticks"]) >= len(opened[1]):
            found.append(Block(path, opened[0], opened[3], "\n".join(opened[4]) + "\n"))
            opened = None
        else:
            opened[4].append(line[min(opened[2], len(line) - len(line.lstrip())) :])
    if opened is not None:
        raise ValueError(f"{path}:{opened[0]}: this fenced block is never closed")
    return found


def broken_links(root, path, text):
    """Relative links to files that do not exist."""
    root = pathlib.Path(root)
    for match in LINK.finditer(re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)):
        target = match.group(1).partition("#")[0]
        if target and "://" not in target and not (root / path).parent.joinpath(target).exists():
            yield f"{path}: the link to {match.group(1)} leads nowhere"


def output_matches(expected, actual):
    """`...` stands for anything within a line; a line of `...` alone for any number of lines."""
    pattern = []
    for line in expected.rstrip("\n").split("\n"):
        if line.strip() == "...":
            pattern.append(r"(?:[^\n]*\n)*?")
        else:
            pattern.append("[^\n]*".join(re.escape(part.rstrip() if part is line else part)
                                         for part in line.rstrip().split("...")) + r"[ ]*\n")  # fmt: skip
    return re.fullmatch("".join(pattern), actual.rstrip("\n") + "\n") is not None


def documents(root):
    """README.md and its neighbours, and everything under docs/."""
    root = pathlib.Path(root)
    return sorted(path.relative_to(root).as_posix() for path in [*root.glob("*.md"), *root.glob("docs/**/*.md")])
