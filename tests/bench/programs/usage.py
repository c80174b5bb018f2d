"""What a pass costs this process: time, CPU of all threads, peak memory."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

Figures = dict[str, Any]


class Meter:
    """Measures from its making to `stop`."""

    def __init__(self) -> None:
        self._usage = resource.getrusage(resource.RUSAGE_SELF)
        self._begin = time.perf_counter()

    def stop(self, size: int) -> Figures:
        seconds = time.perf_counter() - self._begin
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "bytes": size,
            "seconds": seconds,
            "user_seconds": usage.ru_utime - self._usage.ru_utime,
            "system_seconds": usage.ru_stime - self._usage.ru_stime,
            # Not ru_maxrss: that one remembers the parent.
            "peak_rss_bytes": status_bytes("VmHWM"),
        }


def run_passes(
    run: Callable[[], int], want: int, passes: int, received: Callable[[], int] | None = None
) -> None:
    """Runs it that often; each time it must tell that it got `want` bytes.

    `received` tells how many bytes have come from the network so far.
    """
    resident = status_bytes("VmRSS")
    for _ in range(passes):
        tell(measure(run, want, resident, received))


def measure(
    run: Callable[[], int],
    want: int,
    resident_before: int,
    received: Callable[[], int] | None = None,
) -> Figures:
    """One pass. `resident_before` is what the process had before its first one."""
    before = received() if received else 0
    meter = Meter()
    got = run()
    figures = meter.stop(got)
    if got != want:
        raise SystemExit(f"{got} of {want} bytes")
    figures["resident_before_bytes"] = resident_before
    if received:
        figures["fetched_per_byte"] = (received() - before) / got
    return figures


def make_memory_warm(size: int) -> None:
    """What `bench.host.warm_memory` does, by another process: this one's peak stays its own.

    To be called once all is imported: what was made warm stays so for 2 s.
    """
    if size:
        subprocess.run([sys.executable, "-m", "bench.host", str(size)], check=True)


def tell(figures: Figures) -> None:
    print(json.dumps(figures), flush=True)


def status_bytes(field: str) -> int:
    """A line of /proc/self/status: VmRSS, VmHWM."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def forget_peak() -> None:
    """Lets VmHWM start again from what is resident now."""
    # Where a sandbox forbids it, the peak is that of the whole process.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def parse_keys(words: list[str]) -> dict[str, int]:
    """Keys and sizes out of KEY=BYTES."""
    pairs = (word.rpartition("=") for word in words)
    return {key: int(size) for key, _, size in pairs}
