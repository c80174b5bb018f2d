"""Texts: many strings in two buffers, which forked workers share and others unpickle at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np

from ossmodelconnector import _core

__all__ = ["Texts"]


class Texts(Sequence[str]):
    """A read-only sequence of str. Each str is made when it is asked for."""

    def __init__(self, texts: Iterable[str]) -> None:
        data = bytearray()
        ends = []
        for text in texts:
            data += text.encode()
            ends.append(len(data))
        self._data = bytes(data)
        self._ends = np.array(ends, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self._ends))[index]
        begin = self._ends[place - 1] if place else 0
        return self._data[begin : self._ends[place]].decode()

    def fingerprint(self) -> int:
        """A number that other texts have not, but by chance."""
        return _core.crc64(self._data, _core.crc64(self._ends.tobytes(), 0))
