"""connector.read_ranges: bytes of many objects in one call, without readers."""

from __future__ import annotations

import dataclasses
import random
import threading

import pytest
from ossmodelconnector import ObjectChangedError, ObjectNotFoundError, OssError
from ossmodelconnector._arguments import object_to_open
from support.asked import asked_ranges
from support.faults import URI, always, refuse
from support.forked_child import in_child
from support.tries import HANG_SECONDS, wait_until

KiB, MiB = 1 << 10, 1 << 20
CHUNK = 64 * KiB  # of make_connector
COUNT = 12
SIZE = 3 * CHUNK + 1000


@pytest.fixture(scope="module")
def bucket(new_bucket):
    bucket = new_bucket("ranges")
    for number in range(COUNT):
        bucket.put(f"{number:02d}", random.Random(number).randbytes(SIZE))
    bucket.put("empty", b"")
    return bucket


@pytest.fixture
def connector(make_connector):
    return make_connector()


@pytest.fixture
def infos(connector, bucket, server):
    """Their ObjectInfos, with an empty request log."""
    infos = [connector.stat(bucket.uri(f"{number:02d}")) for number in range(COUNT)]
    server.clear_log()
    return infos


def nothing_is_kept(connector):
    stats = connector.stats()
    # What is asked for a second time, since it is slow, takes memory until it has come.
    return stats.memory_bytes == 0 and (stats.hedges > 0 or stats.memory_peak_bytes == 0)


def test_bytes_come_in_the_order_of_the_ranges(connector, bucket, infos):
    chance = random.Random(4)
    for _ in range(30):
        wanted = []
        for _ in range(chance.randrange(20)):
            info = chance.choice(infos)
            offset = chance.choice((0, CHUNK - 5, CHUNK, chance.randrange(SIZE + 10)))
            length = chance.choice((0, 1, 10, CHUNK, chance.randrange(2 * CHUNK)))
            wanted.append((chance.choice((info, info.uri)), offset, length))
        expected = [
            bucket[(one if isinstance(one, str) else one.uri).rpartition("/")[2]][a : a + b]
            for one, a, b in wanted
        ]
        assert connector.read_ranges(wanted) == expected
    assert nothing_is_kept(connector)


def test_listed_objects_cost_no_request_but_their_ranges(connector, bucket, infos, server):
    got = connector.read_ranges((info, 8, 16) for info in infos)
    assert got == [bucket[info.key][8:24] for info in infos]
    assert [record.method for record in server.log()] == ["GET"] * COUNT
    assert asked_ranges(server.local) == [(8, 24)] * COUNT
    stats = connector.stats()
    assert stats.bytes_received == stats.bytes_read == 16 * COUNT
    assert nothing_is_kept(connector)


def test_objects_by_uri_cost_a_head_each(connector, bucket, server):
    keys = ["00", "01", "02"]
    server.clear_log()
    got = connector.read_ranges([(bucket.uri(key), 0, 4) for key in [*keys, "00"]])
    assert got == [bucket[key][:4] for key in [*keys, "00"]]
    methods = sorted(record.method for record in server.log())
    assert methods == ["GET"] * 3 + ["HEAD"] * 3


def test_all_are_asked_for_at_once(make_connector, faults, connect):
    # None is answered before all have come.
    all_there = threading.Event()

    def script(request, reply):
        if request.method == "GET":
            reply.hold = all_there
            if request.in_flight == 8:
                all_there.set()

    faults.script = script
    ranges = [(f"{URI}-{number}", 100_000 * number, 100) for number in range(8)]
    got = connect({"timeout.readSeconds": HANG_SECONDS}).read_ranges(ranges)
    assert got == [faults.data[a : a + b] for _, a, b in ranges]
    assert len(faults.requests) == 16


def test_near_ranges_are_one_request_and_far_ones_are_not(make_connector, new_bucket, server):
    data = random.Random(2).randbytes(16 * MiB)
    far = new_bucket("far")
    far.put("object", data)
    connector = make_connector(config={"prefetch.chunkBytes": 16 * MiB})
    info = connector.stat(far.uri("object"))
    server.clear_log()
    # Between them less than a request costs at all, and more than any round trip.
    places = [(0, 10), (8 * MiB, 100), (1000, 10), (8 * MiB + 4 * KiB, 100), (15 * MiB, 5)]
    got = connector.read_ranges([(info, offset, length) for offset, length in places])
    assert got == [data[offset : offset + length] for offset, length in places]
    assert sorted(asked_ranges(server.local)) == [
        (0, 1010),
        (8 * MiB, 8 * MiB + 4 * KiB + 100),
        (15 * MiB, 15 * MiB + 5),
    ]


