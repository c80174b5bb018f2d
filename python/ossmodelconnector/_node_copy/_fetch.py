"""Filling files: objects received in place, several at a time."""

from __future__ import annotations

import errno
import mmap
import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from ossmodelconnector import _core
from ossmodelconnector._errors import ChecksumError
from ossmodelconnector._node_copy._mapping import map_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ossmodelconnector._node_copy._folder import Folder
    from ossmodelconnector._node_copy._take import Mine
    from ossmodelconnector._reader import ObjectReader

__all__ = ["Job", "fetch", "require_room"]

_THREADS = 4
# A wait of Python's own feels Ctrl-C at its end only where it has a limit.
_WAIT_SECONDS = 0.1
_LIFE_SECONDS = 1.0
# At a time: so soon it is seen that the work was ended.
_RESERVE_BYTES = 1 << 30
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EFBIG)


class Job(NamedTuple):
    """A file to fill, the object to fill it with, and its place among those that are wanted."""

    place: int
    mine: Mine
    reader: ObjectReader


def require_room(folder: Folder, jobs: Sequence[Job]) -> None:
    """OSError (ENOSPC): there is no room for what is missing of the files, all together."""
    needed = 0
    for job in jobs:
        held = os.fstat(job.mine.pin.fd).st_blocks * 512  # by one who died
        needed += max(0, job.reader.size - held)
    folder.require_room(needed)


class _Work:
    """Files that are being filled: what the threads share that do so. Any thread may use it."""

    def __init__(
        self, folder: Folder, jobs: Sequence[Job], publish: Callable[[Job, str], None]
    ) -> None:
        self._folder = folder
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
                _reserve(self._folder, job)
                self._publish(job, _fill(job))
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


def fetch(folder: Folder, jobs: Sequence[Job], publish: Callable[[Job, str], None]) -> None:
    """Fills files, and calls `publish` for each, with what it was checked by, in some thread.

    Raises:
        OSError: ENOSPC: there is no room any more.
        ChecksumError: an object's bytes are not what was uploaded.
        OssError: or another of its kinds. What `publish` raises.
    """
    work = _Work(folder, jobs, publish)
    threads = [
        threading.Thread(target=work.run, name="ossmodelconnector-copy", daemon=True)
        for _ in range(min(_THREADS, len(jobs)))
    ]
    try:
        for thread in threads:
            thread.start()
        _wait(threads, jobs)
    except BaseException as error:
        work.end(error)
        raise
    finally:
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    if work.error is not None:
        raise work.error


def _wait(threads: Sequence[threading.Thread], jobs: Sequence[Job]) -> None:
    """Until all have come to their end; meanwhile those who wait for files see that we run."""
    shown = time.monotonic()
    for thread in threads:
        while thread.is_alive():
            thread.join(_WAIT_SECONDS)
            now = time.monotonic()
            if now - shown >= _LIFE_SECONDS:
                shown = now
                for job in jobs:
                    job.mine.lock.show_life()


def _reserve(folder: Folder, job: Job) -> None:
    """Has the file system set aside what the file needs, while other files are received."""
    fd, size = job.mine.pin.fd, job.reader.size
    try:
        os.ftruncate(fd, size)
        for begin in range(0, size, _RESERVE_BYTES):
            job.reader.readable()  # an error where the work was ended
            os.posix_fallocate(fd, begin, min(_RESERVE_BYTES, size - begin))
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise folder.too_small(size) from None
        raise


def _fill(job: Job) -> str:
    """Returns what the file was checked by: ``"crc64"``, or ``"etag"``."""
    reader = job.reader
    if not reader.size:
        return "crc64"
    with map_file(mmap.mmap, job.mine.pin.fd, reader.size, mmap.MAP_SHARED) as memory:
        reader.readinto(memory)
        expected = reader._core.crc64
        if reader.verified != "crc64" and expected is not None:
            # Pieces came so that their CRC-64 could not be put together.
            if _core.crc64(memory) != expected:
                raise ChecksumError(
                    f"{reader.uri}: its bytes do not match the object's CRC-64 ({expected})",
                    uri=reader.uri,
                )
            return "crc64"
    return "crc64" if reader.verified == "crc64" else "etag"
