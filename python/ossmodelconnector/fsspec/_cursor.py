"""A reader's cursor for threads that seek and read in one file without a lock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ossmodelconnector._reader import ObjectReader

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from typing_extensions import Self

    from ossmodelconnector import _core
    from ossmodelconnector._connector import OssModelConnector

__all__: list[str] = []


class CursorForThreads(ObjectReader):
    """A reader in which each thread that Python did not start reads where it sought itself.

    DuckDB has eight threads seek and read in one file, each by two calls, between which others
    seek: as with one cursor for all, it would get the bytes of another place, and not notice. Here
    a seek holds for the next read of the same thread, whoever has moved the cursor since. Such
    reads do not wait for each other. Threads that Python started are one in this: they hand files
    on, and one reads where another has sought.
    """

    # _sought: by thread the place that it sought, until it reads. Each thread has a key of its own,
    # so that the GIL is enough; a read without a seek of its own is one after all of those.
    __slots__ = ("_sought",)

    _sought: dict[int, int]

    @classmethod
    def _over(cls, core: _core.Reader, connector: OssModelConnector) -> Self:
        reader = super()._over(core, connector)
        assert isinstance(reader, cls)
        reader._sought = {}
        return reader

    def seek(self, offset: int, whence: int = 0, /) -> int:
        who = _who()
        if whence == 1 and who in self._sought:
            offset, whence = max(0, self._sought[who] + offset), 0
        place = super().seek(offset, whence)
        self._sought[who] = place
        return place

    def tell(self) -> int:
        place = self._sought.get(_who())
        return super().tell() if place is None else place

    def read(self, size: int | None = -1, /) -> bytes:
        place = self._sought.pop(_who(), None)
        if place is not None:
            return self._read_from(place, size)
        self._sought.clear()
        return super().read(size)

    def read1(self, size: int | None = -1, /) -> bytes:
        return self.read(size)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        self._go()
        return super().readinto(buffer)

    def readinto1(self, buffer: WriteableBuffer, /) -> int:
        return self.readinto(buffer)

    def readline(self, size: int | None = -1, /) -> bytes:
        self._go()
        return super().readline(size)

    def peek(self, size: int = 0, /) -> bytes:
        self._go()
        return super().peek(size)

    def chunks(self) -> Iterator[memoryview]:
        self._go()
        return super().chunks()

    def _go(self) -> None:
        """Moves the one cursor to where this thread sought."""
        place = self._sought.pop(_who(), None)
        self._sought.clear()
        if place is not None:
            super().seek(place)


def _who() -> int:
    thread = threading.current_thread()
    return threading.get_ident() if isinstance(thread, threading._DummyThread) else 0
