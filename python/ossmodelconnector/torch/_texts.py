"""Texts: many strings in two buffers, which forked workers share and others unpickle at once."""

from __future__ import annotations

import array
from collections.abc import Iterable, Iterator

from ossmodelconnector import _core

__all__ = ["Texts"]


class Texts:
    """Strings by number. Each str is made when it is asked for."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._data = bytearray()
        self._ends = array.array("q")
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Adds one at the end."""
        self._data += text.encode()
        self._ends.append(len(self._data))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        begin = self._ends[index - 1] if index else 0
        return self._data[begin : self._ends[index]].decode()

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(len(self)))

    def fingerprint(self) -> int:
        """A number that other texts have not, but by chance."""
        return _core.crc64(self._data, _core.crc64(self._ends, 0))
