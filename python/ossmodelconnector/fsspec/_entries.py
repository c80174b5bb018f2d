"""What fsspec is told of files and directories: dicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ossmodelconnector._objects import ObjectInfo
from ossmodelconnector.fsspec._paths import split_path

__all__: list[str] = []

Entry = dict[str, Any]


def file_entry(info: ObjectInfo) -> Entry:
    """Returns what is known of an object, under the names that s3fs and ossfs have for it.

    ``mtime`` is ``LastModified`` once more: Arrow looks for that.
    """
    entry: Entry = {
        "name": f"{info.bucket}/{info.key}",
        "size": info.size,
        "type": "file",
        "ETag": info.etag,
        "LastModified": info.last_modified,
        "mtime": info.last_modified,
        "StorageClass": info.storage_class,
    }
    if info.version_id is not None:
        entry["VersionId"] = info.version_id
    return entry


def directory_entry(path: str) -> Entry:
    return {"name": path, "size": 0, "type": "directory"}


def info_of(entry: Entry) -> ObjectInfo:
    """Returns the ObjectInfo that a file's entry was made of."""
    return ObjectInfo(
        *split_path(entry["name"]),
        entry["size"],
        entry["ETag"],
        entry["LastModified"],
        entry["StorageClass"],
        version_id=entry.get("VersionId"),
    )


def entry_named(entries: Sequence[Entry], name: str) -> Entry | None:
    """Looks in entries that are sorted by name."""
    low, high = 0, len(entries)
    while low < high:
        middle = (low + high) // 2
        if entries[middle]["name"] < name:
            low = middle + 1
        else:
            high = middle
    found = low < len(entries) and entries[low]["name"] == name
    return entries[low] if found else None
