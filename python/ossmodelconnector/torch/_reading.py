"""Samples of objects: their bytes, in the order that they are asked for."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Callable

from ossmodelconnector._errors import OssError
from ossmodelconnector._objects import ObjectInfo

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector.torch._sources import Objects

__all__ = ["samples_of"]


def samples_of(
    connector: OssModelConnector,
    objects: Objects,
    numbers: Iterable[int],
    skip_or_raise: Callable[[str, OssError], None],
    **read_ahead: int | None,
) -> Iterator[tuple[Any, ...] | None]:
    """Reads objects, and gives the sample of each, in their order.

    Args:
        connector: reads them.
        objects: of which they are.
        numbers: which ones; taken as they are asked for, some ahead.
        skip_or_raise: called with the URI of an object that cannot be read, and the error.
        **read_ahead: of `OssModelConnector.read_objects`.

    Returns:
        An iterator over (ObjectInfo, bytes), or with a manifest's other columns (ObjectInfo, bytes,
        dict); None for an object that is skipped.
    """
    taken: deque[int] = deque()  # and not given yet

    def wanted() -> Iterator[str | ObjectInfo]:
        for number in numbers:
            taken.append(number)
            yield objects[number]

    pairs: Any = connector.read_objects(wanted(), on_error="return", **read_ahead)
    # Closed when this iterator is: requests in flight are given up then.
    with contextlib.closing(pairs):
        for info, data in pairs:
            number = taken.popleft()
            if isinstance(data, OssError):
                skip_or_raise(info if isinstance(info, str) else info.uri, data)
                yield None
            elif objects.has_columns:
                yield info, data, objects.columns(number)
            else:
                yield info, data
