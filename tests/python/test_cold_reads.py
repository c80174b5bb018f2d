"""Reads of what nobody has fetched: what they ask the server for, and what they leave behind."""

from __future__ import annotations

import random
import time
import zipfile

import pytest
from ossmodelconnector import AnonymousCredentialsProvider, ChecksumError
from ossmodelconnector.local import LocalServer
from support.asked import asked_ranges
from support.faults import URI
from support.forked_child import in_child
from support.tries import wait_until

KiB, MiB = 1 << 10, 1 << 20
CHUNK = 4 * MiB
SIZE = 24 * MiB + 4321
# What is left of an object to sweep, and more, when reads in it begin to jump.
SWEPT = 112 * MiB


@pytest.fixture(scope="module")
def data():
    return random.Random(3).randbytes(SIZE)


@pytest.fixture(scope="module")
def lines():
    return b"".join(b"line %07d\n" % number for number in range(400_000))


@pytest.fixture(scope="module")
def cold(new_bucket, data, lines):
    cold = new_bucket("cold")
    cold.put("random", data)
    cold.put("lines", lines)
    return cold


@pytest.fixture
def connector(make_connector):
    return make_connector(config={"prefetch.chunkBytes": CHUNK})


@pytest.fixture
def open_cold(connector, cold, server):
    """open_cold(key): a reader that no request was sent for, with an empty request log."""

    def open_cold(key="random"):
        info = connector.stat(cold.uri(key))
        server.clear_log()
        return connector.open(info, prefetch=False)

    return open_cold


def by_read(reader, begin, end):
    reader.seek(begin)
    return reader.read(end - begin)


def by_readinto(reader, begin, end):
    buffer = bytearray(end - begin)
    reader.seek(begin)
    assert reader.readinto(buffer) == end - begin
    return buffer


def by_read_at(reader, begin, end):
    buffer = bytearray(end - begin)
    assert reader.read_at(begin, buffer) == end - begin
    return buffer


def by_read_ranges(reader, begin, end):
    return reader.read_ranges([(begin, end - begin)])[0]


READS = [by_read, by_readinto, by_read_at, by_read_ranges]


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    ("begin", "end"),
    [(0, 1), (0, 100), (1, CHUNK), (CHUNK - 1, CHUNK), (3 * CHUNK + 5, 3 * CHUNK + MiB)],
)
def test_first_read_is_one_request_of_its_own_range(
    open_cold, server, connector, data, read, begin, end
):
    assert read(open_cold(), begin, end) == data[begin:end]
    assert asked_ranges(server.local) == [(begin, end)]
    assert connector.stats().bytes_received == end - begin
    assert connector.stats().memory_peak_bytes == 0


def test_read_over_the_end_of_a_chunk_asks_for_each_chunks_part(open_cold, server, data):
    reader = open_cold()
    assert by_read(reader, CHUNK - 10, CHUNK + 20) == data[CHUNK - 10 : CHUNK + 20]
    assert sorted(asked_ranges(server.local)) == [(CHUNK - 10, CHUNK), (CHUNK, CHUNK + 20)]


def test_reads_at_and_behind_the_end_ask_for_what_there_is(open_cold, server, data):
    reader = open_cold()
    assert reader.read_at(SIZE, bytearray(10)) == 0
    assert by_read(reader, SIZE + 5, SIZE + 6) == b""
    assert reader.read_ranges([(SIZE, 5), (SIZE * 2, 1), (7, 0)]) == [b"", b"", b""]
    assert asked_ranges(server.local) == []
    reader.seek(SIZE - 10)
    assert reader.read(4096) == data[-10:]
    assert asked_ranges(server.local) == [(SIZE - 10, SIZE)]


def in_steps(reader, step, end):
    parts = []
    while reader.tell() < end:
        parts.append(reader.read(step))
    return b"".join(parts)


def at_places(reader, step, end):
    buffer = bytearray(end)
    for begin in range(0, end, step):
        with memoryview(buffer)[begin : begin + step] as part:
            assert reader.read_at(begin, part) == len(part)
    return buffer


