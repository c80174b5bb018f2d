"""ObjectInfo and ObjectList: fields, buffers, sorting, pickling."""

from __future__ import annotations

import copy
import dataclasses
import gc
import pickle
import random
import struct
import subprocess
import sys
import weakref
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from ossmodelconnector import ObjectInfo, ObjectList, _core

MD5 = "5EB63BBBE01EEED093CB22BB8F5ACDC3"
START = datetime(2024, 8, 2, 15, 4, 5, 123000, tzinfo=timezone.utc)


def packed(*values: int | float, kind: str = "q") -> bytes:
    return struct.pack(f"<{len(values)}{kind}", *values)


def parts_of(keys: list[str], sizes: list[int] | None = None) -> tuple[Any, ...]:
    """The columns of a listing as ListColumns.parts() gives them; each third ETag is no MD5."""
    texts = [key.encode() for key in keys]
    offsets = [0]
    for text in texts:
        offsets.append(offsets[-1] + len(text))
    arena = b"".join(b"odd-%d" % i for i in range(0, len(keys), 3))
    places, words, at = b"", [], 0
    for i in range(len(keys)):
        size = len(b"odd-%d" % i)
        places += packed(at, size) if i % 3 == 0 else bytes.fromhex(MD5)
        words.append(2 << 30 if i % 3 == 0 else i % 2 * 7)
        at += size if i % 3 == 0 else 0
    return (
        1,
        b"".join(texts),
        packed(*offsets),
        packed(*(sizes or range(len(keys)))),
        packed(*(START.timestamp() + i for i in range(len(keys))), kind="d"),
        places,
        packed(*words, kind="I"),
        arena,
        packed(*(i % 2 for i in range(len(keys))), kind="I"),
        (b"Standard", b"IA"),
    )


def make_list(keys: list[str], bucket: str = "bucket") -> ObjectList:
    return ObjectList._over(_core.ListColumns.restore(bucket, parts_of(keys)))


def make_infos(keys: list[str], bucket: str = "bucket") -> list[ObjectInfo]:
    """The same objects, made one by one."""
    return [
        ObjectInfo(
            bucket=bucket,
            key=key,
            size=i,
            etag=f"odd-{i}" if i % 3 == 0 else MD5 + ("-7" if i % 2 else ""),
            last_modified=START + timedelta(seconds=i),
            storage_class="IA" if i % 2 else "Standard",
        )
        for i, key in enumerate(keys)
    ]


KEYS = ["b/1", "a", "名/世界", "b/10", "😀", "b/1\n", "z" * 1023, "\x7f", "é", "e", "b/2", "c"]
SLICES = [
    slice(None),
    slice(3, 9),
    slice(None, None, -1),
    slice(1, None, 3),
    slice(9, 2, -2),
    slice(5, None, -5),
    slice(4, 4),
    slice(20, 30),
    slice(2, 3),
    slice(None, None, 2**70),
    slice(None, None, -(2**70)),
]


# --- ObjectInfo


def test_an_info_of_a_listing_is_that_made_by_hand():
    for listed, made in zip(make_list(KEYS), make_infos(KEYS)):
        assert type(listed) is ObjectInfo
        assert (listed == made, made == listed, listed != made) == (True, True, False)
        assert hash(listed) == hash(made)
        assert repr(listed) == repr(made)
        assert dataclasses.astuple(listed) == dataclasses.astuple(made)
        assert listed.uri == f"oss://bucket/{made.key}"
        assert type(listed.size) is int
        assert listed.last_modified.tzinfo is timezone.utc
        assert listed.etag is listed.etag
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            again = pickle.loads(pickle.dumps(listed, protocol))
            assert type(again) is ObjectInfo
            assert again == made
        assert copy.copy(listed) == copy.deepcopy(listed) == made


def test_infos_differ_in_any_field():
    info = make_list(["a", "b"])[1]
    for change in (
        {"bucket": "other"},
        {"key": "c"},
        {"size": 2},
        {"etag": "e"},
        {"last_modified": START},
        {"storage_class": "Archive"},
    ):
        other = dataclasses.replace(info, **change)
        assert other != info
        assert len({other, info}) == 2
    assert info != dataclasses.astuple(info)
    assert {info: 1}[make_infos(["a", "b"])[1]] == 1


