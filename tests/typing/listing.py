"""What listings give."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
from ossmodelconnector import ObjectInfo, ObjectKeys, ObjectList, OssModelConnector
from typing_extensions import assert_type


def sizes_by_key(objects: Sequence[ObjectInfo]) -> dict[str, int]:
    return {info.key: info.size for info in objects}


def longest(keys: ObjectKeys) -> str:
    return max(keys, key=len)


def listed(connector: OssModelConnector) -> None:
    objects = connector.list("bucket", "model/", fast=True, progress=print)
    assert_type(objects, ObjectList)
    assert_type(objects[0], ObjectInfo)
    assert_type(objects[1:], ObjectList)
    assert_type([info for info in objects], list[ObjectInfo])  # noqa: C416 - as a loop sees it
    assert_type(connector.iter_objects("bucket"), Iterator[ObjectInfo])
    assert_type(objects.sizes, memoryview)
    np.asarray(objects.sizes).sum()
    objects.sort()
    sizes_by_key(objects)
    folders = connector.list("bucket", delimiter="/").common_prefixes
    assert_type(folders, tuple[str, ...])


def keys_of(objects: ObjectList) -> None:
    keys = objects.keys
    assert_type(keys, ObjectKeys)
    assert_type(keys[0], str)
    assert_type(keys[1:], ObjectKeys)
    assert_type((keys.data, keys.offsets), tuple[memoryview, memoryview])
    assert_type("model/config.json" in keys, bool)
    longest(keys)
    as_sequence: Sequence[str] = keys
    as_sequence.index("model/config.json")


def one_object(connector: OssModelConnector) -> None:
    info = connector.stat("oss://bucket/key")
    assert_type(info, ObjectInfo)
    assert_type((info.bucket, info.key, info.uri), tuple[str, str, str])
    assert_type((info.etag, info.storage_class), tuple[str, str])
    assert_type(info.size, int)
    assert_type(info.last_modified, datetime)
    assert_type(dataclasses.replace(info, size=0), ObjectInfo)
    ObjectInfo(
        bucket="bucket",
        key="key",
        size=0,
        etag="",
        last_modified=info.last_modified,
        storage_class="Standard",
    )
    by_object: dict[ObjectInfo, bytes] = {info: b""}
    by_object.clear()
