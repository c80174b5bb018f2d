"""Objects: which objects a data set has, in their order before any shuffling."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from ossmodelconnector import _core
from ossmodelconnector._default import connector_or_default
from ossmodelconnector._errors import ObjectNotFoundError
from ossmodelconnector._objects import ObjectInfo, ObjectList
from ossmodelconnector._samples import listed_below, rows_of_markers
from ossmodelconnector.torch._manifest import Rows, is_manifest, read_manifest
from ossmodelconnector.torch._texts import Texts

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector

__all__ = ["Objects", "Source", "objects_of"]

# What the source of a data set may be: see `ObjectDataset`.
Source = Union[str, "os.PathLike[str]", ObjectInfo, Iterable[str], Iterable[ObjectInfo]]


class Objects:
    """The objects, by number. Compact, constant, picklable; forked processes share it."""

    def __init__(
        self,
        objects: Texts | Sequence[ObjectInfo],
        columns: Rows | None = None,
        rows: Any = None,
    ) -> None:
        """Args: rows: an array of which of `objects` are meant; None: all of them."""
        self._objects = objects
        self._columns = columns
        self._rows = rows

    def __len__(self) -> int:
        return len(self._objects) if self._rows is None else len(self._rows)

    def __getitem__(self, index: int) -> str | ObjectInfo:
        return self._objects[index if self._rows is None else int(self._rows[index])]

    @property
    def has_columns(self) -> bool:
        """Whether a manifest says more of each object than its URI."""
        return self._columns is not None

    def columns(self, index: int) -> dict[str, Any]:
        """What the manifest says besides. REQUIRES: `has_columns`."""
        assert self._columns is not None
        return self._columns[index]

    def fingerprint(self) -> int:
        """A number that other objects, or these in another order, have not, but by chance."""
        rows = 0 if self._rows is None else _core.crc64(self._rows.tobytes(), 0)
        if isinstance(self._objects, Texts):
            return self._objects.fingerprint() ^ rows
        if isinstance(self._objects, ObjectList):
            offsets = np.asarray(self._objects.keys.offsets)
            keys = self._objects.keys.data[int(offsets[0]) : int(offsets[-1])]
            return _core.crc64(keys, _core.crc64((offsets - offsets[0]).tobytes(), 0)) ^ rows
        return Texts(info.uri for info in self._objects).fingerprint()


def objects_of(connector: OssModelConnector | None, source: Any, suffix: str = "") -> Objects:
    """Returns the objects that `source` means.

    Args:
        connector: lists a prefix, and reads a manifest that is on OSS. None: the process's own.
        source: see `ObjectDataset`.
        suffix: of a prefix, only keys that end so.

    Raises:
        ObjectNotFoundError: there is nothing under that prefix.
        ValueError: `source` has no object, or is no URI; or a manifest does not hold.
        OssError: or another of its kinds.
    """
    if is_manifest(source):
        name = os.fspath(source)
        needed = connector_or_default(connector) if name.startswith("oss://") else None
        objects = Objects(*read_manifest(needed, name))
    elif isinstance(source, str) and source.endswith("/"):
        return _of_prefix(connector_or_default(connector), source, suffix)
    elif isinstance(source, str):
        objects = Objects(Texts([_checked(source)]))
    elif isinstance(source, ObjectList):
        objects = Objects(source)
    elif isinstance(source, ObjectInfo):
        objects = Objects([source])
    elif not isinstance(source, Iterable) or isinstance(source, (bytes, Mapping)):
        raise TypeError(
            "source must be a URI (oss://bucket/key, or oss://bucket/prefix/), URIs, an "
            "ObjectList, or a manifest (.jsonl, .csv, .parquet), not " + type(source).__name__
        )
    else:
        objects = _of_iterable(source)
    if not len(objects):
        raise ValueError(f"{source!r:.200} has no object")
    return objects


def _of_prefix(connector: OssModelConnector, uri: str, suffix: str) -> Objects:
    listed = listed_below(connector, _checked(uri))
    rows = None
    if suffix:
        matching = [row for row, key in enumerate(listed.keys) if key.endswith(suffix)]
        rows = np.array(matching, dtype=np.int64)
    elif markers := rows_of_markers(listed):
        rows = np.delete(np.arange(len(listed)), markers)
    objects = Objects(listed, rows=rows)
    if not len(objects):
        kind = f"no *{suffix} is" if suffix else "there is nothing"
        raise ObjectNotFoundError(f"{kind} under {uri}", uri=uri)
    return objects


def _of_iterable(source: Iterable[Any]) -> Objects:
    given = list(source)
    if all(isinstance(one, ObjectInfo) for one in given):
        return Objects(given)
    for one in given:
        if not isinstance(one, (str, ObjectInfo)):
            raise TypeError(f"an object is a URI or an ObjectInfo, not {type(one).__name__}")
    if any(isinstance(one, ObjectInfo) for one in given):
        raise TypeError("source has URIs and ObjectInfos: give either")
    return Objects(Texts(_checked(one) for one in given))


def _checked(uri: str) -> str:
    if not uri.startswith("oss://"):
        raise ValueError(
            f"{uri!r:.200} is no source: it must be oss://bucket/key, oss://bucket/prefix/, or a "
            "manifest (.jsonl, .csv, .parquet)"
        )
    return uri
