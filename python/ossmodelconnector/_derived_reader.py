"""Readers that packages on top open: of a class of their own, or once more."""

from __future__ import annotations

from collections.abc import Sequence
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


def prefetch_again(
    connector: OssModelConnector, readers: Sequence[ObjectReader]
) -> list[ObjectReader]:
    """Opens the same versions once more, to be prefetched from their begin in this order.

    It waits for no reply: those to the readers have told the version. That an object has changed
    meanwhile is told by a read.
    """
    cores = connector._core.prefetch_confirmed([object_to_open(reader) for reader in readers])
    opened = [ObjectReader._over(core, connector) for core in cores]
    for reader in opened:
        _process.register_reader(reader)
    return opened
