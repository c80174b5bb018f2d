"""Readers of a class that is derived from ObjectReader: packages on top open their files so."""

from __future__ import annotations

from typing import TypeVar

from ossmodelconnector import _process
from ossmodelconnector._arguments import object_to_open
from ossmodelconnector._connector import OssModelConnector
from ossmodelconnector._objects import ObjectInfo
from ossmodelconnector._reader import ObjectReader

__all__: list[str] = []

Reader = TypeVar("Reader", bound=ObjectReader)


def open_derived(
    cls: type[Reader],
    connector: OssModelConnector,
    uri: str | ObjectInfo,
    *,
    prefetch: bool,
    version_id: str | None = None,
) -> Reader:
    """Does what `OssModelConnector.open` does, and returns a reader of class `cls`."""
    core = connector._core.open(object_to_open(uri, version_id), prefetch)
    reader = cls._over(core, connector)
    _process.register_reader(reader)
    return reader
