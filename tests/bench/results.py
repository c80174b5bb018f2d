"""What was measured: samples of clients, their medians, and JSON that says all of it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# A pass of one client: figures by name. Lists are series over time.
Sample = dict[str, Any]


def with_rates(sample: Sample) -> Sample:
    """Adds what follows from bytes, seconds and CPU seconds, where the sample has them."""
    rates = dict(sample)
    size = sample.get("bytes")
    if size and sample.get("seconds"):
        rates.setdefault("gb_per_second", size / 1e9 / sample["seconds"])
    if size and "user_seconds" in sample:
        cpu = sample["user_seconds"] + sample["system_seconds"]
        rates.setdefault("cpu_seconds_per_gb", cpu / (size / 1e9))
    if "server_cpu_seconds_per_gb" in sample and "cpu_seconds_per_gb" in rates:
        both = rates["cpu_seconds_per_gb"] + sample["server_cpu_seconds_per_gb"]
        rates.setdefault("both_cpu_seconds_per_gb", both)
    if "peak_rss_bytes" in sample:
        rates.setdefault("peak_mib", sample["peak_rss_bytes"] / (1 << 20))
        if "resident_before_bytes" in sample:
            growth = sample["peak_rss_bytes"] - sample["resident_before_bytes"]
            rates.setdefault("peak_growth_mib", growth / (1 << 20))
    return rates


@dataclass
class Row:
    """A client of a scenario and all that it measured."""

    client: str
    samples: list[Sample] = field(default_factory=list)
    left_out: str = ""  # why it did not run
    failure: str = ""  # why a run of it failed

    def values(self, figure: str) -> list[float]:
        return [sample[figure] for sample in self.samples if figure in sample]

    def texts(self, figure: str) -> list[str]:
        """The different ones, in the order in which they came."""
        return list(dict.fromkeys(s[figure] for s in self.samples if figure in s))

    def median(self, figure: str) -> float | None:
        values = self.values(figure)
        return statistics.median(values) if values else None

    def low(self, figure: str) -> float | None:
        return min(self.values(figure), default=None)

    def high(self, figure: str) -> float | None:
        return max(self.values(figure), default=None)


@dataclass(frozen=True)
class Result:
    """A scenario's rows, and the circumstances."""

    scenario: str
    started: str
    rounds: int
    machine: Mapping[str, str]
    rows: Sequence[Row]
    warm_up: bool = True  # whether a round was thrown away before those

    def row(self, client: str) -> Row | None:
        return next((row for row in self.rows if row.client == client), None)

    def median(self, client: str, figure: str) -> float | None:
        row = self.row(client)
        return None if row is None else row.median(figure)

    def ratio(self, client: str, to: str, figure: str) -> float | None:
        """The client's median over the other's."""
        above, below = self.median(client, figure), self.median(to, figure)
        return above / below if above is not None and below else None

    def write(
        self,
        path: Path,
        title: str,
        bars: Sequence[Mapping[str, Any]],
        ratios: Mapping[str, Mapping[str, float]],
    ) -> None:
        """JSON with every sample, and what was made of them; `ratios` by client and name."""
        figures = {
            row.client: {
                name: {"median": row.median(name), "min": row.low(name), "max": row.high(name)}
                for name in _numbers(row)
            }
            for row in self.rows
            if row.samples
        }
        document = {"title": title, **asdict(self), "figures": figures}
        document |= {"ratios": ratios, "bars": list(bars)}
        path.write_text(json.dumps(document, indent=1) + "\n")


def _numbers(row: Row) -> list[str]:
    names = {name: None for sample in row.samples for name in sample}
    return [
        name for name in names if all(isinstance(s.get(name, 0), (int, float)) for s in row.samples)
    ]
