"""The code blocks of a Markdown text."""

from __future__ import annotations

import re
import textwrap
from typing import NamedTuple

_FENCE = re.compile(
    r"(?P<indent> *)```(?P<info>[^`\n]*)\n(?P<body>.*?)\n?(?P=indent)```", re.DOTALL
)


class Block(NamedTuple):
    """A fenced code block: what follows its opening fence, its text, its first line's number."""

    info: str
    text: str
    line: int


def code_blocks(markdown: str) -> list[Block]:
    """Returns all fenced code blocks, those within list items without their indentation."""
    return [
        Block(
            match["info"].strip(),
            textwrap.dedent(match["body"]) + "\n",
            markdown.count("\n", 0, match.start()) + 2,
        )
        for match in _FENCE.finditer(markdown)
    ]
