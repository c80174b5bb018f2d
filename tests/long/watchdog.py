"""Ends the process when something takes longer than it may, and shows where every thread is."""

from __future__ import annotations

import contextlib
import faulthandler
import itertools
import os
import sys
import threading
import time
from collections.abc import Iterator

EXIT_STATUS = 3


class Watchdog:
    """Looks at what runs under `limit`, from a thread of its own."""

    def __init__(self) -> None:
        self._running: dict[int, tuple[str, float, float]] = {}  # what, begin, limit
        self._numbers = itertools.count()
        self._longest: dict[str, float] = {}
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    @contextlib.contextmanager
    def limit(self, what: str, seconds: float) -> Iterator[None]:
        """While it is open, `what` runs; after `seconds` that is a hang."""
        number = next(self._numbers)
        begin = time.monotonic()
        self._running[number] = (what, begin, seconds)
        try:
            yield
        finally:
            del self._running[number]
            self._longest[what] = max(self._longest.get(what, 0.0), time.monotonic() - begin)

    @property
    def longest(self) -> dict[str, float]:
        """Of each kind of thing the longest so far, in seconds."""
        return {what: round(seconds, 2) for what, seconds in sorted(self._longest.items())}

    def _watch(self) -> None:
        while True:
            time.sleep(0.5)
            now = time.monotonic()
            for what, begin, seconds in list(self._running.values()):
                if now - begin > seconds:
                    self._end(f"{what} has taken {now - begin:.0f} s, and may take {seconds:.0f} s")

    def _end(self, complaint: str) -> None:
        print(f"HANG: {complaint}", file=sys.stderr, flush=True)
        faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
        os._exit(EXIT_STATUS)
