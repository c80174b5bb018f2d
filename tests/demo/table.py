"""What the demo found, as a table and as JSON."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from meter import Figures
from ossmodelconnector import __version__
from sizes import binary

_FORM = "{:<29} {:<19} {:>9} {:>6} {:>14} {:>16} {:>13}"
_HEAD = ("network", "load", "bytes", "GB/s", "first read ms", "peak memory MiB", "CPU-s a GB")


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    network: str
    figures: Figures


@dataclass(frozen=True)
class Run:
    """All lines, and what they were measured with."""

    size_bytes: int
    memory_bytes: int
    longest_stream_seconds: int
    rows: Sequence[Row]

    def text(self) -> str:
        lines = [_FORM.format(*_HEAD)]
        for row in self.rows:
            figures = row.figures
            lines.append(
                _FORM.format(
                    row.network,
                    figures.load,
                    binary(figures.bytes),
                    f"{figures.gb_per_second:.2f}",
                    f"{figures.first_read_seconds * 1000:.0f}",
                    f"{figures.peak_memory_bytes / (1 << 20):.0f}",
                    f"{figures.cpu_seconds_per_gb:.2f}",
                )
            )
        return "\n".join([*lines, "", textwrap.fill(self._notes(), 100), "", self._last_line()])

    def _notes(self) -> str:
        return (
            "First read: from the first open to the return of the first read of 4 MiB; the "
            "connector's loads open all shards before it. Peak memory: what the client process "
            f"grew by; the connector had a budget of {binary(self.memory_bytes)} (--memory). CPU: "
            f"of the client process; client and server shared {os.cpu_count()} CPUs. The connector "
            "checked the CRC-64 of each shard, oss2 did not. A stream that would take more than "
            f"{self.longest_stream_seconds} s loads a part of the model: see its bytes."
        )

    def _last_line(self) -> str:
        row = next(row for row in self.rows if row.figures.load == "connector, readinto")
        return (
            f"All bytes are right. The second load, over {row.network}: "
            f"{row.figures.gb_per_second:.2f} GB/s at {row.figures.cpu_seconds_per_gb:.2f} client "
            "CPU-s a GB, with its CRC-64 checked."
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "cpus": os.cpu_count(),
            "size_bytes": self.size_bytes,
            "memory_bytes": self.memory_bytes,
            "rows": [{"network": row.network, **row.figures.as_json()} for row in self.rows],
        }
