"""Which objects a data set of Ray has, and how they are shared among its tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from ossmodelconnector._errors import ObjectNotFoundError
from ossmodelconnector._objects import ObjectInfo, ObjectList
from ossmodelconnector._samples import listed_below, rows_of_markers

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector

__all__ = ["Objects", "objects_of"]

# Objects in their order: their URIs, or what a listing knows of them.
Objects = Union[Sequence[str], Sequence[ObjectInfo], ObjectList]

# So many bytes cost as much as one request more: small objects are shared evenly too.
_BYTES_OF_A_REQUEST = 128 << 10


def objects_of(connector: OssModelConnector, source: Any) -> Objects:
    """Returns the objects that `source` means.

    Raises:
        ObjectNotFoundError: there is nothing under that prefix.
        ValueError: `source` has no object, or is no URI.
        TypeError: it is something else.
        OssError: the listing failed.
    """
    if isinstance(source, str):
        uri = _checked(source)
        return _of_prefix(connector, uri) if uri.endswith("/") else [uri]
    if isinstance(source, ObjectInfo):
        return [source]
    if not isinstance(source, Iterable) or isinstance(source, (bytes, Mapping)):
        raise TypeError(
            "source must be a URI (oss://bucket/key, or oss://bucket/prefix/), URIs, or an "
            f"ObjectList, not {type(source).__name__}"
        )
    objects = source if isinstance(source, ObjectList) else list(source)
    if not len(objects):
        raise ValueError("source is empty: there is no object to read")
    if isinstance(objects, ObjectList) or all(isinstance(one, ObjectInfo) for one in objects):
        return objects
    if not all(isinstance(one, str) for one in objects):
        raise TypeError("source must have URIs alone, or ObjectInfos alone")
    return [_checked(one) for one in objects]


def _of_prefix(connector: OssModelConnector, uri: str) -> ObjectList:
    listed = listed_below(connector, uri)
    if count(listed) == 0:
        raise ObjectNotFoundError(f"there is nothing under {uri}", uri=uri)
    return listed


def _checked(uri: str) -> str:
    bucket, _, rest = uri[len("oss://") :].partition("/")
    if not uri.startswith("oss://") or not bucket or not (rest or uri.endswith("/")):
        raise ValueError(f"{uri!r:.200} must be oss://bucket/key, or oss://bucket/prefix/")
    return uri


def without_markers(objects: Objects) -> Iterator[str | ObjectInfo]:
    """Gives them without the folder markers of a listing."""
    for one in objects:
        if isinstance(one, str) or not one.is_folder_marker:
            yield one


def count(objects: Objects) -> int:
    """Returns how many they are without folder markers."""
    if not isinstance(objects, ObjectList):
        return sum(1 for _ in without_markers(objects))
    return len(objects) - len(rows_of_markers(objects))


def sizes_of(objects: Objects) -> Any:
    """Returns an array of their sizes; None where those are not known."""
    if isinstance(objects, ObjectList):
        return np.asarray(objects.sizes)
    sizes = [one.size for one in objects if isinstance(one, ObjectInfo)]
    return np.array(sizes, dtype=np.int64) if len(sizes) == len(objects) else None


def parts(objects: Objects, number: int) -> list[Objects]:
    """Cuts them into at most so many runs, none empty, that cost about the same to read."""
    sizes = sizes_of(objects)
    costs = np.ones(len(objects)) if sizes is None else sizes + float(_BYTES_OF_A_REQUEST)
    ends = np.cumsum(costs)
    number = max(1, min(number, len(objects)))
    shares = ends[-1] * np.arange(1, number) / number
    cuts = [0, *(int(row) + 1 for row in np.searchsorted(ends, shares)), len(objects)]
    return [objects[start:end] for start, end in zip(cuts, cuts[1:]) if start < end]