def test_an_info_is_immutable():
    info = make_list(["a"])[0]
    for name in ("key", "uri", "colour"):
        with pytest.raises((dataclasses.FrozenInstanceError, TypeError, AttributeError)):
            setattr(info, name, "x")
        with pytest.raises((dataclasses.FrozenInstanceError, TypeError, AttributeError)):
            delattr(info, name)
    assert not hasattr(info, "__dict__")
    assert [field.name for field in dataclasses.fields(ObjectInfo)] == [
        "bucket",
        "key",
        "size",
        "etag",
        "last_modified",
        "storage_class",
        "version_id",
    ]


def test_an_info_wants_all_its_fields():
    for arguments in ((), ("bucket", "key", 1, "etag", START), ("bucket",) * 7):
        with pytest.raises(TypeError):
            ObjectInfo(*arguments)
    with pytest.raises(TypeError):
        ObjectInfo("bucket", "key", 1, "etag", START, "Standard", colour="red")
    with pytest.raises(TypeError):
        object.__new__(ObjectInfo)


def test_an_info_can_be_derived_from():
    class Mine(ObjectInfo):
        __slots__ = ()

        @property
        def name(self) -> str:
            return self.key.rpartition("/")[2]

    columns = _core.ListColumns.restore("bucket", parts_of(["a/b"]))
    (mine,) = columns.iterate(Mine, range(1))
    assert type(mine) is Mine
    assert mine.name == "b"
    assert mine != make_list(["a/b"])[0]  # as dataclasses of two classes are
    for other in (str, object, int):
        with pytest.raises(TypeError):
            columns.iterate(other, range(1))


