"""reader.chunks(): the object in place, chunk after chunk, and what becomes of views of it."""

from __future__ import annotations

import gc
import itertools
import random
import threading

import pytest
from ossmodelconnector import ChecksumError, TransferTimeoutError
from support.faults import URI
from support.forked_child import in_child
from support.tries import HANG_SECONDS, wait_until

KiB = 1 << 10
CHUNK = 64 * KiB  # of make_connector
SIZE = 10 * CHUNK + 777


@pytest.fixture(scope="module")
def data():
    return random.Random(11).randbytes(SIZE)


@pytest.fixture(scope="module")
def bucket(new_bucket, data):
    bucket = new_bucket("chunks")
    bucket.put("object", data)
    return bucket


@pytest.fixture
def connector(make_connector):
    return make_connector()


@pytest.fixture(params=[True, False], ids=["prefetch", "cold"])
def reader(request, connector, bucket):
    with connector.open(bucket.uri("object"), prefetch=request.param) as reader:
        yield reader


def memory(connector):
    return connector.stats().memory_bytes


def test_they_are_the_object_in_order(reader, connector, data):
    sizes = []
    parts = []
    for chunk in reader.chunks():
        assert isinstance(chunk, memoryview)
        assert (chunk.readonly, chunk.format, chunk.ndim, chunk.contiguous) == (True, "B", 1, True)
        sizes.append(len(chunk))
        parts.append(bytes(chunk))
        assert reader.tell() == sum(sizes)
    assert b"".join(parts) == data
    assert sizes == [CHUNK] * 10 + [777]
    assert reader.verified == "crc64"
    stats = connector.stats()
    assert stats.bytes_received == stats.bytes_read == SIZE
    assert list(reader.chunks()) == []


@pytest.mark.parametrize("position", [1, CHUNK - 1, CHUNK, 3 * CHUNK + 5, SIZE - 1])
def test_they_begin_at_the_cursor(reader, data, position):
    reader.seek(position)
    chunks = reader.chunks()
    first = next(chunks)
    assert len(first) == min(CHUNK - position % CHUNK, SIZE - position)
    assert first == data[position : position + len(first)]
    assert b"".join(map(bytes, chunks)) == data[position + CHUNK - position % CHUNK :]


@pytest.mark.parametrize("position", [SIZE, SIZE + 5])
def test_at_the_end_there_are_none(reader, position):
    reader.seek(position)
    assert list(reader.chunks()) == []
    assert reader.tell() == position


def test_empty_object(connector, bucket):
    bucket.put("empty", b"")
    for prefetch in (True, False):
        with connector.open(bucket.uri("empty"), prefetch=prefetch) as reader:
            assert list(reader.chunks()) == []


def test_reads_and_seeks_between_them_move_the_cursor(reader, data):
    chunks = reader.chunks()
    assert next(chunks) == data[:CHUNK]
    assert reader.read(10) == data[CHUNK : CHUNK + 10]
    assert next(chunks) == data[CHUNK + 10 : 2 * CHUNK]
    reader.seek(0)
    assert next(chunks) == data[:CHUNK]
    others = reader.chunks()
    assert next(others) == data[CHUNK : 2 * CHUNK]
    assert next(chunks) == data[2 * CHUNK : 3 * CHUNK]


def test_view_is_released_when_the_next_is_asked_for(reader):
    chunks = reader.chunks()
    first = next(chunks)
    next(chunks)
    for use in (bytes, len, lambda view: view[0], lambda view: view.cast("B")):
        with pytest.raises(ValueError, match="released"):
            use(first)


def test_iterator_that_is_closed_or_dropped_releases_its_view(reader, connector):
    for end in (lambda chunks: chunks.close(), lambda chunks: None):
        chunks = reader.chunks()
        view = next(chunks)
        end(chunks)
        del chunks
        gc.collect()
        with pytest.raises(ValueError, match="released"):
            bytes(view)
    reader.close()
    assert memory(connector) == 0


def test_loop_that_is_left_by_an_error_releases_its_view(reader, connector):
    seen = []

    def work():
        for chunk in reader.chunks():
            seen.append(chunk)
            raise KeyError

    with pytest.raises(KeyError):
        work()
    gc.collect()
    with pytest.raises(ValueError, match="released"):
        bytes(seen[0])
    reader.close()
    assert memory(connector) == 0


def as_memoryview(view):
    return memoryview(view)


