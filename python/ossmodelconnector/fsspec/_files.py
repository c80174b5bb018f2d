"""Open files: readers of the connector that say what fsspec's callers ask of a file."""

from __future__ import annotations

from typing import Any

from ossmodelconnector._reader import ObjectReader
from ossmodelconnector.fsspec._entries import Entry

__all__: list[str] = []


class OssModelFile(ObjectReader):
    """An object that is open for reading: what `OssModelFileSystem.open` returns.

    An `ObjectReader`, and beside that what callers of fsspec ask of files.

    Attributes:
        fs: the file system that opened it.
        path: ``bucket/key``.
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
        """How many bytes callers may read at a time: a hint, and no more."""
        return int(self.fs.blocksize)

    @property
    def loc(self) -> int:
        """The position, as `tell` gives it."""
        return self.tell()

    def read_buffer(self, size: int = -1) -> bytes:
        """Reads as `read` does: Arrow asks for a buffer, and bytes are one."""
        return self.read(size)
