"""The iteration of `OssModelConnector.read_objects`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ossmodelconnector import _core
from ossmodelconnector._arguments import object_to_open
from ossmodelconnector._objects import ObjectInfo

# So many are taken from the caller's iterable before the first ones of them are asked for.
_GROUP = 16


def iterate(
    core: _core.Connector, given: Iterator[object], ahead: tuple[int, int], raises: bool
) -> Iterator[tuple[Any, Any]]:
    """Gives pairs of (ObjectInfo, bytes), or, unless it raises, of what was given and its error."""
    has_more = True
    failure: Exception | None = None  # of the caller's iterable: it comes in its place
    reading = _core.ObjectsRead(core, *ahead, ObjectInfo, object_to_open)
    try:
        while True:
            while has_more and reading.wants():
                try:
                    has_more = reading.add_from(given, _GROUP)
                except Exception as error:
                    has_more = False
                    failure = error
                reading.start()
                if reading.is_ready():
                    break
            if len(reading) == 0:
                break
            for pair in reading.take():
                if raises and type(pair[1]) is not bytes:
                    raise pair[1]
                yield pair
        if failure is not None:
            raise failure
    finally:
        reading.end()
