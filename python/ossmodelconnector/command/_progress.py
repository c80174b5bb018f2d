"""How far it is, on stderr: a bar in a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from ossmodelconnector.command._output import bytes_text

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._progress import Progress
    from ossmodelconnector.command._session import Session

__all__ = ["Counter", "arrived", "progress", "time_text"]

_LOOK_SECONDS = 0.2
# What is over sooner shows none.
_SILENT_SECONDS = 1.0
_LINES = 10


class Counter:
    """Bytes that are done. One thread adds, others look."""

    def __init__(self) -> None:
        self._value = 0

    def add(self, count: int) -> None:
        """Takes note of so many more."""
        self._value += count

    def value(self) -> int:
        """How many there are so far."""
        return self._value


@contextlib.contextmanager
def arrived(connector: OssModelConnector) -> Iterator[Callable[[], int]]:
    """A function that tells how many bytes of objects have come in since the context began."""
    latest = 0

    def note(progress: Progress) -> None:
        nonlocal latest
        latest = progress.bytes_done

    with connector.progress(note, interval=_LOOK_SECONDS):
        yield lambda: latest


class _Display(Protocol):
    def show(self, done: int, seconds: float) -> None: ...

    def end(self) -> None: ...


@contextlib.contextmanager
def progress(
    session: Session, what: str, total: int, done: Callable[[], int], *, silent: bool = False
) -> Iterator[None]:
    """Shows how far it is, while the context lasts and from its second second on.

    Args:
        session: says whether anybody wants to see it.
        what: a word or two before the figures.
        total: bytes in all.
        done: tells the bytes so far; called by a thread of this module.
        silent: nothing is shown.
    """
    if silent or not session.shows_progress or total <= 0:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(
        target=_watch, args=(what, total, done, ended), name="ossmc-progress", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(5)


def _watch(what: str, total: int, done: Callable[[], int], ended: threading.Event) -> None:
    """What the thread does. It owns the display; nobody else writes while it does."""
    begin = time.monotonic()
    at_begin = done()
    if ended.wait(_SILENT_SECONDS):
        return
    display = _Bar(what, total, at_begin) if sys.stderr.isatty() else _Lines(what, total, at_begin)
    # Where stderr is closed, nobody looks.
    with contextlib.suppress(OSError, ValueError):
        while not ended.wait(_LOOK_SECONDS):
            display.show(min(done(), total), time.monotonic() - begin)
        display.show(min(done(), total), time.monotonic() - begin)
        display.end()


class _Lines:
    """A line every 10 %."""

    def __init__(self, what: str, total: int, at_begin: int) -> None:
        self._what = what
        self._total = total
        self._at_begin = at_begin
        self._tenth = at_begin * _LINES // total

    def show(self, done: int, seconds: float) -> None:
        tenth = done * _LINES // self._total
        if tenth <= self._tenth:
            return
        self._tenth = tenth
        rate = (done - self._at_begin) / max(seconds, 1e-9)
        left = (self._total - done) / rate if rate > 0 else 0.0
        line = f"{self._what} {tenth * 100 // _LINES:3d} %  {bytes_text(done)} of "
        line += f"{bytes_text(self._total)}  {bytes_text(rate)}/s  {time_text(left)} left"
        print(line, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Lines stay."""


class _Bar:
    """A bar that goes when it is done."""

    def __init__(self, what: str, total: int, at_begin: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns: list[Any] = [
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        ]
        self._progress = Progress(
            *columns, console=Console(stderr=True), auto_refresh=False, transient=True
        )
        self._task = self._progress.add_task(what, total=total, completed=at_begin)
        self._progress.start()

    def show(self, done: int, seconds: float) -> None:
        self._progress.update(self._task, completed=done, refresh=True)

    def end(self) -> None:
        self._progress.stop()


def time_text(seconds: float) -> str:
    """``"0:07"``, ``"1:02:03"``."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
