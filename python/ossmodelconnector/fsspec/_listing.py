"""The part of the file system that lists: ls, info, find and what is made of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from ossmodelconnector._connector import OssModelConnector
from ossmodelconnector._errors import ObjectNotFoundError
from ossmodelconnector.fsspec._entries import Entry, directory_entry, entry_named, file_entry
from ossmodelconnector.fsspec._paths import inside, split_path, uri_of

__all__: list[str] = []


def children(connector: OssModelConnector, path: str) -> list[Entry] | None:
    """Lists a directory, sorted by name; None where there is none."""
    bucket, _ = split_path(path)
    prefix = inside(path)
    objects = connector.list(bucket, prefix, delimiter="/")
    if not objects and not objects.common_prefixes and prefix:
        return None
    entries = [file_entry(one) for one in objects if not one.key.endswith("/")]
    entries += [directory_entry(f"{bucket}/{one[:-1]}") for one in objects.common_prefixes]
    entries.sort(key=lambda entry: entry["name"])
    return entries


def has_children(connector: OssModelConnector, path: str) -> bool:
    return any(True for _ in connector.iter_objects(split_path(path)[0], inside(path)))


def parents(paths: Iterable[str], root: str) -> set[str]:
    """Returns the directories below `root` that hold these paths."""
    found: set[str] = set()
    last = ""
    for path in paths:
        directory = path.rpartition("/")[0]
        if directory == last:
            continue
        last = directory
        while len(directory) > len(root) and directory not in found:
            found.add(directory)
            directory = directory.rpartition("/")[0]
    return found
