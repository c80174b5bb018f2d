"""Wrong bytes, by the object's CRC-64: fetched again once; what has left already is an error."""

from __future__ import annotations

import random
import threading

import pytest
from ossmodelconnector import ChecksumError, ConnectError
from support.fault_server import FaultServer, Reply, Request
from support.tries import HANG_SECONDS

KiB = 1 << 10
CHUNK = 64 * KiB
CHUNKS = 16
URI = "oss://repair-1/ramp.bin"
LINES = b"".join(b"line %06d\n" % number for number in range(CHUNK * CHUNKS // 12))


@pytest.fixture
def faults():
    with FaultServer() as server:
        assert len(server.data) == CHUNK * CHUNKS
        yield server


@pytest.fixture
def connect(faults, make_connector):
    def connect(**config):
        defaults = {"retry.maxAttempts": 3}
        return make_connector(endpoint=faults.endpoint, config={**defaults, **config})

    return connect


class Flip:
    """A script: the byte at `offset` of the object comes wrong, the first `times` times."""

    def __init__(self, offset, times=1):
        self.offset = offset
        self.times = times

    def __call__(self, request: Request, reply: Reply) -> None:
        at = self.offset - request.begin
        if 0 <= at < len(reply.body) and self.times > 0:
            self.times -= 1
            reply.body = reply.body[:at] + bytes([reply.body[at] ^ 1]) + reply.body[at + 1 :]


# In the first chunk, at a border, in the last byte.
OFFSETS = [0, 5 * CHUNK - 1, 5 * CHUNK, CHUNK * CHUNKS - 1]


def whole(reader):
    return reader.read()


def whole_into_a_buffer(reader):
    buffer = bytearray(reader.size)
    assert reader.readinto(buffer) == reader.size
    return bytes(buffer)


def in_ranges(reader):
    half = reader.size // 2
    return b"".join(reader.read_ranges([(0, half), (half, reader.size - half)]))


def in_place(reader):
    with reader.getbuffer() as view:
        return bytes(view)


@pytest.mark.parametrize("read", [whole, whole_into_a_buffer, in_ranges, in_place])
@pytest.mark.parametrize("offset", OFFSETS)
def test_wrong_byte_in_a_whole_read_is_fetched_again(faults, connect, read, offset):
    faults.script = Flip(offset)
    connector = connect()
    with connector.open(URI) as reader:
        assert read(reader) == faults.data
        assert reader.verified == "crc64"
        reader.seek(0)
        assert read(reader) == faults.data
    assert reader.verified == "crc64"
    assert len(faults.requests) <= 2 * CHUNKS
    assert connector.stats().refetches == CHUNKS


def test_wrong_byte_with_little_memory(faults, connect):
    faults.script = Flip(3 * CHUNK)
    connector = connect(**{"prefetch.chunkBytes": CHUNK, "prefetch.memoryBytes": 4 * CHUNK})
    with connector.open(URI) as reader:
        assert reader.read() == faults.data
    assert connector.stats().memory_peak_bytes <= 4 * CHUNK


@pytest.mark.parametrize("read", [whole, in_ranges, in_place])
def test_bytes_that_are_wrong_twice_are_an_error(faults, connect, read):
    faults.script = Flip(CHUNK, times=99)
    with connect().open(URI) as reader:
        for _ in range(3):
            with pytest.raises(ChecksumError, match=URI):
                read(reader)
        assert reader.verified == "length+etag"
    assert len(faults.requests) <= 2 * CHUNKS


def test_wrong_byte_that_was_not_read_yet_is_repaired(faults, connect):
    faults.script = Flip(CHUNK * CHUNKS - 1)
    with connect().open(URI) as reader:
        assert b"".join(iter(lambda: reader.read(CHUNK), b"")) == faults.data
        assert reader.verified == "crc64"


def test_wrong_byte_that_was_read_is_an_error_before_the_end(faults, connect):
    read_some = threading.Event()
    flip = Flip(10)

    def script(request, reply):
        flip(request, reply)
        if request.begin == 9 * CHUNK:
            assert read_some.wait(HANG_SECONDS)

    faults.script = script
    with connect().open(URI) as reader:
        begin = reader.read(1000)
        assert begin != faults.data[:1000]
        read_some.set()
        with pytest.raises(ChecksumError, match="have been read"):
            reader.read()
        assert reader.tell() == 1000
        for call in (reader.read, reader.readline, reader.getbuffer, lambda: reader.peek(1)):
            with pytest.raises(ChecksumError):
                call()
        with pytest.raises(ChecksumError):
            reader.read_at(CHUNK, bytearray(1))
        assert reader.verified == "length+etag"
    with connect().open(URI) as reader:
        assert reader.read() == faults.data


def test_line_whose_end_was_wrong(make_connector):
    with FaultServer(data=LINES) as faults:
        connector = make_connector(endpoint=faults.endpoint)
        # The last chunk, so that the verdict is on the way while its lines are read.
        faults.script = Flip(len(LINES) - 1 - 12)
        with connector.open(URI) as reader:
            reader.seek(len(LINES) - 36)
            tail = reader.readlines()
            reader.seek(0)
            try:
                rest = reader.readlines()
            except ChecksumError:
                assert b"".join(tail) != LINES[-36:]  # the wrong one had left
            else:
                assert rest == LINES.splitlines(keepends=True)
                assert tail == rest[-3:]
        faults.script = Flip(len(LINES) - 1 - 12)
        with connector.open(URI) as reader:
            assert list(reader) == LINES.splitlines(keepends=True)


def test_threads_get_right_bytes_or_an_error(faults, connect):
    for seed in range(20):
        shuffled = random.Random(seed)
        faults.script = Flip(shuffled.randrange(CHUNK * CHUNKS))
        outcomes = []

        def read_at(offsets, reader, outcomes):
            got = []
            try:
                for offset in offsets:
                    buffer = bytearray(CHUNK)
                    reader.read_at(offset, buffer)
                    got.append(buffer == faults.data[offset : offset + CHUNK])
            except ChecksumError:
                got.append(None)
            outcomes.append(got)

        with connect().open(URI) as reader:
            threads = []
            for _ in range(4):
                offsets = [CHUNK * index for index in range(CHUNKS)]
                shuffled.shuffle(offsets)
                thread = threading.Thread(target=read_at, args=(offsets, reader, outcomes))
                threads.append(thread)
                thread.start()
            for thread in threads:
                thread.join(HANG_SECONDS)
            assert len(outcomes) == 4
            if any(None in got for got in outcomes):
                with pytest.raises(ChecksumError):
                    reader.read()
            else:
                assert all(all(got) for got in outcomes)
                assert reader.read() == faults.data


def test_evicted_chunk_that_comes_wrong_the_second_time(faults, connect):
    connector = connect(**{"prefetch.chunkBytes": CHUNK, "prefetch.memoryBytes": 4 * CHUNK})
    with connector.open(URI) as reader:
        assert reader.read() == faults.data
        requests = len(faults.requests)
        faults.script = Flip(3 * CHUNK + 5)
        reader.seek(0)
        assert reader.read() == faults.data
    assert faults.script.times == 0
    assert len(faults.requests) <= requests + 3 * CHUNKS


def test_bytes_read_from_a_fetch_that_failed_are_checked_too(faults, connect):
    broken = threading.Event()
    broken.set()

    def script(request, reply):
        if broken.is_set() and 3 * CHUNK <= request.begin < 4 * CHUNK:
            if request.begin == 3 * CHUNK:
                reply.body = bytes([reply.body[0] ^ 1]) + reply.body[1:2000]
            else:
                reply.body = b""
            reply.end = "reset"

    faults.script = script
    with connect().open(URI) as reader:
        reader.seek(3 * CHUNK)
        assert reader.read(1000) != faults.data[3 * CHUNK : 3 * CHUNK + 1000]
        with pytest.raises(ConnectError):
            reader.read(CHUNK)
        broken.clear()
        with pytest.raises(ChecksumError):
            reader.read()


def test_verified_says_what_was_checked(faults, connect):
    with connect().open(URI) as reader:
        reader.read(10)
        reader.read()
        assert reader.verified == "crc64"
    with connect(**{"verify.crc64": False}).open(URI) as reader:
        assert reader.read() == faults.data
        assert reader.verified == "length+etag"

    def without_crc(request, reply):
        del reply.headers["x-oss-hash-crc64ecma"]

    faults.script = without_crc
    with connect().open(URI) as reader:
        assert reader.read() == faults.data
        assert reader.verified == "length+etag"
