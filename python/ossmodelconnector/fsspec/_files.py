"""Open files: readers of the connector that say what fsspec's callers ask of a file."""

from __future__ import annotations

from typing import Any

from fsspec.spec import AbstractBufferedFile

from ossmodelconnector.fsspec._cursor import CursorForThreads
from ossmodelconnector.fsspec._entries import Entry, info_of

__all__: list[str] = []

# fsspec's cache types, as what they want: most of a file in its order, or parts of it.
_CACHE_PREFETCHES = {
    "all": True,
    "background": True,
    "readahead": True,
    "blockcache": False,
    "bytes": False,
    "first": False,
    "mmap": False,
}
# The caches of fsspec itself: one holds what was read already, the other is where callers of
# fsspec put one of their own.
CACHES_OF_FSSPEC = ("none", "parts")

# Formats with an index, by which readers take parts of a file.
_READ_IN_PARTS = (".parquet", ".parq", ".pq", ".orc", ".h5", ".hdf5", ".nc")


def prefetches(path: str, cache_type: str | None) -> bool:
    """Whether a file is to be fetched ahead: by `cache_type`, or by its name where that is None.

    Raises:
        ValueError: there is no such cache type.
    """
    if cache_type is None:
        return not path.lower().endswith(_READ_IN_PARTS)
    if cache_type not in _CACHE_PREFETCHES:
        known = ", ".join(sorted([*_CACHE_PREFETCHES, *CACHES_OF_FSSPEC]))
        raise ValueError(f"cache_type {cache_type!r} is none of {known}")
    return _CACHE_PREFETCHES[cache_type]


class OssModelFile(CursorForThreads):
    """An object that is open for reading: what `OssModelFileSystem.open` returns.

    It is an `ObjectReader`, and has besides what callers of fsspec ask of files.

    Attributes:
        fs: the file system that opened it.
        path: ``bucket/key``.

    Example:
        >>> with fs.open("bucket/model.safetensors") as file:
        ...     file.path, file.size, len(file.read(100))
        ('bucket/model.safetensors', 4194304, 100)
    """

    __slots__ = ("_entry", "fs", "path")

    fs: Any
    path: str
    _entry: Entry | None

    def _belongs_to(self, fs: Any, path: str, entry: Entry | None) -> None:
        self.fs = fs
        self.path = path
        self._entry = entry

    @property
    def full_name(self) -> str:
        """``ossmc://bucket/key``."""
        return str(self.fs.unstrip_protocol(self.path))

    @property
    def details(self) -> Entry:
        """What `OssModelFileSystem.info` says of the object."""
        if self._entry is None:
            self._entry = self.fs.info(self.path)
        return self._entry

    def info(self) -> Entry:
        """Returns `details`."""
        return self.details

    @property
    def blocksize(self) -> int:
        """How many bytes callers may like to read at a time; the file does not mind."""
        return int(self.fs.blocksize)

    @property
    def loc(self) -> int:
        """The position, as `tell` gives it."""
        return self.tell()

    def read_buffer(self, size: int = -1) -> bytes:
        """Reads as `read` does. Arrow asks for a buffer, and takes the bytes without a copy."""
        return self.read(size)


class FetchedFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """A file with a cache of fsspec's own: each miss is a read of that range."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        info = info_of(self.details)
        data: bytes = self.fs.connector.read_ranges([(info, start, max(0, end - start))])[0]
        return data
