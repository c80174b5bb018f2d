"""connector.read_objects: whole objects in the order given, many of them on their way at once."""

from __future__ import annotations

import gc
import itertools
import os
import random
import signal
import threading
import time

import pytest
from ossmodelconnector import (
    ChecksumError,
    ObjectChangedError,
    ObjectInfo,
    ObjectNotFoundError,
    ThrottledError,
)
from support.asked import asked_ranges
from support.faults import URI, flip, refuse
from support.forked_child import in_child
from support.tries import HANG_SECONDS, wait_until

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
    # What a hedge holds goes when it has seen that it is over.
    wait_until(lambda: connector.stats().memory_bytes == 0)
    return True


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


@pytest.mark.parametrize(
    ("objects", "arguments", "error", "words"),
    [
        ("oss://objects/o/000", {}, TypeError, "iterable"),
        ([], {"on_error": "skip"}, ValueError, "on_error"),
        ([], {"read_ahead_bytes": 0}, ValueError, "read_ahead_bytes"),
        ([], {"read_ahead_objects": -1}, ValueError, "read_ahead_objects"),
        ([], {"read_ahead_objects": 1.5}, TypeError, "float"),
        (5, {}, TypeError, "iterable"),
    ],
)
def test_bad_arguments_are_told_at_the_call(connector, server, objects, arguments, error, words):
    server.clear_log()
    with pytest.raises(error, match=words):
        connector.read_objects(objects, **arguments)
    assert server.log() == []


@pytest.mark.parametrize(
    ("bad", "error"), [("o/000", ValueError), (b"oss://objects/o/001", TypeError), (3, TypeError)]
)
def test_what_is_no_object_is_told_in_its_place(connector, bucket, infos, bad, error):
    good = infos[3]
    pairs = connector.read_objects([good, bad, good], on_error="return")
    assert next(pairs)[1] == bucket[good.key]
    with pytest.raises(error):
        next(pairs)
    assert list(pairs) == []


def test_what_the_iterable_raises_comes_in_its_place(connector, bucket, infos):
    def failing():
        yield from infos[:20]
        raise LookupError("the manifest ends here")

    pairs = connector.read_objects(failing())
    got = list(itertools.islice(pairs, 20))
    assert [info for info, _ in got] == infos[:20]
    with pytest.raises(LookupError, match="manifest"):
        next(pairs)


def test_first_objects_do_not_wait_for_all_of_a_slow_iterable(connector, bucket, infos):
    taken = 0

    def slow():
        nonlocal taken
        for info in infos * 50:
            time.sleep(0.002)
            taken += 1
            yield info

    pairs = connector.read_objects(slow())
    assert next(pairs)[0] == infos[0]
    assert taken < len(infos) * 50
    pairs.close()


def test_an_iterator_that_is_given_up_gives_up_its_requests(
    make_connector, slow_server, slow_store
):
    connector = make_connector(slow_server)
    pairs = connector.read_objects([slow_store.uri("text.txt"), slow_store.uri("large.bin")] * 20)
    next(pairs)
    assert connector.stats().memory_bytes > 0
    del pairs
    gc.collect()
    assert nothing_is_held(connector)


def test_a_close_ends_an_iterator(make_connector, slow_server, slow_store):
    connector = make_connector(slow_server)
    pairs = connector.read_objects([slow_store.uri("large.bin")] * 3, on_error="return")
    closing = threading.Timer(0.2, connector.close)
    closing.start()
    with pytest.raises(ValueError, match="closed"):
        next(pairs)
    closing.join()
    with pytest.raises(ValueError, match="closed"):
        connector.read_objects([])


def test_ctrl_c_ends_the_wait(make_connector, slow_server, slow_store):
    connector = make_connector(slow_server)
    pairs = connector.read_objects([slow_store.uri("large.bin")])
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        next(pairs)
    assert time.monotonic() - begin < HANG_SECONDS
    timer.join()
    assert nothing_is_held(connector)


def test_a_forked_child_goes_on_and_so_does_its_parent(connector, bucket, infos):
    pairs = connector.read_objects(info if i % 2 else info.uri for i, info in enumerate(infos))
    got = [next(pairs)[1] for _ in range(5)]

    def rest():
        return [[info.key, len(data), data == bucket[info.key]] for info, data in pairs]

    expected = [[info.key, info.size, True] for info in infos[5:]]
    assert in_child(rest) == expected
    assert rest() == expected
    assert got == [bucket[info.key] for info in infos[:5]]


def test_an_iterator_that_a_child_drops_is_its_parents_still(connector, bucket, infos):
    pairs = [connector.read_objects(infos)]
    next(pairs[0])

    def drop():
        pairs.clear()
        gc.collect()
        return True

    assert in_child(drop)
    assert len(list(pairs[0])) == COUNT - 1


def test_iterators_beside_each_other_and_readers(connector, bucket, infos):
    large = max(infos, key=lambda info: info.size)
    iterators = [connector.read_objects(infos) for _ in range(3)]
    with connector.open(large) as reader:
        for group in zip(*iterators):
            assert len({data for _, data in group}) == 1
        assert reader.read() == bucket[large.key]


def test_throttled_and_broken_replies_are_asked_for_again(faults, connect):
    broken = set()

    def script(request, reply):
        if request.target in broken or request.method != "GET":
            return
        broken.add(request.target)
        if len(broken) % 2:
            refuse(reply, 503, "ServiceUnavailable")
        else:
            reply.body, reply.end = reply.body[:5000], "reset"

    faults.put(random.Random(2).randbytes(20_000))
    faults.script = script
    connector = connect()
    pairs = list(connector.read_objects(f"{URI}-{number}" for number in range(8)))
    assert [data for _, data in pairs] == [faults.data] * 8
    assert connector.stats().retries >= 8
    assert connector.stats().throttles >= 4


def test_throttling_for_ever_is_told_of_each(faults, connect):
    faults.script = lambda request, reply: refuse(reply, 503, "ServiceUnavailable")
    given = [f"{URI}-{number}" for number in range(3)]
    pairs = list(connect().read_objects(given, on_error="return"))
    assert [uri for uri, _ in pairs] == given
    assert [type(error) for _, error in pairs] == [ThrottledError] * 3
    assert [error.uri for _, error in pairs] == given


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("size", [20_000, 5 * CHUNK])
def test_wrong_bytes_are_fetched_anew(faults, connect, is_listed, size):
    faults.put(random.Random(3).randbytes(size))
    connector = connect()
    info = connector.stat(URI)
    flips = [True]

    def script(request, reply):
        if request.method == "GET" and flips:
            flips.pop()
            flip(reply)

    faults.script = script
    ((_, data),) = connector.read_objects([info if is_listed else URI])
    assert data == faults.data
    assert flips == []


def test_bytes_that_are_always_wrong_are_no_bytes(faults, connect):
    connector = connect()
    faults.script = lambda request, reply: flip(reply) if request.method == "GET" else None
    with pytest.raises(ChecksumError):
        list(connector.read_objects([URI]))


def test_an_object_that_a_listing_has_and_that_is_gone(connector, new_bucket):
    bucket = new_bucket("gone")
    for key in ("a", "b", "c"):
        bucket.put(key, b"bytes of " + key.encode())
    infos = list(connector.list("gone"))
    bucket.delete("b")
    pairs = list(connector.read_objects(infos, on_error="return"))
    assert [given for given, _ in pairs] == infos
    assert pairs[0][1] == b"bytes of a"
    assert type(pairs[1][1]) is ObjectNotFoundError
    assert pairs[2][1] == b"bytes of c"