def as_cast(view):
    return view[: CHUNK // 4 * 4].cast("I")


def as_array(view):
    numpy = pytest.importorskip("numpy")
    return numpy.frombuffer(view, dtype=numpy.uint8)


@pytest.mark.parametrize("export", [as_memoryview, as_cast, as_array])
@pytest.mark.parametrize("ends", ["reader", "connector", "generator"])
def test_what_is_exported_stays_and_counts_until_it_is_let_go(
    reader, connector, data, export, ends
):
    chunks = reader.chunks()
    kept = export(next(chunks))
    next(chunks)
    {"reader": reader, "connector": connector, "generator": chunks}[ends].close()
    if ends == "generator":
        reader.close()
    del chunks
    # The chunk, and no more than what its block has besides.
    wait_until(lambda: CHUNK <= memory(connector) < CHUNK + CHUNK // 4)
    assert bytes(kept) == data[:CHUNK]
    del kept
    gc.collect()
    wait_until(lambda: memory(connector) == 0)


def test_all_are_kept_while_the_object_is_read_again(reader, connector, data):
    kept = [memoryview(chunk) for chunk in reader.chunks()]
    reader.seek(0)
    assert reader.read() == data
    assert b"".join(kept) == data
    assert connector.stats().bytes_received == SIZE
    reader.close()
    assert b"".join(kept) == data
    assert memory(connector) >= SIZE
    while kept:
        kept.pop()
    wait_until(lambda: memory(connector) == 0)


def test_kept_views_take_all_memory_then_reads_wait_and_say_so(make_connector, bucket, data):
    connector = make_connector(
        config={"prefetch.memoryBytes": 4 * CHUNK, "timeout.readSeconds": 0.5}
    )
    reader = connector.open(bucket.uri("object"), prefetch=False)
    kept = [memoryview(chunk) for chunk in itertools.islice(reader.chunks(), 4)]
    position = reader.tell()
    with pytest.raises(TransferTimeoutError, match=r"timeout\.readSeconds"):
        next(reader.chunks())
    assert reader.tell() == position
    kept.clear()
    assert b"".join(map(bytes, reader.chunks())) == data[position:]
    assert connector.stats().memory_peak_bytes <= 4 * CHUNK


def test_view_of_all_waits_for_views_of_chunks(make_connector, bucket, data):
    connector = make_connector(config={"timeout.readSeconds": 0.5})
    reader = connector.open(bucket.uri("object"))
    chunks = reader.chunks()
    kept = memoryview(next(chunks))
    with pytest.raises(TransferTimeoutError, match="getbuffer") as caught:
        reader.getbuffer()
    assert bucket.uri("object") in str(caught.value)
    assert kept == data[:CHUNK]
    chunks.close()
    kept.release()
    assert reader.getbuffer() == data
    assert reader.tell() == CHUNK


def test_view_of_all_is_there_as_soon_as_the_view_of_a_chunk_is_not(connector, bucket, data):
    reader = connector.open(bucket.uri("object"))
    chunks = reader.chunks()
    kept = memoryview(next(chunks))
    chunks.close()
    views = []
    thread = threading.Thread(target=lambda: views.append(reader.getbuffer()))
    thread.start()
    thread.join(0.2)
    assert views == []
    kept.release()
    thread.join(HANG_SECONDS)
    assert views == [data]


def test_chunks_of_an_object_that_has_a_view_are_of_the_view(connector, bucket, data):
    reader = connector.open(bucket.uri("object"))
    view = reader.getbuffer()
    kept = [memoryview(chunk) for chunk in reader.chunks()]
    assert b"".join(kept) == data
    view.release()
    reader.close()
    gc.collect()
    assert b"".join(kept) == data
    kept.clear()
    wait_until(lambda: memory(connector) == 0)


@pytest.mark.parametrize("prefetch", [True, False])
def test_flipped_byte_is_an_error_before_the_last_chunk(faults, connect, prefetch):
    def script(request, reply):
        if request.method == "GET" and request.begin == 7 * CHUNK:
            reply.body = reply.body[:10] + bytes([reply.body[10] ^ 1]) + reply.body[11:]

    faults.script = script
    with connect().open(URI, prefetch=prefetch) as reader:
        seen = []
        with pytest.raises(ChecksumError):
            seen.extend(len(chunk) for chunk in reader.chunks())
        assert sum(seen) < len(faults.data)
        assert reader.tell() == sum(seen)
        with pytest.raises(ChecksumError):
            next(reader.chunks())


def test_object_of_one_chunk_that_was_wrong_once_is_repaired(faults, connect):
    flipped = []

    def script(request, reply):
        if request.method == "GET" and not flipped:
            flipped.append(request)
            reply.body = bytes([reply.body[0] ^ 1]) + reply.body[1:]

    faults.script = script
    connector = connect({"prefetch.chunkBytes": len(faults.data)})
    with connector.open(URI, prefetch=False) as reader:
        assert [bytes(chunk) for chunk in reader.chunks()] == [faults.data]
        assert reader.verified == "crc64"
    assert len(flipped) == 1


def test_closed_reader(reader):
    chunks = reader.chunks()
    next(chunks)
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        next(chunks)
    with pytest.raises(ValueError, match="closed"):
        reader.chunks()


def test_threads_share_them(reader, data):
    got = {}

    def read():
        chunks = reader.chunks()
        while True:
            with lock:
                chunk = next(chunks, None)
                end = reader.tell()
            if chunk is None:
                return
            got[end] = bytes(chunk)

    lock = threading.Lock()
    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_SECONDS)
    assert b"".join(got[end] for end in sorted(got)) == data


def test_child_of_a_fork_goes_on(reader, data):
    chunks = reader.chunks()
    assert next(chunks) == data[:CHUNK]

    def child():
        rest = b"".join(map(bytes, chunks))
        reader.seek(0)
        again = b"".join(map(bytes, reader.chunks()))
        return [rest == data[CHUNK:], again == data, reader.verified]

    assert in_child(child) == [True, True, "crc64"]
    assert b"".join(map(bytes, chunks)) == data[CHUNK:]


def test_child_of_a_fork_ends_views_of_its_parent(reader, connector, data):
    kept = [memoryview(chunk) for chunk in itertools.islice(reader.chunks(), 3)]
    reader.close()

    def child():
        kept.clear()
        gc.collect()
        return True

    assert in_child(child) is True
    assert b"".join(kept) == data[: 3 * CHUNK]
    kept.clear()
    wait_until(lambda: memory(connector) == 0)
