"""docs/performance/: a page, a picture and JSON a scenario, and the list of all bars.

README.md shows some of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from bench.errors import BenchError
from bench.plots import draw
from bench.results import Result
from bench.scenario import Excerpt, Scenario
from bench.table import bars_table, excerpt_table, page, ratios, verdicts

_INDEX = """\
<!-- Written by `make bench`: change tests/bench/, not this page. -->

# Figures

What the last runs of `make bench` found; what it means is in [performance.md](../performance.md).
"""


def write(scenario: Scenario, result: Result, folder: Path) -> list[Path]:
    """Writes a scenario's files into `folder`, which is there, and tells which."""
    plots = draw(scenario, result, folder)
    document, text = folder / f"{scenario.name}.json", folder / f"{scenario.name}.md"
    result.write(document, scenario.title, verdicts(scenario, result), ratios(scenario, result))
    text.write_text(page(scenario, result, plots), encoding="utf-8")
    return [text, document, *(folder / name for name in plots)]


def write_index(folder: Path, order: Iterable[str]) -> Path:
    """Writes README.md: the bars of all scenarios that have a file there."""
    parts = [_INDEX.rstrip()]
    for name in order:
        file = folder / f"{name}.json"
        if file.exists():
            document = json.loads(file.read_text())
            parts.append(f"## [{document['title']}]({name}.md)")
            if document["bars"]:
                parts.append(bars_table(document["bars"]))
    path = folder / "README.md"
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def write_excerpt(excerpt: Excerpt, result: Result, readme: Path) -> None:
    """Writes what README.md shows of a scenario between the two marks that it has there."""
    begin, end = marks(result.scenario)
    before, begun, rest = readme.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise BenchError(f"{readme.name} has no place for {result.scenario}: {begin} and {end}")
    facts = result.machine
    times = f"Medians of {result.rounds} runs" if result.rounds > 1 else "One run"
    text = (
        f"{times} on {facts.get('cores', '?')} cores ({facts.get('cpu', 'unknown')}), which client "
        f"and server shared; [all rows](docs/performance/{result.scenario}.md):"
    )
    parts = [before + begin, text, excerpt_table(excerpt, result), end + after]
    readme.write_text("\n\n".join(parts), encoding="utf-8")


def marks(scenario: str) -> tuple[str, str]:
    """What stands before and behind a scenario's figures in README.md."""
    return f"<!-- {scenario}: written by make bench -->", f"<!-- {scenario}: until here -->"
