"""connector.read_objects: whole objects in the order given, many of them on their way at once."""

from __future__ import annotations

import dataclasses
import itertools
import random

import pytest
from ossmodelconnector import ObjectChangedError, ObjectInfo, ObjectNotFoundError
from support.asked import asked_ranges

KiB, MiB = 1 << 10, 1 << 20
CHUNK = 64 * KiB  # of make_connector
# Some are empty, some as long as a chunk, some longer.
SIZES = (0, 1, 100, 20_000, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 5 * CHUNK + 77)
COUNT = 60


@pytest.fixture(scope="module")
def bucket(new_bucket):
    bucket = new_bucket("objects")
    for number in range(COUNT):
        chance = random.Random(number)
        bucket.put(f"o/{number:03d}", chance.randbytes(SIZES[number % len(SIZES)]))
    return bucket


@pytest.fixture
def connector(make_connector):
    return make_connector()


@pytest.fixture
def infos(connector, bucket, server):
    infos = list(connector.list(bucket.bucket, "o/"))
    server.clear_log()
    return infos


def nothing_is_held(connector):
    stats = connector.stats()
    return stats.memory_bytes == 0


def test_listed_objects_come_in_the_order_given(connector, bucket, infos):
    chance = random.Random(1)
    for _ in range(5):
        chance.shuffle(infos)
        pairs = list(connector.read_objects(infos))
        assert [info for info, _ in pairs] == infos
        assert all(info is given for (info, _), given in zip(pairs, infos))
        assert [data for _, data in pairs] == [bucket[info.key] for info in infos]
        assert all(type(data) is bytes for _, data in pairs)
    assert nothing_is_held(connector)
    assert connector.stats().bytes_read == 5 * sum(info.size for info in infos)


def test_uris_come_with_what_the_replies_told(connector, bucket, infos):
    uris = [info.uri for info in infos]
    pairs = list(connector.read_objects(uris))
    assert [data for _, data in pairs] == [bucket[info.key] for info in infos]
    for (got, _), info in zip(pairs, infos):
        assert type(got) is ObjectInfo
        assert (got.uri, got.size, got.etag) == (info.uri, info.size, info.etag)
        assert got.storage_class == info.storage_class
        if info.size:
            assert got.last_modified == info.last_modified
    assert nothing_is_held(connector)


def test_each_costs_one_request(connector, bucket, infos, server):
    small = [info for info in infos if 0 < info.size <= CHUNK]
    assert len(list(connector.read_objects(small))) == len(small)
    assert sorted(asked_ranges(server.local)) == sorted((0, info.size) for info in small)
    server.clear_log()
    assert len(list(connector.read_objects(info.uri for info in small))) == len(small)
    assert {record.method for record in server.log()} == {"GET"}
    assert len(server.log()) == len(small)


def test_missing_and_changed_objects_are_told_in_their_place(connector, bucket, infos):
    listed = [info for info in infos if info.size > 0]
    good, other = listed[0], listed[1]
    changed = ObjectInfo(
        other.bucket,
        other.key,
        other.size,
        "0" * 32,
        other.last_modified,
        other.storage_class,
    )
    missing = bucket.uri("o/none")
    given = [good, missing, changed, good.uri]
    pairs = connector.read_objects(given)
    assert next(pairs) == (good, bucket[good.key])
    with pytest.raises(ObjectNotFoundError, match="o/none"):
        next(pairs)
    assert list(pairs) == []
    pairs = list(connector.read_objects(given, on_error="return"))
    assert pairs[0] == (good, bucket[good.key])
    assert pairs[1][0] == missing
    assert type(pairs[1][1]) is ObjectNotFoundError
    assert pairs[2][0] is changed
    assert type(pairs[2][1]) is ObjectChangedError
    assert pairs[3][1] == bucket[good.key]
    assert nothing_is_held(connector)


def test_an_endless_iterable_is_consumed_as_far_as_there_is_room(connector, bucket, infos):
    small = [info for info in infos if info.size == 20_000]
    taken = 0

    def endless():
        nonlocal taken
        for info in itertools.cycle(small):
            taken += 1
            yield info

    pairs = connector.read_objects(endless(), read_ahead_objects=10)
    assert taken == 0
    for count, (info, data) in enumerate(itertools.islice(pairs, 500), 1):
        assert data == bucket[info.key]
        assert count <= taken <= count + 10
    pairs.close()
    assert nothing_is_held(connector)


def test_what_is_ahead_is_bounded_in_bytes(make_connector, bucket, infos):
    connector = make_connector(config={"prefetch.memoryBytes": 1 * MiB})
    sized = [info for info in infos if info.size >= CHUNK]
    for info, data in connector.read_objects(sized * 5, read_ahead_bytes=4 * CHUNK):
        assert data == bucket[info.key]
        assert connector.stats().memory_bytes <= 6 * CHUNK
    assert connector.stats().memory_peak_bytes <= 6 * CHUNK


def test_no_objects(connector):
    assert list(connector.read_objects([])) == []
    assert list(connector.read_objects(iter(()))) == []
