"""The changes that are made to a line: each what a hand or an eye might get wrong.

A change that does not compile is no mutant, so an operator need not know C++ well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .source import Source, closing


class Change(NamedTuple):
    """One change of a line."""

    operator: str
    after: str


# Template brackets and references have no blank before them: clang-format sees to that.
SWAPS = {
    " == ": " != ",
    " != ": " == ",
    " < ": " <= ",
    " <= ": " < ",
    " > ": " >= ",
    " >= ": " > ",
    " && ": " || ",
    " || ": " && ",
    " + ": " - ",
    " - ": " + ",
    " * ": " / ",
    " / ": " * ",
    " += ": " -= ",
    " -= ": " += ",
    " & ": " | ",
    " | ": " & ",
    "std::min": "std::max",
    "std::max": "std::min",
    "true": "false",
    "false": "true",
}
SWAP = re.compile(
    r"std::m(?:in|ax)\b|\b(?:true|false)\b| (?:[=!]=|[<>]=?|&&|\|\||[-+*/]=?|[&|])(?: |$)"
)
STEP = re.compile(r"(?:\+\+|--)(?=[\w(*])|(?<=[\w)\]])(?:\+\+|--)")
NOT = re.compile(r"!(?=[\w(:*])")
WHOLE = re.compile(r"(?<![\w.'])(0[xX][0-9a-fA-F']+|[0-9][0-9']*)(?=[uUlLzZ]*(?![\w.']))")
REAL = re.compile(r"(?<![\w.'])[0-9]+\.[0-9]+(?![\w.'])")
VALUE = re.compile(r"\b(\w+)::(k[A-Z]\w*)\b")
IF = re.compile(r"\bif \(")
# `Type name`, `Type& name`, `const ...`, `return value`: without it the rest seldom compiles.
DECLARES = re.compile(
    r"\s*(?:const |constexpr |static |auto |return |[\w:]+(?:<.*>)?[*&]* [*&]?[\w\[])"
)

Enums = Mapping[str, Sequence[str]]


def read_enums(folder: Path) -> dict[str, list[str]]:
    """The values of each enum class in the headers and sources of `folder`."""
    enums: dict[str, list[str]] = {}
    for path in [*folder.rglob("*.h"), *folder.rglob("*.cc")]:
        text = re.sub(r"//[^\n]*", "", path.read_text(encoding="utf-8"))
        for name, body in re.findall(r"enum class (\w+)[^{;]*\{([^}]*)\}", text):
            enums[name] = re.findall(r"\bk[A-Z]\w*", body)
    return enums


def changes(source: Source, number: int, enums: Enums) -> list[Change]:
    """All that can be made of line `number`."""
    line, code = source.lines[number - 1], source.code(number)
    found = [
        *_tokens(line, code, enums),
        *_conditions(line, code),
        *_statements(line, code, source.begins_statement(number)),
    ]
    return [change for change in found if change.after != line]


def _tokens(line: str, code: str, enums: Enums) -> Iterator[Change]:
    def put(operator: str, found: re.Match[str], text: str) -> Change:
        return Change(operator, line[: found.start()] + text + line[found.end() :])

    for found in SWAP.finditer(code):
        # At the end of a line the blank behind it is the line's end.
        other = SWAPS.get(found[0]) or SWAPS.get(f"{found[0]} ", "").rstrip(" ") or found[0]
        yield put(f"{found[0].strip()} to {other.strip()}", found, other)
    for found in STEP.finditer(code):
        yield put(f"{found[0]} removed", found, "")
    for found in NOT.finditer(code):
        yield put("! removed", found, "")
    for found in WHOLE.finditer(code):
        is_hex = found[0][:2] in ("0x", "0X")
        value = int(found[0].replace("'", ""), 16 if is_hex else 10)
        write = hex if is_hex else str
        yield put("constant + 1", found, write(value + 1))
        if value > 0:
            yield put("constant - 1", found, write(value - 1))
    for found in REAL.finditer(code):
        yield put("constant + 1", found, str(float(found[0]) + 1))
    for found in VALUE.finditer(code):
        values = enums.get(found[1], [])
        if found[2] in values and len(values) > 1:
            other = values[(values.index(found[2]) + 1) % len(values)]
            yield put("another value", found, f"{found[1]}::{other}")


def _conditions(line: str, code: str) -> Iterator[Change]:
    for found in IF.finditer(code):
        opening = found.end() - 1
        end = closing(code, opening)
        # Not `if (declaration; condition)`.
        if end > 0 and ";" not in code[opening:end]:
            inside = line[opening : end + 1]
            yield Change("condition negated", f"{line[:opening]}(!{inside}){line[end + 1 :]}")


def _statements(line: str, code: str, begins: bool) -> Iterator[Change]:
    text = code.rstrip()
    if not begins or not text.endswith(";") or not re.search(r"\w", text):
        return
    branch = re.match(r"\s*(?:\} )?(?:else )?if \(", text)
    if branch:
        end = closing(text, branch.end() - 1)
        if 0 < end < len(text) - 1:
            yield Change("statement deleted", f"{line[: end + 1]} {{}}")
        return
    whole = closing(f"({text})", 0) == len(text) + 1
    if whole and DECLARES.match(text) is None:
        yield Change("statement deleted", "")
