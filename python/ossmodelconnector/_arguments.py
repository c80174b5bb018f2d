"""What callers hand to a connector, checked before any request: names, URIs, ranges, flags."""

from __future__ import annotations

import operator
import re
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ossmodelconnector import _core
from ossmodelconnector._objects import ObjectInfo
from ossmodelconnector._reader import ObjectReader


class ObjectToOpen(NamedTuple):
    """An object as the core opens it."""

    uri: str
    version_id: str  # "": the current version
    size: int
    etag: str  # "": neither this nor size and time are known
    last_modified: float  # Unix seconds


def require_text(name: str, value: object, hint: str = "") -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be str, not {type(value).__name__}{hint}")
    _require_unicode(name, value)


def require_bucket(bucket: object, prefix: object) -> None:
    """Whether it is a good name, the core knows; here it is told from a URI or a path."""
    require_text("bucket", bucket)
    path = re.fullmatch(r"(?:oss://)?([a-z0-9-]{3,63})(?:/(.*))?", str(bucket), re.DOTALL)
    if path is None or path[0] == path[1]:
        return
    rest = (path[2] or "") + (prefix if isinstance(prefix, str) else "")
    meant = f"list({path[1]!r}, {rest!r})" if rest else f"list({path[1]!r})"
    shown = _core.without_secrets(f"{bucket!r}: write {meant}")
    raise ValueError(f"list takes a bucket's name and a prefix, not the URI or path {shown}")


def _uri_text(uri: object) -> str:
    if isinstance(uri, (ObjectInfo, ObjectReader)):
        uri = uri.uri
    elif not isinstance(uri, str):
        raise TypeError(
            f"a URI must be str (oss://bucket/key) or ObjectInfo, not {type(uri).__name__}"
        )
    _require_unicode("URI", uri)
    return uri


def object_to_open(uri: object, version_id: object = None) -> ObjectToOpen:
    """Takes what `OssModelConnector.open` takes; an ObjectInfo or a reader pins its version."""
    text = _uri_text(uri)
    if version_id is not None:
        version_id = _version_text(version_id)
    if isinstance(uri, ObjectReader):
        return ObjectToOpen(text, uri.version_id or "", uri.size, uri.etag, 0.0)
    if not isinstance(uri, ObjectInfo):
        return ObjectToOpen(text, version_id or "", 0, "", 0.0)
    own = None if uri.version_id is None else _version_text(uri.version_id)
    # What it says is of its own version.
    if version_id is not None and version_id != own:
        return ObjectToOpen(text, version_id, 0, "", 0.0)
    return ObjectToOpen(text, own or "", *_listed_version(uri))


def range_of_object(item: object) -> tuple[object, int, int]:
    """Takes a triple of (uri, offset, length)."""
    if not isinstance(item, Sequence) or isinstance(item, (str, bytes)) or len(item) != 3:
        raise TypeError(f"a range is (uri, offset, length), not {item!r}")
    uri = item[0]
    offset, length = (operator.index(number) for number in item[1:])
    if offset < 0 or length < 0:
        raise ValueError(
            f"a range is (uri, offset, length), the numbers not negative: ({offset}, {length})"
        )
    if max(offset, length) > sys.maxsize:
        raise OverflowError(f"no object is so large: a range of ({offset}, {length})")
    return uri, offset, length


def read_ahead(name: str, value: object) -> int:
    """Takes a limit of what is read ahead; None: 0, which stands for the default."""
    if value is None:
        return 0
    limit = operator.index(value)  # type: ignore[arg-type]  # it says what it takes
    if limit < 1:
        raise ValueError(f"{name} must be at least 1, or None for the default: {limit}")
    return min(limit, sys.maxsize)


def _listed_version(info: ObjectInfo) -> tuple[int, str, float]:
    size: Any = info.size
    etag: Any = info.etag
    if not isinstance(size, int) or not isinstance(etag, str):
        kinds = f"{type(size).__name__} and {type(etag).__name__}"
        raise TypeError(f"the size and etag of {info.uri!r} must be int and str, not {kinds}")
    if not 0 <= size < 1 << 63:
        raise ValueError(f"no object has the size of {info.uri!r}: {size}")
    if not _core.tells_versions(etag):
        return size, "", 0.0
    modified: Any = info.last_modified
    is_told = isinstance(modified, datetime) and modified.tzinfo is not None
    return size, etag, modified.timestamp() if is_told else 0.0


def _version_text(version_id: object) -> str:
    if not isinstance(version_id, str):
        raise TypeError(f"version_id must be str or None, not {type(version_id).__name__}")
    _require_unicode("version_id", version_id)
    if not version_id:
        raise ValueError("version_id is empty: leave it out (None) for the current version")
    return version_id


def _require_unicode(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        fault = f"a lone surrogate at position {error.start}, which UTF-8 has no form for"
        raise ValueError(f"{name} {_core.quoted_address(text)} holds {fault}") from None


def require_binary_flag(binary: object) -> None:
    # open()'s habits: a mode would be taken for True, None for False.
    if binary is None or isinstance(binary, (str, bytes)):
        shown = _core.without_secrets(f"{binary!r:.20}")
        raise TypeError(
            f"binary must be a bool (True: bytes, False: text), not {shown}; an object is always "
            "opened for reading"
        )


def require_prefetch_flag(prefetch: object) -> None:
    if not isinstance(prefetch, bool):
        raise TypeError(f"prefetch must be a bool, not {prefetch!r}")
