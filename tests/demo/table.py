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

_FORM = "{:<27} {:<19} {:<13} {:>9} {:>5} {:>13} {:>15} {:>10}"
_HEAD = (
    "network",
    "load",
    "process",
    "bytes",
    "GB/s",
    "first read ms",
    "peak memory MiB",
    "CPU-s a GB",
)
_LOOPBACK = (
    "Over loopback one plain stream wins: there is no latency and no limit a connection, so that "
    "requests at once buy nothing, and the CPU of client and server is the limit."
)


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
                    "warm" if figures.warm else "fresh process",
                    binary(figures.bytes),
                    f"{figures.gb_per_second:.2f}",
                    f"{figures.first_read_seconds * 1000:.0f}",
                    f"{figures.peak_memory_bytes / (1 << 20):.0f}",
                    f"{figures.cpu_seconds_per_gb:.2f}",
                )
            )
        texts = [_LOOPBACK, self._notes()] if self._one_stream_wins() else [self._notes()]
        notes = [textwrap.fill(text, 100) for text in texts]
        return "\n".join([*lines, "", *notes, "", self._last_line()])

    def _one_stream_wins(self) -> bool:
        """Over loopback: as it does, unless the model is small or the machine does other work."""
        rows = [row.figures for row in self.rows if row.network == "loopback"]
        return max(rows, key=lambda figures: figures.gb_per_second).load == "oss2, one stream"

    def _notes(self) -> str:
        return (
            "Warm: it is the second load of its process. First read: from the first open to the "
            "return of the first read of 4 MiB; the connector's loads open all shards before it. "
            "Peak memory: what the client process grew by; the connector had a budget of "
            f"{binary(self.memory_bytes)} (--memory). CPU: of the client process; client and "
            f"server shared {os.cpu_count()} CPUs. The connector checked the CRC-64 of each shard, "
            "oss2 did not; tensors were there when their shard's was right, and stay: their peak "
            "has the whole model in it. A stream that would take more than "
            f"{self.longest_stream_seconds} s loads a part of the model: see its bytes."
        )

    def _last_line(self) -> str:
        by_load = {row.figures.load: row for row in reversed(self.rows)}  # the first network's stay
        row, stream = by_load["connector, readinto"], by_load["oss2, one stream"]
        times = row.figures.gb_per_second / stream.figures.gb_per_second
        return (
            f"All bytes are right, and all tensors. Over {row.network}, warm, with its CRC-64 "
            f"checked: {row.figures.gb_per_second:.2f} GB/s, {times:.1f} times one plain stream."
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "cpus": os.cpu_count(),
            "size_bytes": self.size_bytes,
            "memory_bytes": self.memory_bytes,
            "rows": [{"network": row.network, **row.figures.as_json()} for row in self.rows],
        }
