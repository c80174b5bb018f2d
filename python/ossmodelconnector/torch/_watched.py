"""WatchedFile: a file that keeps the error that ended a read."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

__all__ = ["WatchedFile"]


class WatchedFile(io.BufferedIOBase):
    """Another file, for torch.

    Where a read fails, some of torch's C++ raises an error of its own that does not tell why.
    """

    def __init__(self, file: Any) -> None:
        super().__init__()
        self._file = file
        self.error: Exception | None = None  # of the first read that failed

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The position, in bytes."""
        return int(self._file.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Moves the position, and returns it."""
        return int(self._file.seek(offset, whence))

    def read(self, size: int | None = -1, /) -> bytes:
        """As of the other file."""
        data: bytes = self._watch(self._file.read, -1 if size is None else size)
        return data

    def readinto(self, buffer: Any, /) -> int:
        """As of the other file."""
        count: int = self._watch(self._file.readinto, buffer)
        return count

    def readline(self, size: int | None = -1, /) -> bytes:
        """As of the other file."""
        line: bytes = self._watch(self._file.readline, -1 if size is None else size)
        return line

    def _watch(self, call: Callable[[Any], Any], argument: Any) -> Any:
        try:
            return call(argument)
        except Exception as error:
            self.error = self.error or error
            raise
