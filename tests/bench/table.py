"""A scenario's result as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.results import Result, Row
from bench.scenario import Column, Excerpt, Scenario

_RELATIVE = {
    "cpu_seconds_per_gb": "CPU",
    "both_cpu_seconds_per_gb": "CPU with the server's",
}
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
    if scenario.twins:
        parts += ["## Beside the base", beside_table(scenario, result)]
    if scenario.bars:
        parts += ["## Bars", bars_table(verdicts(scenario, result))]
    parts += ["## Circumstances", circumstances(result)]
    return "\n\n".join(part for part in parts if part) + "\n"


def rows_table(scenario: Scenario, result: Result) -> str:
    """The medians, a client a line; empty where the scenario shows no figures."""
    if not scenario.columns:
        return ""
    columns = [
        c
        for c in scenario.columns
        if any(c.figure in s for row in result.rows for s in row.samples)
    ]
    of_the_floor = ratios(scenario, result)
    relative = [name for name in _RELATIVE if any(name in r for r in of_the_floor.values())]
    heads = ["client", *(column.heading for column in columns)]
    heads += [f"{_RELATIVE[name]}, the floor = 1" for name in relative]
    heads += ["seconds, ours = 1"] if scenario.seconds_over else []
    lines = []
    for row in result.rows:
        if not row.samples:
            continue
        cells = [row.client, *(_cell(row, column) for column in columns)]
        found = of_the_floor.get(row.client, {})
        cells += [f"{found[name]:.2f}" if name in found else "" for name in relative]
        if scenario.seconds_over:
            times = result.ratio(row.client, scenario.seconds_over.get(row.client, ""), "seconds")
            cells.append("" if times is None else f"{times:.2f}")
        lines.append(cells)
    return _table(heads, lines)


def excerpt_table(excerpt: Excerpt, result: Result) -> str:
    """The medians that README.md shows, of the clients that have any."""
    lines = [
        [*names, *(_cell(row, column, spread=False) for column in excerpt.columns)]
        for client, names in excerpt.rows.items()
        if (row := result.row(client)) and row.samples
    ]
    heads = ["network", "client", *(column.heading for column in excerpt.columns)]
    return _table(heads, lines, texts=2)


def ratios(scenario: Scenario, result: Result) -> dict[str, dict[str, float]]:
    """By client: its CPU a GB over the floor's, alone and with what the server spent on each."""
    found: dict[str, dict[str, float]] = {}
    if not scenario.relative_to:
        return found
    for row in result.rows:
        for name in _RELATIVE:
            ratio = result.ratio(row.client, scenario.relative_to, name)
            if ratio is not None:
                found.setdefault(row.client, {})[name] = ratio
    return found


def beside_table(scenario: Scenario, result: Result) -> str:
    """The figures that vary, of ours and of the base in the same run."""
    return _table(["client", "figure", "ours", "base", "ours / base"], beside(scenario, result))


def beside(scenario: Scenario, result: Result) -> list[list[str]]:
    """The lines of that table: medians, and their ratio."""
    lines = []
    for client, twin in scenario.twins.items():
        for column in scenario.columns:
            if not column.spread:
                continue
            ours, base = (result.median(name, column.figure) for name in (client, twin))
            if ours is None or base is None:
                continue
            ratio = f"{ours / base:.2f}" if base else ""
            lines.append([client, column.heading, column.text(ours), column.text(base), ratio])
    return lines


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
            measured_text(bar["measured"]),
            held_text(bar["held"]),
        ]
        for bar in found
    ]
    return _table(["bar", "limit", "measured", ""], lines)


def measured_text(value: float | None) -> str:
    """Three digits, or all of those before the point."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def held_text(held: bool | None) -> str:
    return {True: "held", False: "**not held**", None: "not measured"}[held]


def circumstances(result: Result) -> str:
    times = "once"
    if result.rounds > 1:
        times = f"{result.rounds} times in turn"
    if result.warm_up:
        times += " after a run that does not count"
    if result.rounds > 1:
        times += "; medians, with the lowest and the highest in brackets"
    facts = "; ".join(f"{name} {value}" for name, value in result.machine.items())
    return (
        f"Started {result.started}; each client ran {times}. Client and server share the machine: "
        f"{facts}."
    )


def _remarks(result: Result) -> list[str]:
    remarks = [f"- {row.client}: left out, {row.left_out}" for row in result.rows if row.left_out]
    remarks += [f"- {row.client}: FAILED, {row.failure}" for row in result.rows if row.failure]
    return ["\n".join(remarks)] if remarks else []


def _cell(row: Row, column: Column, spread: bool = True) -> str:
    if column.is_text:
        return ", ".join(row.texts(column.figure))
    median, low, high = (f(column.figure) for f in (row.median, row.low, row.high))
    if median is None or low is None or high is None:
        return ""
    text = column.text(median)
    if spread and column.spread and len(row.samples) > 1:
        text += f" ({column.text(low)} to {column.text(high)})"
    return text


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]], texts: int = 1) -> str:
    rule = ["---"] * texts + ["---:"] * (len(heads) - texts)
    return "\n".join("| " + " | ".join(line) + " |" for line in [heads, rule, *lines])
