"""Pictures of a result, by matplotlib; none where that is not installed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from bench.results import Result, Row
from bench.scenario import Column, Scenario
from bench.table import measured_text

_OURS, _FLOOR, _PEER = "#1f6fb4", "#9aa0a6", "#d98c3f"
_WIDTH, _ROW_HEIGHT = 10.0, 0.34


def draw(scenario: Scenario, result: Result, folder: Path) -> list[str]:
    """Writes the pictures into `folder` and tells their names."""
    if not scenario.plots or not any(row.samples for row in result.rows):
        return []
    try:
        matplotlib = import_module("matplotlib")
    except ImportError:
        print("plots: left out, matplotlib is not installed")
        return []
    matplotlib.use("Agg")
    pyplot = import_module("matplotlib.pyplot")
    drawn = {"clients": _panels if scenario.panels else _bars, "bars": _limits}[scenario.plots]
    names = [drawn(pyplot, scenario, result, folder)]
    if scenario.over_time:
        names.append(_lines(pyplot, scenario, result, folder))
    return names


def _bars(pyplot: Any, scenario: Scenario, result: Result, folder: Path) -> str:
    rows = [row for row in result.rows if row.samples]
    columns = [c for c in scenario.columns if c.spread and any(r.values(c.figure) for r in rows)]
    height = 1.2 + _ROW_HEIGHT * len(rows)
    figure, axes = pyplot.subplots(
        1, len(columns), figsize=(_WIDTH, height), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, column in zip(axes[0], columns):
        _bar_chart(axis, rows, column)
    axes[0][0].invert_yaxis()
    figure.suptitle(f"{scenario.title}: medians of {result.rounds}, lines from lowest to highest")
    return _save(pyplot, figure, folder / f"{scenario.name}.png")


def _bar_chart(axis: Any, rows: list[Row], column: Column) -> None:
    medians = [row.median(column.figure) or 0.0 for row in rows]
    spread = [
        [median - (row.low(column.figure) or 0.0) for row, median in zip(rows, medians)],
        [(row.high(column.figure) or 0.0) - median for row, median in zip(rows, medians)],
    ]
    axis.barh(
        [row.client for row in rows],
        medians,
        xerr=spread,
        color=[_color(row.client) for row in rows],
        error_kw={"elinewidth": 1, "capsize": 2},
    )
    for position, median in enumerate(medians):
        axis.annotate(
            f"{median:.{column.digits}f}",
            (0, position),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axis.set_xlabel(column.heading)
    axis.spines[["top", "right"]].set_visible(False)


def _limits(pyplot: Any, scenario: Scenario, result: Result, folder: Path) -> str:
    """What the bars measured, as shares of their limits."""
    found = [(bar, bar.measured(result)) for bar in scenario.bars]
    known = [(bar, value) for bar, value in found if value is not None]
    height = 1.2 + _ROW_HEIGHT * len(known)
    figure, axis = pyplot.subplots(figsize=(_WIDTH, height), layout="constrained")
    axis.barh(
        [bar.text for bar, _ in known], [value / bar.limit for bar, value in known], color=_OURS
    )
    for position, (bar, value) in enumerate(known):
        axis.annotate(
            f"{measured_text(value)} of {bar.limit:g}",
            (0, position),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axis.axvline(1, color="black", linewidth=1)
    axis.invert_yaxis()
    axis.set_xlabel("share of the limit")
    axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{scenario.title}: what its bars measured; the line is the limit")
    return _save(pyplot, figure, folder / f"{scenario.name}.png")


def _panels(pyplot: Any, scenario: Scenario, result: Result, folder: Path) -> str:
    """Medians as lines, two panels side by side."""
    rows = (len(scenario.panels) + 1) // 2
    figure, axes = pyplot.subplots(
        rows, 2, figsize=(_WIDTH, 3.6 * rows), squeeze=False, layout="constrained"
    )
    for axis, panel in zip(axes.flat, scenario.panels):
        for line in panel.lines:
            medians = [(x, result.median(client, panel.figure)) for x, client in line.points]
            known = [(x, median) for x, median in medians if median is not None]
            axis.plot([x for x, _ in known], [y for _, y in known], marker="o", label=line.label)
        axis.set_xscale("log")
        axis.set_ylim(bottom=0)
        axis.set_xlabel(panel.x_heading)
        axis.set_ylabel(panel.heading)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].legend(frameon=False, fontsize=8)
    figure.suptitle(scenario.title)
    return _save(pyplot, figure, folder / f"{scenario.name}.png")


def _lines(pyplot: Any, scenario: Scenario, result: Result, folder: Path) -> str:
    """Connections over the seconds of the last round, a line a client that told them."""
    figure, axes = pyplot.subplots(
        2, 1, figsize=(_WIDTH, 6), sharex=True, squeeze=False, layout="constrained"
    )
    for row in result.rows:
        if not row.samples or row.client not in scenario.over_time:
            continue
        sample = row.samples[-1]
        seconds = sample["series_seconds"]
        axes[0][0].plot(seconds, sample["series_connections"], label=row.client)
        axes[1][0].plot(seconds, sample["series_gb_per_second"], label=row.client)
    axes[0][0].set_ylabel("connections")
    axes[1][0].set_ylabel("GB/s received")
    axes[1][0].set_xlabel("seconds")
    axes[0][0].legend(frameon=False, fontsize=8)
    for axis in axes[:, 0]:
        axis.set_ylim(bottom=0)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(scenario.title)
    return _save(pyplot, figure, folder / f"{scenario.name}-seconds.png")


def _color(client: str) -> str:
    if client.startswith("floor"):
        return _FLOOR
    return _OURS if client.startswith("ours") else _PEER


def _save(pyplot: Any, figure: Any, path: Path) -> str:
    # No date and no version inside: the same figures make the same file.
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
    return path.name
