"""Readers of many objects, some of which are open, and fetch, before their turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from ossmodelconnector._reader import ObjectReader

__all__ = ["SMALL_BYTES", "opened_ahead"]

# Of objects up to this size many must be on their way at once.
SMALL_BYTES = 1 << 20

_Item = TypeVar("_Item")


def opened_ahead(
    items: Iterable[_Item],
    open_some: Callable[[list[_Item]], Iterable[ObjectReader]],
    most: int = 16,
) -> Generator[tuple[_Item, ObjectReader], None, None]:
    """Gives items in their order with their readers, which whoever takes them closes.

    Args:
        items: what is to be read.
        open_some: opens several of them, by one round trip if it can.
        most: so many are open at once.
    """
    waiting: deque[tuple[_Item, ObjectReader]] = deque()
    to_open = iter(items)
    try:
        while True:
            if len(waiting) <= most // 2:
                some = list(islice(to_open, most - len(waiting)))
                waiting.extend(zip(some, open_some(some) if some else ()))
            if not waiting:
                return
            yield waiting.popleft()
    finally:
        for _, reader in waiting:
            reader.close()