def test_an_info_does_not_keep_the_listing():
    code = """
import resource, struct, sys
sys.path[:0] = %r
from ossmodelconnector import ObjectList, _core
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
n = 1_000_000
columns = _core.ListColumns.restore("b", (1, b"k" * n, struct.pack(f"<{n + 1}q", *range(n + 1)),
    bytes(8 * n), bytes(8 * n), bytes(16 * n), bytes(4 * n), b"", bytes(4 * n), (b"IA",)))
objects = ObjectList._over(columns)
del columns
before = resident()
info = objects[500]
del objects
assert before - resident() > 40 * n, (before, resident())
assert (info.key, info.etag, info.storage_class) == ("k", "0" * 32, "IA")
"""
    run = subprocess.run(
        [sys.executable, "-c", code % (sys.path,)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


# --- ObjectList


@pytest.mark.parametrize("part", SLICES, ids=str)
def test_slices(part):
    objects, infos = make_list(KEYS)[part], make_infos(KEYS)[part]
    assert len(objects) == len(infos)
    assert list(objects) == infos
    assert list(reversed(objects)) == infos[::-1]
    assert [objects[i] for i in range(-len(infos), len(infos))] == infos + infos
    assert list(objects.keys) == [info.key for info in infos]
    assert len(objects.keys) == len(infos)
    assert objects.sizes.tolist() == [info.size for info in infos]
    assert objects[1:][::-1] == make_list(KEYS)[part][1:][::-1]


def test_iterators_stand_alone():
    objects = make_list(KEYS)
    first, second = iter(objects), iter(objects)
    assert next(first).key == next(second).key == KEYS[0]
    keys = iter(objects.keys)
    del objects, second
    gc.collect()
    assert [info.key for info in first] == KEYS[1:]
    assert list(keys) == KEYS
    assert list(first) == []
    assert list(type(keys)()) == []  # of nothing


def test_equality():
    objects = make_list(KEYS)
    assert objects == make_list(KEYS)
    assert objects != make_list(KEYS, "other")
    assert objects != make_list([*KEYS[:-1], "d"])
    assert objects[:3] != objects[:4]
    assert objects[::-1] == make_list(KEYS)[::-1]
    assert objects[::-1] != objects
    assert make_list([]) == make_list([], "other")  # as two empty lists are
    assert objects != list(objects)
    assert copy.copy(objects) == copy.deepcopy(objects) == objects
    with pytest.raises(TypeError):
        hash(objects)


def test_rows_outside_of_the_columns_are_refused():
    columns = _core.ListColumns.restore("bucket", parts_of(KEYS))
    for rows in (range(13), range(-1, 3), range(11, -2, -1), range(0, 2**70, 2**69)):
        for call in (
            columns.select,
            columns.sorted,
            columns.iterate_keys,
            lambda rows: columns.has_key("a", rows),
            lambda rows: columns.iterate(ObjectInfo, rows),
            lambda rows: columns.same_rows(rows, columns, rows),
        ):
            with pytest.raises((IndexError, OverflowError, RuntimeError, ValueError)):
                call(rows)
    with pytest.raises(IndexError):
        columns.row(ObjectInfo, 12)
    with pytest.raises(IndexError):
        columns.key(12)
    with pytest.raises(TypeError):
        columns.select(slice(0, 1))


# --- buffers


def test_sizes_are_a_buffer():
    objects = make_list(KEYS)
    sizes = objects.sizes
    assert isinstance(sizes, memoryview)
    assert (sizes.format, sizes.itemsize, sizes.readonly, sizes.shape) == ("q", 8, True, (12,))
    array = np.asarray(sizes)
    assert array.dtype == np.int64
    assert not array.flags.owndata
    assert not array.flags.writeable
    tail = np.asarray(objects[4:].sizes)
    assert tail.ctypes.data == array.ctypes.data + 4 * 8
    assert np.asarray(objects[::-2].sizes).tolist() == list(range(12))[::-2]
    del objects, sizes
    gc.collect()
    assert array.sum() == sum(range(12))
    assert make_list([]).sizes.tolist() == []


def test_keys_are_buffers():
    keys = make_list(KEYS).keys
    assert bytes(keys.data) == "".join(KEYS).encode()
    assert (keys.offsets.format, keys.data.format) == ("q", "B")
    assert keys.offsets.readonly
    assert keys.data.readonly
    for part in SLICES:
        some = keys[part]
        offsets = some.offsets.tolist()
        assert len(offsets) == len(some) + 1
        found = [bytes(some.data[a:b]).decode() for a, b in zip(offsets, offsets[1:])]
        assert found == KEYS[part] == list(some)
        assert some.offsets.contiguous
    whole, part = np.asarray(keys.data), np.asarray(keys[3:5].data)
    assert whole.ctypes.data == part.ctypes.data


def test_keys_are_a_sequence():
    keys = make_list(KEYS).keys
    assert (keys[0], keys[-1]) == (KEYS[0], KEYS[-1])
    assert KEYS[3] in keys
    assert KEYS[3] not in keys[4:]
    assert KEYS[3] in keys[::-3] or KEYS.index(KEYS[3]) not in range(12)[::-3]
    for other in ("", "b/", "b/111", "\ud800", b"a", 1, None):
        assert other not in keys
    assert keys.index("e") == KEYS.index("e")
    assert keys.count("e") == 1
    for index in (12, -13):
        with pytest.raises(IndexError):
            keys[index]
    assert "12" in repr(keys)


def test_keys_are_an_arrow_array_without_a_copy():
    pyarrow = pytest.importorskip("pyarrow")
    keys = make_list(KEYS).keys
    for part in SLICES:
        some = keys[part]
        array = pyarrow.LargeStringArray.from_buffers(
            len(some), pyarrow.py_buffer(some.offsets), pyarrow.py_buffer(some.data)
        )
        array.validate(full=True)
        assert array.to_pylist() == KEYS[part]
    data = np.asarray(keys.data)
    array = pyarrow.LargeStringArray.from_buffers(
        len(keys), pyarrow.py_buffer(keys.offsets), pyarrow.py_buffer(keys.data)
    )
    assert array.buffers()[2].address == data.ctypes.data


# --- sorting


def test_sort():
    objects, infos = make_list(KEYS), make_infos(KEYS)
    part, keys, sizes, iterator = objects[2:6], objects.keys, objects.sizes, iter(objects)
    assert objects.sort() is None
    infos.sort(key=lambda info: info.key.encode())
    assert list(objects) == infos
    assert objects.sizes.tolist() == [info.size for info in infos]
    # What was taken before stays as it was.
    assert [info.key for info in part] == KEYS[2:6]
    assert list(keys) == KEYS
    assert sizes.tolist() == list(range(12))
    assert [info.key for info in iterator] == KEYS
    part.sort()
    assert [info.key for info in part] == sorted(KEYS[2:6], key=str.encode)
    backwards = objects[::-1]
    backwards.sort()
    assert backwards == objects
    nothing = objects[:0]
    nothing.sort()
    assert list(nothing) == []


@pytest.mark.parametrize("run", [1, 7, 1000])
def test_sort_many(run):
    rng = random.Random(run)
    keys = [f"data/{i:06d}/{'x' * (i % 5)}" for i in range(20_000)]
    runs = [keys[i : i + run] for i in range(0, len(keys), run)]
    rng.shuffle(runs)
    objects = make_list([key for some in runs for key in some])
    objects.sort()
    assert list(objects.keys) == keys


# --- pickling


@pytest.mark.parametrize("part", SLICES, ids=str)
def test_pickles(part):
    objects = make_list(KEYS)[part]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(objects, protocol))
        assert type(again) is ObjectList
        assert again == objects
        assert list(again) == list(objects)


def test_a_slice_pickles_its_rows_alone():
    objects = make_list([f"key-{i:05d}" for i in range(10_000)])
    assert len(pickle.dumps(objects)) < 10_000 * (9 + 48 + 10)
    assert len(pickle.dumps(objects[7:9])) < 1000
    assert len(pickle.dumps(objects[9:1:-4])) < 1000


def hostile_states() -> list[Any]:
    good = parts_of(KEYS)
    states: list[Any] = [(), None, good[:-1], (*good, b""), (2, *good[1:]), (b"1", *good[1:])]
    for i in range(1, 9):
        longer = good[i] + b"\x01" if i != 7 else None  # in the arena it would be of no use
        for part in (good[i][:-1], longer, b"", None, "text", bytearray(good[i])):
            states.append((*good[:i], part, *good[i + 1 :]))
    for classes in ((), (b"IA",), (b"IA", b"IA"), ("IA", "x"), [b"IA", b"x"], None):
        states.append((*good[:9], classes))

    def changed(index: int, row: int, value: bytes) -> tuple[Any, ...]:
        size = len(value)
        part = good[index][: row * size] + value + good[index][(row + 1) * size :]
        return (*good[:index], part, *good[index + 1 :])

    states.append(changed(2, 0, packed(1)))
    states.append(changed(2, 3, packed(-1)))
    states.append(changed(2, 3, packed(2**62)))
    states.append(changed(2, 12, packed(2**62)))
    states.append(changed(3, 3, packed(-1)))
    states.append(changed(4, 3, packed(float("nan"), kind="d")))
    states.append(changed(4, 3, packed(float("inf"), kind="d")))
    states.append(changed(5, 0, packed(-1, 5)))
    states.append(changed(5, 0, packed(5, -1)))
    states.append(changed(5, 0, packed(2**40, 2**63 - 1)))
    states.append(changed(6, 0, packed(3 << 30, kind="I")))
    states.append(changed(6, 0, packed(2 << 30 | 1, kind="I")))
    states.append(changed(8, 0, packed(2, kind="I")))
    states.append(changed(1, 0, b"\xff"))
    return states


@pytest.mark.parametrize("number", range(len(hostile_states())))
def test_a_hostile_state_is_a_value_error(number):
    restore, (bucket, parts) = make_list(KEYS).__reduce__()
    assert list(restore(bucket, parts)) == make_infos(KEYS)
    state = hostile_states()[number]
    with pytest.raises(ValueError):  # noqa: PT011 - any text will do
        restore(bucket, state)


def test_a_hostile_bucket_is_a_value_error():
    restore, (_, parts) = make_list(KEYS).__reduce__()
    for bucket in (None, b"bucket", 1, "\ud800"):
        with pytest.raises(ValueError):  # noqa: PT011 - any text will do
            restore(bucket, parts)


def test_a_cut_pickle_is_an_error():
    data = pickle.dumps(make_list(KEYS))
    for size in range(0, len(data), 7):
        with pytest.raises((EOFError, pickle.UnpicklingError, ValueError)):
            pickle.loads(data[:size])


# --- all of it, from a server


def test_a_listing_of_the_server(make_connector, store):
    objects = make_connector().list(store.bucket, "list/", fast=True)
    objects.sort()
    keys = sorted(store.keys("list/"))
    assert list(objects.keys) == keys
    assert objects.sizes.tolist() == [len(store[key]) for key in keys]
    assert sum(objects.sizes) == sum(info.size for info in objects)


def test_sorts_by_a_key_and_backwards_as_list_does():
    keys = [f"k{i * 7919 % 1000:03d}" for i in range(1000)]
    for key, reverse in [
        (None, True),
        (lambda obj: obj.size % 10, False),
        (lambda obj: obj.size % 10, True),
        (lambda obj: obj.key[::-1], False),
    ]:
        objects, wanted = make_list(keys), make_infos(keys)
        objects.sort(key=key, reverse=reverse)
        wanted.sort(key=key or (lambda obj: obj.key.encode()), reverse=reverse)
        assert list(objects) == wanted
        assert list(objects.keys) == [obj.key for obj in wanted]
        assert list(objects.sizes) == [obj.size for obj in wanted]
        assert pickle.loads(pickle.dumps(objects)) == objects
    slice_of_it = make_list(keys)[::-3]
    slice_of_it.sort(key=lambda obj: obj.size)
    assert list(slice_of_it) == sorted(make_infos(keys)[::-3], key=lambda obj: obj.size)


def test_equal_keys_keep_their_order_backwards_too():
    keys = ["b", "a", "b", "a"]
    objects = make_list(keys)
    objects.sort(reverse=True)
    assert [obj.size for obj in objects] == [0, 2, 1, 3]


def test_a_failing_sort_changes_nothing():
    objects = make_list(["b", "a"])
    with pytest.raises(ZeroDivisionError):
        objects.sort(key=lambda obj: 1 // obj.size)
    assert list(objects.keys) == ["b", "a"]


def test_infos_and_lists_can_be_weakly_referenced():
    objects = make_list(["a", "b"])
    info = objects[0]
    made = ObjectInfo("bucket", "key", 1, "etag", START, "Standard")
    for thing in (objects, objects.keys, info, made, objects[1:]):
        assert weakref.ref(thing)() is thing
    died = []
    references = [weakref.ref(info, died.append), weakref.ref(objects, died.append)]
    del info, objects, thing
    assert died == references
    assert [reference() for reference in references] == [None, None]


def test_a_class_derived_from_object_info_keeps_its_attributes():
    info = Tagged("bucket", "key", 1, "etag", START, "Standard")
    info.__dict__["tag"] = "seen"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(info, protocol))
        assert type(again) is Tagged
        assert again == info
        assert vars(again) == {"tag": "seen"}
    assert vars(copy.copy(info)) == {"tag": "seen"}


class Tagged(ObjectInfo):
    """A user's class, with room for attributes."""


@pytest.mark.parametrize(
    ("key", "size", "is_marker"),
    [("model/", 0, True), ("model/", 1, False), ("model", 0, False), ("/", 0, True)],
)
def test_folder_markers_are_told(key, size, is_marker):
    info = ObjectInfo("bucket", key, size, "etag", START, "Standard")
    assert info.is_folder_marker is is_marker


def test_repr_of_an_info_has_its_fields_but_no_signature():
    info = ObjectInfo("bucket", "key?Signature=canary", 1, "etag", START, "Standard")
    wanted = "ObjectInfo(bucket='bucket', key='key?Signature=[redacted]', size=1, etag='etag', "
    assert repr(info).startswith(wanted)
    assert "canary" not in repr(info)
