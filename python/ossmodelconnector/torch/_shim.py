"""Stands in for OssModelConnector.read_objects."""

from __future__ import annotations

import itertools
from typing import Any

from ossmodelconnector._errors import OssError
from ossmodelconnector._objects import ObjectInfo

__all__: list[str] = []


def read_objects(
    connector: Any,
    objects: Any,
    *,
    read_ahead_bytes: int | None = None,
    read_ahead_objects: int | None = None,
    on_error: str = "raise",
) -> Any:
    objects = iter(objects)
    while window := list(itertools.islice(objects, read_ahead_objects or 32)):
        try:
            yield from _together(connector, window)
        except OssError:
            for one in window:
                try:
                    yield from _together(connector, [one])
                except OssError as error:
                    if on_error == "raise":
                        raise
                    yield one, error


def _together(connector: Any, objects: Any) -> Any:
    infos = [one if isinstance(one, ObjectInfo) else connector.stat(one) for one in objects]
    return list(zip(infos, connector.read_ranges((info, 0, info.size) for info in infos)))
