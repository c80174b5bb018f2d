"""Readers of many objects, some of which are open, and fetch, before their turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from ossmodelconnector._reader import ObjectReader

__all__ = ["SMALL_BYTES", "opened_ahead"]

# Up to this size an object is for `read_objects`: one request, and in memory as a whole.
SMALL_BYTES = 1 << 20
_OPEN = 16

_Item = TypeVar("_Item")


def opened_ahead(
    items: Iterable[_Item], open_some: Callable[[list[_Item]], Iterable[ObjectReader]]
) -> Generator[tuple[_Item, ObjectReader], None, None]:
    """Gives items in their order with their readers, which whoever takes them closes.

    Args:
        items: what is to be read.
        open_some: opens several of them, by one round trip if it can.
    """
    waiting: deque[tuple[_Item, ObjectReader]] = deque()
    to_open = iter(items)
    try:
        while True:
            if len(waiting) <= _OPEN // 2:
                some = list(islice(to_open, _OPEN - len(waiting)))
                waiting.extend(zip(some, open_some(some) if some else ()))
            if not waiting:
                return
            yield waiting.popleft()
    finally:
        for _, reader in waiting:
            reader.close()