def test_ranges_that_overlap_or_are_the_same_come_once(connector, bucket, infos, server):
    info = infos[3]
    data = bucket[info.key]
    places = [(0, 3 * CHUNK), (10, 5), (10, 5), (CHUNK - 1, 2), (CHUNK + 7, CHUNK), (0, 3 * CHUNK)]
    got = connector.read_ranges([(info, offset, length) for offset, length in places])
    assert got == [data[offset : offset + length] for offset, length in places]
    assert sorted(asked_ranges(server.local)) == [
        (0, CHUNK),
        (CHUNK, 2 * CHUNK),
        (2 * CHUNK, 3 * CHUNK),
    ]


def test_ranges_without_bytes(connector, bucket, infos, server):
    empty = connector.stat(bucket.uri("empty"))
    server.clear_log()
    assert connector.read_ranges([]) == []
    assert connector.read_ranges(iter(())) == []
    ranges = [(infos[0], 5, 0), (infos[1], SIZE, 10), (infos[2], 1 << 62, 1), (empty, 0, 9)]
    assert connector.read_ranges(ranges) == [b""] * 4
    assert server.log() == []
    assert connector.read_ranges([(bucket.uri("empty"), 0, 9)]) == [b""]
    assert connector.read_ranges([(infos[0], SIZE - 3, 10)]) == [bucket["00"][-3:]]


