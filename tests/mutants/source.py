"""What of a C++ file is code that may be changed."""

from __future__ import annotations

import re
from pathlib import Path

NO_CODE = re.compile(
    r"""
      //[^\n]*
    | /\*.*?\*/
    | R"(?P<mark>\w*)\(.*?\)(?P=mark)"
    | "(?:\\.|[^"\\\n])*"
    | (?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'
    | ^[ ]*\#(?:\\\n|[^\n])*
    | \[\[.*?\]\]
    | \bcase\s+[\w:]+\s*:(?!:)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
CHECK = re.compile(r"\b(?:static_assert|assert)\s*\(")
DECLARATION = re.compile(r"\s*(?:using|namespace|template|enum|struct|class|friend|virtual)\b")


def blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def closing(text: str, opening: int) -> int:
    """Where the bracket at `opening` is closed; -1 when that is not in `text`."""
    depth = 0
    for index in range(opening, len(text)):
        if text[index] in "([{":
            depth += 1
        elif text[index] in ")]}":
            depth -= 1
            if depth == 0:
                return index
    return -1


class Source:
    """The lines of a file, and the same with blanks in place of what is not code."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        code = NO_CODE.sub(lambda found: blank(found[0]), text)
        for check in CHECK.finditer(code):
            end = closing(code, check.end() - 1) + 1
            code = code[: check.start()] + blank(code[check.start() : end]) + code[end:]
        self.lines = text.splitlines()
        self._code = code.splitlines()

    def code(self, number: int) -> str:
        """Line `number`, counted from 1: as long as the line itself; empty for a declaration."""
        code = self._code[number - 1]
        return "" if DECLARATION.match(code) else code

    def begins_statement(self, number: int) -> bool:
        """Whether what stands before line `number` is complete."""
        before = "".join(self._code[: number - 1]).rstrip()
        return before == "" or before[-1] in ";{}:"
