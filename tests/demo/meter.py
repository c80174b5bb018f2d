"""What one load costs this process: time, CPU and resident memory."""

from __future__ import annotations

import resource
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figures:
    """One row of the table."""

    load: str
    bytes: int
    seconds: float
    first_read_seconds: float  # from the first open to the return of the first read
    cpu_seconds: float  # of the client, all threads
    peak_memory_bytes: int  # above what was resident before the process's first load
    warm: bool = False  # the process had loaded before: its connections were made, its memory too

    @property
    def gb_per_second(self) -> float:
        return self.bytes / 1e9 / self.seconds

    @property
    def cpu_seconds_per_gb(self) -> float:
        return self.cpu_seconds / (self.bytes / 1e9)

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "gb_per_second": self.gb_per_second,
            "cpu_seconds_per_gb": self.cpu_seconds_per_gb,
        }


class Meter:
    """Measures from its making to `stop`; `first_read` in between.

    `resident_before` is what `resident_bytes` told before the process's first load: memory that an
    earlier load left for reuse counts for the later one too.
    """

    def __init__(self, load: str, resident_before: int, *, warm: bool = False) -> None:
        self._load = load
        self._warm = warm
        self._resident_before = resident_before
        self._first: float | None = None
        _forget_peak()
        self._cpu = _cpu_seconds()
        self._begin = time.perf_counter()

    def first_read(self) -> None:
        """The first read has returned. Later calls change nothing."""
        if self._first is None:
            self._first = time.perf_counter() - self._begin

    def stop(self, size: int) -> Figures:
        seconds = time.perf_counter() - self._begin
        cpu = _cpu_seconds() - self._cpu
        peak = max(0, _status_bytes("VmHWM") - self._resident_before)
        first = self._first or seconds
        return Figures(self._load, size, seconds, first, cpu, peak, self._warm)


def resident_bytes() -> int:
    return _status_bytes("VmRSS")


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def _forget_peak() -> None:
    # Where a sandbox forbids it, the peak is that of all loads so far.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
