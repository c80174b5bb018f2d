"""How far a transfer is: `Progress`, and the context in which a callback is told of it."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, TextIO

from ossmodelconnector import _process
from ossmodelconnector._log import logger

if TYPE_CHECKING:
    from ossmodelconnector import _core

__all__ = ["Progress", "progress_lines"]

_LEAST_INTERVAL_SECONDS = 0.05
_MOST_INTERVAL_SECONDS = 3600.0
# The speed is that of so many seconds, and of no less than the last interval.
_SPEED_SECONDS = 5.0
# How long the end of the context waits for a callback that is running.
_END_SECONDS = 10.0


class Progress(NamedTuple):
    """How far a transfer is; what `OssModelConnector.progress` calls back with.

    Attributes:
        bytes_done: bytes of objects that came in since the context began, whether anybody has read
            them yet or not. What retries and second requests bring twice counts once. It never
            goes back.
        bytes_total: `bytes_done`, and what is known to be coming: the rest of each object that is
            open and prefetched, or wanted as a whole by `ObjectReader.getbuffer`. It grows as
            objects are opened. None where no such object was open since the context began.
        bytes_per_second: over the last five seconds; in the last call over the whole context.
        seconds_left: for the rest at that speed. None where `bytes_total` is None, or nothing came
            lately.
        limited_by: as in `ConnectorStats`.
    """

    bytes_done: int
    bytes_total: int | None
    bytes_per_second: float
    seconds_left: float | None
    limited_by: Literal["idle", "network", "memory", "reader", "cpu", "throttle", "limit"]


class _Count:
    """What the counters of the core say since it was made. Used by one thread at a time."""

    def __init__(self, core: _core.Connector) -> None:
        placed, to_come, announced, _ = core.arrived()
        self._core = core
        self._placed_before = placed
        self._announced_before = announced
        self._is_total_known = to_come > 0
        self._done = 0
        self._began = time.monotonic()
        self._samples = deque([(self._began, 0)])

    def look(self, *, of_all: bool = False) -> Progress:
        """As it stands now; `of_all`: with the speed since the beginning."""
        placed, to_come, announced, limited_by = self._core.arrived()
        now = time.monotonic()
        # Bytes in flight are lost with an attempt that is given up: that is not shown.
        self._done = done = max(self._done, placed - self._placed_before)
        if announced > self._announced_before or to_come > 0:
            self._is_total_known = True
        while len(self._samples) > 1 and now - self._samples[1][0] >= _SPEED_SECONDS:
            self._samples.popleft()
        since, before = (self._began, 0) if of_all else self._samples[0]
        self._samples.append((now, done))
        speed = (done - before) / (now - since) if now > since else 0.0
        if not self._is_total_known:
            return Progress(done, None, speed, None, limited_by)
        total = max(done, placed - self._placed_before + to_come)
        left = 0.0 if total == done else (total - done) / speed if speed > 0 else None
        return Progress(done, total, speed, left, limited_by)


class ProgressContext:
    """Calls back every so often, from a thread that lives as long as the context.

    The thread is the context's own and shares with it the event that ends it. Where that ended,
    by the end of the context or of the interpreter, whoever ended it makes the last call. A forked
    child has no such thread: there the context does nothing.
    """

    def __init__(
        self, core: _core.Connector, callback: Callable[[Progress], object], interval: float
    ) -> None:
        if not callable(callback):
            raise TypeError(f"callback must be callable, not {type(callback).__name__}")
        if isinstance(interval, bool) or not isinstance(interval, (int, float)):
            raise TypeError(f"interval must be a number of seconds, not {type(interval).__name__}")
        if not _LEAST_INTERVAL_SECONDS <= interval <= _MOST_INTERVAL_SECONDS:  # nor NaN
            raise ValueError(
                f"interval must be {_LEAST_INTERVAL_SECONDS} to {_MOST_INTERVAL_SECONDS:g} "
                f"seconds, is {interval}"
            )
        self._core = core
        self._callback = callback
        self._interval = interval
        self._pid = 0  # where it was entered; 0: it was not
        self._has_failed = False

    def __enter__(self) -> None:
        if self._pid != 0:
            raise ValueError("this context was entered before: call progress() again")
        self._count = _Count(self._core)
        self._is_over = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="ossmodelconnector-progress", daemon=True
        )
        self._pid = os.getpid()
        _process.register_watcher(self)
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """Ends the thread, and makes the last call. The second time: does nothing."""
        if os.getpid() != self._pid or self._is_over.is_set():
            return
        self._is_over.set()
        self._thread.join(_END_SECONDS)
        if self._thread.is_alive():
            logger.warning("progress: a callback runs for too long; its last call is left out")
        else:
            self._tell(self._count.look(of_all=True))

    def _run(self) -> None:
        while not self._is_over.wait(self._interval):
            self._tell(self._count.look())

    def _tell(self, progress: Progress) -> None:
        try:
            self._callback(progress)
        except Exception:
            if not self._has_failed:
                logger.warning("progress: the callback failed; this is told once", exc_info=True)
            self._has_failed = True


def progress_lines(file: TextIO | None = None) -> Callable[[Progress], None]:
    """A callback for `OssModelConnector.progress` that writes lines of plain text.

    For logs, and wherever there is no terminal for a bar: a line for every tenth of the bytes, or
    every ten seconds while it is not known how many there will be. With the environment variable
    OSSMC_NO_PROGRESS set, and not empty, it writes nothing.

    Args:
        file: where to; by default ``sys.stderr``, as it is at each call.

    Returns:
        The callback, for one context.

    Example:
        >>> import sys
        >>> with connector.progress(progress_lines(sys.stdout)):  # doctest: +ELLIPSIS
        ...     data = connector.open("oss://bucket/model.safetensors").read()
        100 % of 4.0 MiB, ... MiB/s, limited by ...
    """
    return _Lines(file)


class _Lines:
    """Knows what it has written of one transfer. Called by one thread at a time."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file
        self._is_silent = bool(os.environ.get("OSSMC_NO_PROGRESS"))
        self._next_tenth = 1
        self._next_time = time.monotonic() + 10

    def __call__(self, progress: Progress) -> None:
        if self._is_silent or not self._is_due(progress):
            return
        done, total, speed, left, limited_by = progress
        text = size_text(done)
        if total:
            text = f"{100 * done // total} % of {size_text(total)}"
        text += f", {size_text(speed)}/s"
        if left:
            text += f", {math.ceil(left)} s left"
        print(f"{text}, limited by {limited_by}", file=self._file or sys.stderr, flush=True)

    def _is_due(self, progress: Progress) -> bool:
        if not progress.bytes_total:
            now = time.monotonic()
            is_due = now >= self._next_time
            if is_due:
                self._next_time = now + 10
            return is_due
        tenth = 10 * progress.bytes_done // progress.bytes_total
        is_due = tenth >= self._next_tenth
        # More may have been opened meanwhile: then a tenth may come a second time.
        self._next_tenth = tenth + 1
        return is_due


def size_text(size: float) -> str:
    """Such as "4.0 MiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
