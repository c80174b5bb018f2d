"""Filling files: objects received in place, several at a time."""

from __future__ import annotations

import errno
import mmap
import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from ossmodelconnector._node_copy._mapping import map_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ossmodelconnector._node_copy._folder import Folder
    from ossmodelconnector._node_copy._take import Mine
    from ossmodelconnector._reader import ObjectReader

__all__ = ["Job", "fetch", "reserve"]

_THREADS = 4
# A wait of Python's own feels Ctrl-C at its end only where it has a limit.
_WAIT_SECONDS = 0.1
_LIFE_SECONDS = 1.0
# In a piece after which a signal is seen. The kernel begins anew where one comes in the middle.
_RESERVE_BYTES = 1 << 30
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EFBIG)


class Job(NamedTuple):
    """A file to fill, the object to fill it with, and its place among those that are wanted."""

    place: int
    mine: Mine
    reader: ObjectReader


def reserve(folder: Folder, jobs: Sequence[Job]) -> None:
    """Has the file system set aside what the files need, or raises OSError (ENOSPC)."""
    missing = {job: job.reader.size - _held_bytes(job.mine.pin.fd) for job in jobs}
    needed = sum(max(0, one) for one in missing.values())
    folder.require_room(needed)
    for job in jobs:
        fd, size = job.mine.pin.fd, job.reader.size
        os.ftruncate(fd, size)
        try:
            for begin in range(0, size, _RESERVE_BYTES):
                os.posix_fallocate(fd, begin, min(_RESERVE_BYTES, size - begin))
                job.mine.lock.show_life()
        except OSError as error:
            if error.errno in _NO_SPACE:
                raise folder.too_small(needed) from None
            raise


def _held_bytes(fd: int) -> int:
    return os.fstat(fd).st_blocks * 512


class _Work:
    """Files that are being filled: what the threads share that do so. Any thread may use it."""

    def __init__(self, jobs: Sequence[Job], publish: Callable[[Job], None]) -> None:
        self._publish = publish
        self._lock = threading.Lock()
        # All of the following is guarded by it.
        self._waiting = list(reversed(jobs))
        self._begun: list[Job] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    return
                job = self._waiting.pop()
                self._begun.append(job)
            try:
                _fill(job)
                self._publish(job)
            except BaseException as error:
                self.end(error)

    def end(self, error: BaseException) -> None:
        """Has all threads come to their end; of several errors the first one is told."""
        with self._lock:
            self._waiting.clear()
            begun, self._begun = self._begun, []
            if self.error is None:
                self.error = error
        for job in begun:
            job.reader.close()  # which ends a read of it


def fetch(jobs: Sequence[Job], publish: Callable[[Job], None]) -> None:
    """Fills files, each checked by its CRC-64, and calls `publish` for each, in some thread.

    Raises:
        ChecksumError: an object's bytes are not what was uploaded.
        OssError: or another of its kinds. What `publish` raises.
    """
    work = _Work(jobs, publish)
    threads = [
        threading.Thread(target=work.run, name="ossmodelconnector-copy", daemon=True)
        for _ in range(min(_THREADS, len(jobs)))
    ]
    for thread in threads:
        thread.start()
    try:
        _wait(threads, jobs)
    except BaseException as error:
        work.end(error)
        raise
    finally:
        for thread in threads:
            thread.join()
    if work.error is not None:
        raise work.error


def _wait(threads: Sequence[threading.Thread], jobs: Sequence[Job]) -> None:
    shown = time.monotonic()
    for thread in threads:
        while thread.is_alive():
            thread.join(_WAIT_SECONDS)
            if time.monotonic() - shown >= _LIFE_SECONDS:
                shown = time.monotonic()
                for job in jobs:
                    job.mine.lock.show_life()


def _fill(job: Job) -> None:
    size = job.reader.size
    if not size:
        return
    with map_file(mmap.mmap, job.mine.pin.fd, size, mmap.MAP_SHARED) as memory:
        job.reader.readinto(memory)