@pytest.mark.parametrize(
    ("ranges", "error", "words"),
    [
        ([("oss://ranges/00", -1, 1)], ValueError, "negative"),
        ([("oss://ranges/00", 0, -1)], ValueError, "negative"),
        ([("oss://ranges/00", 0, 1), ("oss://ranges/00", 0, -1)], ValueError, "negative"),
        ([("oss://ranges/00", 0)], TypeError, "a range is"),
        ([("oss://ranges/00", 0, 1, 2)], TypeError, "a range is"),
        (["oss://ranges/00"], TypeError, "a range is"),
        ([7], TypeError, "a range is"),
        ([None], TypeError, "a range is"),
        ([("oss://ranges/00", 0.0, 1)], TypeError, "float"),
        ([("oss://ranges/00", "0", 1)], TypeError, "str"),
        ([("oss://ranges/00", 0, None)], TypeError, "NoneType"),
        ([(b"oss://ranges/00", 0, 1)], TypeError, "URI must be str"),
        ([(0, 1, "oss://ranges/00")], TypeError, "str"),
        ([("ranges/00", 0, 1)], ValueError, "oss://"),
        ([("oss://ranges/", 0, 1)], ValueError, "key"),
        ("oss://ranges/00", TypeError, "triples"),
        (b"oss://ranges/00", TypeError, "triples"),
        (5, TypeError, "iterable"),
        (None, TypeError, "iterable"),
        ([("oss://ranges/00", 1 << 64, 1)], OverflowError, "so large"),
        ([("oss://ranges/00", 0, 1 << 70)], OverflowError, "so large"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_bad_arguments_send_no_request(connector, server, bucket, ranges, error, words):
    server.clear_log()
    with pytest.raises(error, match=words):
        connector.read_ranges(ranges)
    assert server.log() == []


class Indexed:
    def __index__(self):
        return 3


def test_whatever_has_an_index_is_a_number(connector, bucket):
    got = connector.read_ranges([[bucket.uri("01"), Indexed(), True]])
    assert got == [bucket["01"][3:4]]


def test_missing_object(connector, bucket, infos):
    for ranges in ([(bucket.uri("not"), 0, 1)], [(infos[0], 0, 1), (bucket.uri("not"), 0, 0)]):
        with pytest.raises(ObjectNotFoundError, match="not"):
            connector.read_ranges(ranges)
    gone = dataclasses.replace(infos[0], key="gone")
    with pytest.raises(ObjectNotFoundError, match="gone"):
        connector.read_ranges([(infos[1], 0, SIZE), (gone, 0, 1), (infos[2], 0, SIZE)])
    assert nothing_is_kept(connector)
    assert connector.read_ranges([(infos[1], 0, 5)]) == [bucket["01"][:5]]


def test_object_that_was_overwritten_since_it_was_listed(connector, bucket, infos):
    bucket.put("replaced", b"old" * CHUNK)
    info = connector.stat(bucket.uri("replaced"))
    bucket.put("replaced", b"new" * CHUNK)
    with pytest.raises(ObjectChangedError, match="replaced"):
        connector.read_ranges([(infos[0], 0, SIZE), (info, 3, 3)])
    assert connector.read_ranges([(info.uri, 3, 3)]) == [b"new"]
    assert nothing_is_kept(connector)


def test_object_that_is_overwritten_meanwhile(faults, connect):
    faults.script = always(lambda reply: refuse(reply, 412, "PreconditionFailed"))
    connector = connect()
    with pytest.raises(ObjectChangedError):
        connector.read_ranges([(URI, 0, 10), (URI, 500_000, 10)])
    assert connector.stats().retries == 0


def test_failure_of_one_range_ends_the_others(faults, connect):
    held = threading.Event()

    def script(request, reply):
        if request.method == "GET" and request.begin == 0:
            reply.hold = held
        elif request.method == "GET":
            refuse(reply, 403, "AccessDenied")

    faults.script = script
    try:
        with pytest.raises(OssError, match="AccessDenied"):
            connect().read_ranges([(f"{URI}-1", 0, 10), (f"{URI}-2", 300_000, 10)])
    finally:
        held.set()


def test_closed_connector(connector, infos):
    connector.close()
    for ranges in ([(infos[0], 0, 1)], [(infos[0].uri, 0, 1)]):
        with pytest.raises(ValueError, match="closed"):
            connector.read_ranges(ranges)


def test_close_ends_a_call_that_waits(make_connector, slow_store):
    connector = make_connector(slow_store)
    size = len(slow_store["large.bin"])
    outcomes = []

    def read():
        try:
            outcomes.append(connector.read_ranges([(slow_store.uri("large.bin"), 0, size)]))
        except ValueError as error:
            outcomes.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    while connector.stats().bytes_received == 0:
        assert thread.is_alive()
    connector.close()
    thread.join(HANG_SECONDS)
    (outcome,) = outcomes
    assert isinstance(outcome, ValueError)
    assert "closed" in str(outcome)


def test_many_threads_at_once(connector, bucket, infos):
    wrong = []

    def read(seed):
        chance = random.Random(seed)
        for _ in range(20):
            ranges = [
                (chance.choice(infos), chance.randrange(SIZE), chance.randrange(CHUNK))
                for _ in range(10)
            ]
            got = connector.read_ranges(ranges)
            wrong.extend(
                one
                for one, bytes_ in zip(ranges, got)
                if bytes_ != bucket[one[0].key][one[1] : one[1] + one[2]]
            )

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_SECONDS)
    assert wrong == []
    wait_until(lambda: nothing_is_kept(connector))


def test_child_of_a_fork(connector, bucket, infos):
    connector.read_ranges([(infos[0], 0, 10)])

    def child():
        got = connector.read_ranges([(info, 5, 5) for info in infos])
        return got == [bucket[info.key][5:10] for info in infos]

    assert in_child(child) is True


# --- into memory of the caller ---


def test_parts_of_many_objects_come_into_buffers(connector, infos, bucket, server):
    buffers = [bytearray(b"-" * 102) for _ in infos]
    objects = [object_to_open(info) for info in infos]
    # Backwards, and each buffer in two parts of one object, but for its ends.
    parts = [
        (place, 5000 + begin, memoryview(buffer)[1 + begin : 51 + begin])
        for begin in (50, 0)
        for place, buffer in reversed(list(enumerate(buffers)))
    ]
    connector._core.read_into(objects, parts)
    for number, buffer in enumerate(buffers):
        assert bytes(buffer) == b"-" + bucket[f"{number:02d}"][5000:5100] + b"-"
    assert len(server.log()) == COUNT


def test_parts_that_cannot_be_filled_are_refused(connector, infos, server):
    objects = [object_to_open(infos[0])]
    with pytest.raises(ValueError, match="a part ends behind its object's end"):
        connector._core.read_into(objects, [(0, SIZE - 3, bytearray(4))])
    with pytest.raises(TypeError, match="read-write bytes-like object"):
        connector._core.read_into(objects, [(0, 0, b"1234")])
    assert server.log() == []