@pytest.mark.parametrize("read", [in_steps, at_places])
def test_small_reads_in_order_ask_for_twice_as_much_each_time(open_cold, server, data, read):
    end = 16 * MiB
    assert read(open_cold(), 4 * KiB, end) == data[:end]
    asked = asked_ranges(server.local)
    windows = [(begin, end) for begin, end in asked if begin < CHUNK and end <= CHUNK]
    windows.sort()
    assert windows[:2] == [(0, 4 * KiB), (4 * KiB, 36 * KiB)]
    # One begins where the other ends, and is at most as large as all before it, and 1 MiB.
    assert [begin for begin, _ in windows[1:]] == [end for _, end in windows[:-1]]
    sizes = [end - begin for begin, end in windows]
    for (begin, _), size in zip(windows[2:], sizes[2:]):
        assert size <= min(begin, MiB)
    assert windows[-1][1] == CHUNK
    assert max(sizes) == MiB
    # Then whole chunks, first one, then some ahead.
    rest = sorted(set(asked) - set(windows))
    assert rest == [(begin, min(begin + CHUNK, SIZE)) for begin in range(CHUNK, rest[-1][1], CHUNK)]
    assert end <= rest[-1][1]


def test_jumps_cost_their_own_bytes(open_cold, server, connector, data):
    reader = open_cold()
    # Of fewer than 50 requests none is asked for again because it is slow.
    places = [(SIZE * number // 60, SIZE * number // 60 + 100) for number in range(1, 49)]
    random.Random(5).shuffle(places)
    places = [(begin, end) for begin, end in places if begin // CHUNK == (end - 1) // CHUNK]
    for begin, end in places:
        assert by_read_at(reader, begin, end) == data[begin:end]
    assert asked_ranges(server.local) == places
    stats = connector.stats()
    assert stats.bytes_received == stats.bytes_read == 100 * len(places)
    assert (stats.memory_bytes, stats.memory_peak_bytes) == (0, 0)


def test_ranges_of_one_call_that_lie_near_each_other_are_one_request(open_cold, server, data):
    reader = open_cold()
    ranges = [(9 * MiB + 5, 10), (100, 50), (0, 10), (100, 50), (120, 60), (5, 0)]
    expected = [data[offset : offset + length] for offset, length in ranges]
    assert reader.read_ranges(ranges) == expected
    assert sorted(asked_ranges(server.local)) == [(0, 180), (9 * MiB + 5, 9 * MiB + 15)]


@pytest.mark.parametrize("read", READS)
def test_whole_object_comes_once_without_memory_and_is_checked(
    open_cold, server, connector, data, read
):
    reader = open_cold()
    assert read(reader, 0, SIZE) == data
    assert reader.verified == "crc64"
    stats = connector.stats()
    assert stats.bytes_received == SIZE
    assert (stats.memory_bytes, stats.memory_peak_bytes) == (0, 0)
    asked = sorted(asked_ranges(server.local))
    assert asked == [(begin, min(begin + CHUNK, SIZE)) for begin in range(0, SIZE, CHUNK)]


@pytest.mark.parametrize("step", [1000, 4 * KiB, 5000, 100_000, 300_000, MiB + 1, 3 * MiB])
def test_object_that_is_read_in_order_comes_once_and_is_checked(open_cold, connector, data, step):
    reader = open_cold()
    assert in_steps(reader, step, SIZE) == data
    assert reader.verified == "crc64"
    assert connector.stats().bytes_received == SIZE


@pytest.mark.parametrize("step", [100_000, 400_000, 700_000])
def test_reads_in_order_that_begin_in_what_is_on_its_way_ask_for_nothing_twice(
    faults, connect, step
):
    def script(request, reply):
        reply.delay = 0.02  # so that reads get there before what is read ahead

    faults.put(random.Random(6).randbytes(4 * MiB))
    faults.script = script
    with connect({"prefetch.chunkBytes": 256 * KiB}).open(URI, prefetch=False) as reader:
        assert in_steps(reader, step, len(faults.data)) == faults.data
        assert reader.verified == "crc64"
    asked = sorted((one.begin, one.end) for one in faults.requests if one.method == "GET")
    assert sum(end - begin for begin, end in asked) == len(faults.data), asked


def test_lines_of_an_object_come_once_and_are_checked(open_cold, connector, lines):
    reader = open_cold("lines")
    assert list(reader) == lines.splitlines(keepends=True)
    assert reader.verified == "crc64"
    stats = connector.stats()
    assert (stats.bytes_received, stats.bytes_read) == (len(lines), len(lines))


def test_text_of_an_object_comes_once_and_is_checked(connector, cold, lines):
    text = connector.open(connector.stat(cold.uri("lines")), False, prefetch=False)
    assert text.read() == lines.decode()
    assert text.buffer.verified == "crc64"
    assert connector.stats().bytes_received == len(lines)


def test_line_at_a_cold_place_is_one_request(open_cold, server, lines):
    reader = open_cold("lines")
    for place in (300_000, 200_000, 100_000):
        server.clear_log()
        reader.seek(13 * place)
        assert reader.readline() == lines[13 * place : 13 * place + 13]
        assert len(asked_ranges(server.local)) == 1


def test_what_was_peeked_at_is_not_asked_for_again(open_cold, server, data):
    reader = open_cold()
    for place in (20 * MiB, 10 * MiB):
        server.clear_log()
        reader.seek(place)
        shown = reader.peek(100)
        assert data[place:].startswith(shown)
        assert reader.read(100) == data[place : place + 100]
        assert len(asked_ranges(server.local)) == 1


def test_tail_then_whole_is_checked(open_cold, connector, data):
    reader = open_cold()
    assert by_read(reader, SIZE - 1000, SIZE) == data[-1000:]
    assert by_read(reader, 0, SIZE) == data
    assert reader.verified == "crc64"
    assert connector.stats().bytes_received <= SIZE + 1000


def test_parts_then_whole_are_compared(open_cold, data):
    reader = open_cold()
    for begin in (5000, 70_000, CHUNK + 1, 100):
        by_read_at(reader, begin, begin + 50)
    assert by_read(reader, 0, SIZE) == data
    assert reader.verified == "crc64"


@pytest.mark.parametrize("verifies", [True, False])
def test_part_of_a_chunk_that_was_whole_once_is_compared_with_it(
    make_connector, cold, server, data, verifies
):
    connector = make_connector(config={"prefetch.chunkBytes": CHUNK, "verify.crc64": verifies})
    reader = connector.open(cold.uri("random"), prefetch=False)
    by_read_at(reader, 0, SIZE)
    server.clear_log()
    assert by_read_at(reader, CHUNK + 7, CHUNK + 17) == data[CHUNK + 7 : CHUNK + 17]
    expected = (CHUNK, 2 * CHUNK) if verifies else (CHUNK + 7, CHUNK + 17)
    assert asked_ranges(server.local) == [expected]
    assert reader.verified == ("crc64" if verifies else "length+etag")


def test_parts_that_do_not_join_are_not_called_checked(open_cold, data):
    reader = open_cold()
    places = list(range(0, SIZE, MiB))
    for begin in reversed(places):
        assert by_read_at(reader, begin, min(begin + MiB, SIZE)) == data[begin : begin + MiB]
    assert reader.verified == "length+etag"
    reader.read()
    assert reader.verified == "crc64"


def test_archive_with_little_of_it_read(connector, cold, server, tmp_path):
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20):
            archive.writestr(f"{number}.bin", random.Random(number).randbytes(MiB))
    cold.put("archive", path.read_bytes())
    info = connector.stat(cold.uri("archive"))
    with connector.open(info, prefetch=False) as reader, zipfile.ZipFile(reader) as archive:
        assert archive.read("7.bin") == random.Random(7).randbytes(MiB)
    assert connector.stats().bytes_received < 3 * MiB


# --- wrong bytes


class Flip:
    """A script: the byte at `offset` of the object comes wrong, the first `times` times."""

    def __init__(self, offset, times):
        self.offset = offset
        self.times = times

    def __call__(self, request, reply):
        at = self.offset - request.begin
        if request.method == "GET" and 0 <= at < len(reply.body) and self.times > 0:
            self.times -= 1
            reply.body = reply.body[:at] + bytes([reply.body[at] ^ 1]) + reply.body[at + 1 :]


def open_faulty(connect, chunk=256 * KiB):
    # Small ranges of a tiny object would be no test of windows.
    return connect({"prefetch.chunkBytes": chunk}).open(URI, prefetch=False)


@pytest.mark.parametrize("offset", [0, 300_000, (1 << 20) - 1])
@pytest.mark.parametrize("read", READS)
def test_wrong_byte_in_a_whole_read_is_repaired(faults, connect, read, offset):
    faults.script = Flip(offset, 1)
    with open_faulty(connect) as reader:
        assert read(reader, 0, len(faults.data)) == faults.data
        assert reader.verified == "crc64"


@pytest.mark.parametrize("read", READS)
def test_byte_that_is_always_wrong_is_an_error(faults, connect, read):
    faults.script = Flip(300_000, 1 << 30)
    with open_faulty(connect) as reader:
        for _ in range(2):
            with pytest.raises(ChecksumError):
                read(reader, 0, len(faults.data))
        assert reader.verified == "length+etag"


@pytest.mark.parametrize("offset", [0, 6000, 300_000, (1 << 20) - 1])
@pytest.mark.parametrize("step", [1000, 5000, 300_001])
def test_wrong_byte_is_found_before_the_end_of_reads_in_order(faults, connect, step, offset):
    faults.script = Flip(offset, 1)
    with open_faulty(connect) as reader:
        got = b""
        try:
            while part := reader.read(step):
                got += part
        except ChecksumError:
            assert len(got) < len(faults.data)
            assert reader.verified == "length+etag"
        else:
            assert got == faults.data
            assert reader.verified == "crc64"


def test_wrong_byte_that_was_read_at_a_place_is_an_error_of_the_whole_read(faults, connect):
    faults.script = Flip(300_000, 1)
    with open_faulty(connect) as reader:
        assert by_read_at(reader, 299_000, 301_000) != faults.data[299_000:301_000]
        with pytest.raises(ChecksumError):
            reader.read()
        assert reader.verified == "length+etag"


# --- the sweep of what is opened with prefetch


@pytest.fixture
def sweep(make_connector):
    """(server, reader, data, connector): an object of which a few MiB a second are swept."""
    data = random.Random(8).randbytes(MiB) * (SWEPT // MiB)
    with LocalServer(buckets=["swept"], anonymous=True, latency=0.2) as local:
        local.put_object("swept", "object", data)
        connector = make_connector(
            endpoint=local.endpoint,
            cred_provider=AnonymousCredentialsProvider(),
            config={
                "prefetch.chunkBytes": MiB,
                "prefetch.workers": 4,
                "prefetch.memoryBytes": 256 * MiB,
            },
        )
        with connector.open("oss://swept/object") as reader:
            yield local, reader, data, connector


def received(connector):
    """What has come in, when nothing does any more."""
    before = -1
    while (now := connector.stats().bytes_received) != before:
        before = now
        time.sleep(0.5)  # more than twice the latency of the server
    return now


def test_object_whose_reads_jump_is_not_swept_further(sweep):
    local, reader, data, connector = sweep
    for place in (100 * MiB, 60 * MiB):
        assert by_read_at(reader, place, place + 100) == data[place : place + 100]
    before = received(connector)
    assert before < SWEPT - 64 * MiB
    # A read of what is swept next goes on with it.
    begin = sum(end - begin for begin, end in asked_ranges(local) if end - begin == MiB)
    local.latency = 0
    reader.seek(0)
    assert reader.read(begin + 3 * MiB) == data[: begin + 3 * MiB]
    wait_until(lambda: connector.stats().bytes_received >= SWEPT)


def test_object_whose_reads_jump_three_times_is_never_swept_again(sweep):
    local, reader, _, connector = sweep
    for place in (100, 60, 80, 90):
        by_read_at(reader, place * MiB, place * MiB + 100)
    local.latency = 0
    by_read_at(reader, 50 * MiB, 51 * MiB)
    by_read_at(reader, 51 * MiB, 52 * MiB)
    assert received(connector) < SWEPT - 32 * MiB


def test_tail_then_whole_of_a_swept_object_is_checked(sweep):
    local, reader, data, connector = sweep
    assert by_read(reader, SWEPT - 64 * KiB, SWEPT) == data[-64 * KiB :]
    local.latency = 0
    assert by_read(reader, 0, SWEPT) == data
    assert reader.verified == "crc64"
    assert connector.stats().bytes_received <= SWEPT + 9 * MiB


# --- processes


def test_child_of_a_fork_asks_for_what_it_reads(open_cold, server, data):
    reader = open_cold()
    assert reader.read(100) == data[:100]
    server.clear_log()

    def child():
        first = reader.read(100) == data[100:200]
        place = by_read_at(reader, 20 * MiB, 20 * MiB + 50) == data[20 * MiB : 20 * MiB + 50]
        reader.seek(0)
        return [first, place, reader.read() == data, reader.verified]

    assert in_child(child) == [True, True, True, "crc64"]
    asked = asked_ranges(server.local)
    assert asked[:2] == [(100, 200), (20 * MiB, 20 * MiB + 50)]
    assert sum(end - begin for begin, end in asked) <= SIZE + 150
    assert reader.read(100) == data[100:200]
