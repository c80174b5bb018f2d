"""A scenario's result as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.results import Result, Row
from bench.scenario import Column, Scenario

_GENERATED = "<!-- Written by `make bench`: change tests/bench/, not this page. -->"


def page(scenario: Scenario, result: Result, plots: Sequence[str]) -> str:
    """The whole page of a scenario."""
    parts = [
        _GENERATED,
        f"# {scenario.title}",
        scenario.about,
        *[f"![{scenario.title}]({name})" for name in plots],
        rows_table(scenario, result),
        *_remarks(result),
    ]
    for row in result.rows:
        texts = [sample["text"] for sample in row.samples if "text" in sample]
        if texts:
            parts.append(f"{row.client}, the last run:\n\n```text\n{texts[-1]}\n```")
    if scenario.bars:
        parts += ["## Bars", bars_table(verdicts(scenario, result))]
    parts += ["## Circumstances", circumstances(result)]
    return "\n\n".join(part for part in parts if part) + "\n"


def rows_table(scenario: Scenario, result: Result) -> str:
    """The medians, a client a line; empty where the scenario shows no figures."""
    if not scenario.columns:
        return ""
    columns = [c for c in scenario.columns if any(row.values(c.figure) for row in result.rows)]
    relative = scenario.relative_to
    heads = ["client", *(column.heading for column in columns)]
    if relative:
        heads.append("CPU, the floor = 1")
    lines = []
    for row in result.rows:
        if not row.samples:
            continue
        cells = [row.client, *(_cell(row, column) for column in columns)]
        if relative:
            ratio = result.ratio(row.client, relative, "cpu_seconds_per_gb")
            cells.append("" if ratio is None else f"{ratio:.2f}")
        lines.append(cells)
    return _table(heads, lines)


def verdicts(scenario: Scenario, result: Result) -> list[dict[str, Any]]:
    """What came of each bar: held true or false, None where it was not measured."""
    found = []
    for bar in scenario.bars:
        value = bar.measured(result)
        found.append(
            {
                "text": bar.text,
                "limit": f"{'at least' if bar.at_least else 'at most'} {bar.limit:g}",
                "measured": value,
                "held": None if value is None else bar.holds(value),
            }
        )
    return found


def bars_table(found: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        [
            str(bar["text"]),
            str(bar["limit"]),
            "" if bar["measured"] is None else f"{bar['measured']:.3g}",
            held_text(bar["held"]),
        ]
        for bar in found
    ]
    return _table(["bar", "limit", "measured", ""], lines)


def held_text(held: bool | None) -> str:
    return {True: "held", False: "**not held**", None: "not measured"}[held]


def circumstances(result: Result) -> str:
    times = "once" if result.rounds == 1 else f"{result.rounds} times in turn; medians"
    facts = "; ".join(f"{name} {value}" for name, value in result.machine.items())
    return (
        f"Started {result.started}; each client ran {times}, with the lowest and the highest in "
        f"brackets. Client and server share the machine: {facts}."
    )


def _remarks(result: Result) -> list[str]:
    remarks = [f"- {row.client}: left out, {row.left_out}" for row in result.rows if row.left_out]
    remarks += [f"- {row.client}: FAILED, {row.failure}" for row in result.rows if row.failure]
    return ["\n".join(remarks)] if remarks else []


def _cell(row: Row, column: Column) -> str:
    median, low, high = (f(column.figure) for f in (row.median, row.low, row.high))
    if median is None or low is None or high is None:
        return ""
    text = f"{median:.{column.digits}f}"
    if column.spread and len(row.samples) > 1:
        text += f" ({low:.{column.digits}f} to {high:.{column.digits}f})"
    return text


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---", *["---:" for _ in heads[1:]]]
    return "\n".join("| " + " | ".join(line) + " |" for line in [heads, rule, *lines])
