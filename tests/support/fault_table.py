"""The table of faults in docs/reliability.md: its rows are the `fault` markers of the tests.

    @pytest.mark.fault(13, "a burst of 503", "right bytes", "one retry each", also=["tests/x.cc"])

says what fault a test makes, what the user sees, and the bound on it; `also` names what else holds
it. One test of a fault says it all, its others only the number. A run with --write-fault-table
writes the table; without, tests/python/test_fault_table.py compares.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN = "<!-- The table: make test-python ARGS='-m fault --write-fault-table' -->"
END = "<!-- The table ends. -->"
NUMBERS = range(1, 31)
# Every test of a fault has this fixture, by way of `faults`.
STANDING = "nothing_is_left"
# The property of a report that names the faults of its test.
FAULTS = "faults"


@dataclass
class Row:
    """What the markers of one fault say."""

    fault: str = ""
    outcome: str = ""
    bound: str = ""
    held_by: list[str] = field(default_factory=list)


@dataclass
class Seen:
    """What a run saw of one fault's tests."""

    tests: int = 0
    requests: int = 0  # the most in one test
    seconds: float = 0.0  # the most in one test

    def __str__(self) -> str:
        counts = [(self.tests, "test"), (self.requests, "request")]
        words = [f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts]
        return ", ".join([*words, f"{self.seconds:.1f} s"])


def _markers(source: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
            yield node


def rows() -> dict[int, Row]:
    """What the markers say, read off the sources, so that it does not matter which tests run."""
    found: dict[int, Row] = {}
    for source in sorted((ROOT / "tests" / "python").glob("test_*.py")):
        name = str(source.relative_to(ROOT))
        for marker in _markers(source):
            number, *texts = map(ast.literal_eval, marker.args)
            row = found.setdefault(number, Row())
            if texts:
                if row.fault:
                    raise ValueError(f"{name}: fault {number} is described twice")
                row.fault, row.outcome, row.bound = texts
            also = [path for word in marker.keywords for path in ast.literal_eval(word.value)]
            row.held_by += [path for path in (name, *also) if path not in row.held_by]
    return dict(sorted(found.items()))


def cells_of(number: int, row: Row) -> list[str]:
    """The cells that do not depend on a run."""
    held_by = ", ".join(f"`{path}`" for path in row.held_by)
    return [str(number), row.fault, row.outcome, row.bound, held_by]


def cells_in_page() -> list[list[str]]:
    """The same cells as the page has them."""
    table = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    lines = [line.strip("| ").split(" | ") for line in table.splitlines()]
    return [cells[:4] + cells[5:] for cells in lines if cells[0].isdigit()]


def write(seen: dict[int, Seen]) -> None:
    """Puts the table of a run into the page."""
    lines = [
        "| | Fault | What the user sees | Bound | Seen | Held by |",
        "|---|---|---|---|---|---|",
    ]
    for number, row in rows().items():
        *cells, held_by = cells_of(number, row)
        lines.append(f"| {' | '.join([*cells, str(seen[number]), held_by])} |")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    text = "\n".join([before + BEGIN, "", *lines, "", END + after])
    PAGE.write_text(text, encoding="utf-8")


class FaultTable:
    """The plugin: notes what becomes of the tests that have the marker."""

    def __init__(self, writes: bool) -> None:
        self._writes = writes
        self._seconds: dict[str, float] = {}
        self.failed: set[str] = set()
        self._seen: dict[int, Seen] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Function]) -> None:
        for item in items:
            numbers = {marker.args[0] for marker in item.iter_markers("fault")}
            if numbers and STANDING not in item.fixturenames:
                raise pytest.UsageError(f"{item.nodeid}: a test of a fault needs {STANDING}")
            if numbers:
                # With the report it comes from the worker of pytest-xdist that ran the test.
                item.user_properties.append((FAULTS, sorted(numbers)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if FAULTS not in dict(report.user_properties):
            return
        if not report.passed:
            self.failed.add(report.nodeid)
        if report.when == "call":
            self._seconds[report.nodeid] = report.duration
        if report.when == "teardown" and report.nodeid not in self.failed:
            self._count(report)

    def _count(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        requests = properties.get("requests", 0)
        for number in properties[FAULTS]:
            seen = self._seen.setdefault(number, Seen())
            seen.tests += 1
            seen.requests = max(seen.requests, requests)
            seen.seconds = max(seen.seconds, self._seconds[report.nodeid])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._writes:
            return
        missing = [number for number in NUMBERS if number not in self._seen]
        if missing or self.failed:
            why = f"not passed: faults {missing}, tests {sorted(self.failed)}"
            terminalreporter.write_line(f"The table of faults was not written; {why}", red=True)
            return
        write(self._seen)
        tests = len(self._seconds)
        seconds = sum(self._seconds.values())
        terminalreporter.write_line(
            f"{PAGE.relative_to(ROOT)}: {len(self._seen)} faults, {tests} tests, {seconds:.0f} s"
        )
