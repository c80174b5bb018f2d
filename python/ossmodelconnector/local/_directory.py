"""A folder whose sub-folders are buckets and whose files are objects.

Nothing outside the folder is ever read: keys with ``.`` or ``..`` segments name no file, symbolic
links to folders are not followed, and links to files only where the target lies in the folder.

What a folder holds is remembered and read again when its modification time changes, so that
a listing sees new files without walking the tree for every page.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ossmodelconnector.local._errors import ServiceError
from ossmodelconnector.local._target import MAX_KEY_BYTES, is_bucket_name

# A file system's clock advances in ticks of up to 10 ms: a change in the same tick as the one
# before leaves the time as it is. A time this old cannot hide another change.
SETTLED_NS = 100_000_000


class _Listing(NamedTuple):
    """The content of one folder: names in byte order, those of folders with a slash behind."""

    mtime_ns: int
    inode: int
    settled: bool
    names: list[bytes]


class DirectoryTree:
    """Finds, opens and lists the files of one folder. Any thread may call anything.

    Args:
        directory: the folder that holds the buckets.

    Raises:
        NotADirectoryError: there is no such folder.
    """

    def __init__(self, directory: Path) -> None:
        if not directory.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory))
        self._root = os.path.realpath(os.fsencode(directory))
        self._inside = self._root.rstrip(b"/") + b"/"
        self._listings: dict[bytes, _Listing] = {}
        self._lock = threading.Lock()

    def buckets(self) -> list[str]:
        """Returns the names of the sub-folders that can be buckets, in order."""
        names = (name[:-1].decode() for name in self._names(self._root) if name.endswith(b"/"))
        return [name for name in names if is_bucket_name(name)]

    def has_bucket(self, bucket: str) -> bool:
        """Whether there is a sub-folder of that name."""
        try:
            return stat.S_ISDIR(os.lstat(self._inside + bucket.encode()).st_mode)
        except OSError:
            return False

    def open(self, bucket: str, key: str) -> tuple[int, os.stat_result] | None:
        """Opens the file of an object for reading.

        Returns:
            The descriptor, which the caller closes, and what fstat says of it; None if there is no
            such file.

        Raises:
            ServiceError: AccessDenied, if the file may not be read.
        """
        path = self._path(bucket, key)
        if path is None:
            return None
        parent = os.path.dirname(path)  # noqa: PTH120 - paths are bytes here
        try:
            if os.path.realpath(parent) != parent:
                return None
            fd = self._open_inside(path)
        except PermissionError:
            raise ServiceError("AccessDenied", "The server may not read that file.") from None
        except OSError:
            return None
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            return None
        return fd, status

    def walk(
        self, bucket: str, prefix: bytes, start: bytes
    ) -> Iterator[tuple[bytes, bytes, os.stat_result]]:
        """Yields (key, path, status) in byte order of the keys that begin with `prefix`.

        Args:
            bucket: which one.
            prefix: what keys have to begin with.
            start: the least key to yield.
        """
        top = self._inside + bucket.encode() + b"/"
        yield from self._walk(top, b"", prefix, max(prefix, start))

    def _walk(
        self, top: bytes, folder: bytes, prefix: bytes, start: bytes
    ) -> Iterator[tuple[bytes, bytes, os.stat_result]]:
        names = self._names(top + folder)
        first = 0
        if start.startswith(folder):
            # A folder's own name sorts before all keys in it: enter it when start lies in it.
            rest = start[len(folder) :]
            head, slash, _ = rest.partition(b"/")
            first = bisect_left(names, head + slash)
        for name in names[first:]:
            key = folder + name
            if key[: len(prefix)] > prefix:
                return
            if len(key) > MAX_KEY_BYTES or key.startswith(b"\\"):
                continue
            if name.endswith(b"/"):
                yield from self._walk(top, key, prefix, start)
            else:
                path = top + key
                status = self._status(path)
                if status is not None:
                    yield key, path, status

    def _path(self, bucket: str, key: str) -> bytes | None:
        segments = key.encode().split(b"/")
        if any(segment in (b"", b".", b"..") or b"\0" in segment for segment in segments):
            return None
        return self._inside + bucket.encode() + b"/" + b"/".join(segments)

    def _open_inside(self, path: bytes) -> int:
        # Without O_NONBLOCK, opening a named pipe would wait for its writer.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            return os.open(path, flags)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
        target = os.path.realpath(path)
        if not target.startswith(self._inside):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return os.open(target, flags)

    def _status(self, path: bytes) -> os.stat_result | None:
        try:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                target = os.path.realpath(path)
                if not target.startswith(self._inside):
                    return None
                status = os.lstat(target)
        except OSError:
            return None
        return status if stat.S_ISREG(status.st_mode) else None

    def _names(self, folder: bytes) -> list[bytes]:
        try:
            # One that was replaced by a symbolic link since its parent was read is no folder.
            status = os.lstat(folder.rstrip(b"/") or b"/")
            if not stat.S_ISDIR(status.st_mode):
                return []
            with self._lock:
                known = self._listings.get(folder)
            if (
                known is not None
                and known.settled
                and known.mtime_ns == status.st_mtime_ns
                and known.inode == status.st_ino
            ):
                return known.names
            settled = time.time_ns() - status.st_mtime_ns > SETTLED_NS
            with os.scandir(folder) as entries:
                names = sorted(
                    entry.name + b"/" if entry.is_dir(follow_symlinks=False) else entry.name
                    for entry in entries
                    if _is_utf8(entry.name)
                )
        except OSError:
            return []
        with self._lock:
            self._listings[folder] = _Listing(status.st_mtime_ns, status.st_ino, settled, names)
        return names


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
