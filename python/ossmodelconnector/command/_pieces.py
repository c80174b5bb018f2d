"""A part of an object, without a byte of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ossmodelconnector._reader import ObjectReader

__all__ = ["pieces"]

# So much is received at once, by many requests.
_WINDOW_BYTES = 64 << 20


def pieces(reader: ObjectReader, begin: int, end: int) -> Iterator[memoryview]:
    """Gives the bytes from `begin` to `end`, in pieces, each of which the next one replaces.

    Args:
        reader: opened without prefetch; it would fetch from its beginning on.
        begin: an offset.
        end: another one, at most the object's size.
    """
    with memoryview(bytearray(max(0, min(_WINDOW_BYTES, end - begin)))) as window:
        while begin < end:
            count = reader.read_at(begin, window[: end - begin])
            yield window[:count]
            begin += count
