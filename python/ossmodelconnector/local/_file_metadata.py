"""ETag and CRC-64 of files, remembered for as long as a file stays as it is."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from ossmodelconnector.local._checksum import crc64_of_file
from ossmodelconnector.local._directory import SETTLED_NS

# Smaller files are read whole for their MD5 and CRC-64, at the first request: half a millisecond.
SMALL_FILE_BYTES = 256 << 10
PART_BYTES = 8 << 20

_Identity = tuple[int, int, int, int]


class FileMetadata:
    """Computes and remembers ETags and checksums. Any thread may call anything.

    The CRC-64 of a larger file is computed on threads of its own: on one in the background for all
    files of `precompute`, on two others for those that a request asks for before their turn.
    """

    def __init__(self) -> None:
        self._etags: dict[_Identity, str] = {}
        self._checksums: dict[_Identity, Future[int | None]] = {}
        self._lock = threading.Lock()
        self._urgent = ThreadPoolExecutor(2, "ossmc-local-crc64")
        self._closing = threading.Event()
        self._precomputed = threading.Event()
        self._precomputed.set()
        self._background: threading.Thread | None = None

    def etag(self, fd: int, status: os.stat_result) -> str:
        """Returns the ETag without quotes: the MD5 of a small file, else one that costs no read."""
        identity = _identity(status)
        known = self._etags.get(identity)
        if known is not None:
            return known
        if status.st_size <= SMALL_FILE_BYTES:
            etag = md5_etag(os.pread(fd, status.st_size, 0))
        else:
            etag = multipart_etag(repr(identity), status.st_size)
        if _is_settled(status):
            self._etags[identity] = etag
        return etag

    def etag_of_path(self, path: bytes, status: os.stat_result) -> str:
        """Returns the same for a file that is not open."""
        known = self._etags.get(_identity(status))
        if known is not None:
            return known
        if status.st_size > SMALL_FILE_BYTES:
            return multipart_etag(repr(_identity(status)), status.st_size)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return multipart_etag(repr(_identity(status)), status.st_size)
        try:
            return self.etag(fd, status)
        finally:
            os.close(fd)

    def checksum(self, fd: int, status: os.stat_result) -> Future[int | None]:
        """Returns the CRC-64 to come, None if it cannot be had; at once if the file is small."""
        return self._checksum(fd, status, self._urgent)

    def precompute(self, paths: Iterable[bytes]) -> None:
        """Starts to compute the CRC-64 of the larger ones among `paths`, in the background."""
        self._precomputed.clear()
        self._background = threading.Thread(
            target=self._precompute, args=(paths,), name="ossmc-local-precompute", daemon=True
        )
        self._background.start()

    def wait_until_precomputed(self, timeout: float | None) -> bool:
        """Waits for `precompute` to end; whether it did within `timeout` seconds."""
        return self._precomputed.wait(timeout)

    def close(self) -> None:
        """Ends the threads; a file in work is left unfinished."""
        self._closing.set()
        self._urgent.shutdown(wait=True)
        if self._background is not None:
            self._background.join()

    def _precompute(self, paths: Iterable[bytes]) -> None:
        try:
            for path in paths:
                if self._closing.is_set():
                    return
                try:
                    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                except OSError:
                    continue
                try:
                    status = os.fstat(fd)
                    if status.st_size > SMALL_FILE_BYTES:
                        self._checksum(fd, status, None)
                finally:
                    os.close(fd)
        finally:
            self._precomputed.set()

    def _checksum(
        self, fd: int, status: os.stat_result, pool: ThreadPoolExecutor | None
    ) -> Future[int | None]:
        identity = _identity(status)
        with self._lock:
            future = self._checksums.get(identity)
            if future is not None:
                return future
            future = Future()
            if _is_settled(status):
                self._checksums[identity] = future
        if pool is None or status.st_size <= SMALL_FILE_BYTES:
            self._fulfil(future, fd, status.st_size)
        else:
            # The caller may close its descriptor before the pool comes to this.
            pool.submit(self._fulfil_and_close, future, os.dup(fd), status.st_size)
        return future

    def _fulfil(self, future: Future[int | None], fd: int, size: int) -> None:
        try:
            future.set_result(crc64_of_file(fd, size, self._closing.is_set))
        except OSError:
            future.set_result(None)

    def _fulfil_and_close(self, future: Future[int | None], fd: int, size: int) -> None:
        try:
            self._fulfil(future, fd, size)
        finally:
            os.close(fd)


def md5_etag(data: bytes) -> str:
    """Returns the ETag of an object that was uploaded in one piece."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest().upper()


def multipart_etag(name: str, size: int) -> str:
    """Returns an ETag such as multipart uploads have: it names a version, not the content."""
    parts = max(1, -(-size // PART_BYTES))
    return f"{md5_etag(name.encode())}-{parts}"


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _is_settled(status: os.stat_result) -> bool:
    return time.time_ns() - status.st_mtime_ns > SETTLED_NS
