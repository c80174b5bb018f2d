"""Which changes of a line `make mutants` knows, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from mutants.operators import changes
from mutants.source import Source

ENUMS = {"Phase": ["kEmpty", "kFull"]}


def changed(folder: Path, *lines: str) -> list[str]:
    """All that the last of the lines may become."""
    path = folder / "a.cc"
    path.write_text("\n".join(lines) + "\n")
    return sorted(change.after.strip() for change in changes(Source(path), len(lines), ENUMS))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("if (a < b) run();", ["if (!(a < b)) run();", "if (a < b) {}", "if (a <= b) run();"]),
        ("return a && !b;", ["return a && b;", "return a || !b;"]),
        ("n = f(a) + 0x11", ["n = f(a) + 0x10", "n = f(a) + 0x12", "n = f(a) - 0x11"]),
        ("++count_;", ["", "count_;"]),
        ("return Phase::kFull;", ["return Phase::kEmpty;"]),
        ("return is_full ? true : other;", ["return is_full ? false : other;"]),
        ("queue_.push(", []),
    ],
)
def test_what_a_line_may_become(tmp_path: Path, line: str, expected: list[str]) -> None:
    assert changed(tmp_path, "void f() {", f"  {line}") == sorted(expected)


@pytest.mark.parametrize(
    "line",
    [
        "// a < b",
        "#if A < 1",
        "assert(a < b);",
        'say("a < b, true, 1");',
        "int size = last;",
        "template <int N = 1>",
        "virtual ~Reader() = default;",
        "[[maybe_unused]] int size = last;",
    ],
)
def test_what_is_no_code_or_a_declaration_is_left_alone(tmp_path: Path, line: str) -> None:
    assert [text for text in changed(tmp_path, "void f() {", line) if text] == []


def test_a_check_of_several_lines_is_left_alone(tmp_path: Path) -> None:
    assert changed(tmp_path, "assert(a == 0 &&", "       b == 1);") == []


def test_a_line_in_the_middle_of_a_statement_is_not_deleted(tmp_path: Path) -> None:
    assert changed(tmp_path, "run(a,", "    b);") == []
    assert changed(tmp_path, "run(a);", "run(b);") == [""]
