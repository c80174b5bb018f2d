"""What is fetched when, how much memory it takes, and what a request count tells."""

from __future__ import annotations

import gc
import random
import re
import threading
import time

import pytest
from ossmodelconnector import MemoryBudgetError, ObjectNotFoundError
from support.tries import HANG_SECONDS, once_within, wait_until

MiB = 1 << 20


def first_byte(request):
    """Where the range of a GET begins."""
    return int(re.fullmatch(r"bytes=(\d+)-\d+", request.range)[1])


@pytest.fixture(scope="module")
def shards(store):
    """Forty objects of 3 MiB and a bit: twice the budget of the test that opens them all."""
    keys = [f"shards/{i:02d}" for i in range(40)]
    for i, key in enumerate(keys):
        store.put(key, random.Random(i).randbytes(3 * MiB + 1000 * i))
    return keys


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("chunk", ["1 MiB", "8 MiB"])
def test_forty_objects_open_before_the_first_read(make_connector, store, shards, many, chunk):
    connector = make_connector(
        config={"prefetch": {"memoryBytes": "64 MiB", "chunkBytes": chunk, "vcpus": 2}}
    )
    uris = [store.uri(key) for key in shards]
    readers = connector.open_many(uris) if many else [connector.open(uri) for uri in uris]
    order = list(range(40))
    random.Random(5).shuffle(order)
    for i in order:
        assert readers[i].read(MiB) == store[shards[i]][:MiB]
    for i in reversed(order):
        buffer = bytearray(readers[i].size)
        readers[i].seek(0)
        assert readers[i].readinto(buffer) == len(buffer)
        assert buffer == store[shards[i]]
    stats = connector.stats()
    assert stats.memory_peak_bytes <= stats.memory_limit_bytes == 64 * MiB
    for reader in readers:
        reader.close()
    assert connector.stats().memory_bytes == 0


def test_opening_and_reading_a_small_object_is_one_request(make_connector, store, server):
    for options in ({}, {"region": "cn-hangzhou"}):
        connector = make_connector(**options)
        for key in ("text.txt", "list/007.bin"):
            server.clear_log()
            with connector.open(store.uri(key)) as reader:
                assert reader.size == len(store[key])
                assert reader.read() == store[key]
                assert reader.read() == b""
                reader.seek(0)
                assert reader.read() == store[key]
            (request,) = server.log()
            assert (request.method, request.key, request.status) == ("GET", key, 206)


def test_an_empty_object_is_at_most_two_requests(make_connector, store, server):
    server.clear_log()
    with make_connector().open(store.uri("empty")) as reader:
        assert (reader.size, reader.read(), reader.readline(), list(reader)) == (0, b"", b"", [])
    assert len(server.log()) <= 2


def test_each_chunk_is_fetched_once(make_connector, store, server):
    # Below 50 requests none is asked for again because it is slow.
    chunk = 128 * 1024
    connector = make_connector(config={"prefetch.chunkBytes": chunk})
    server.clear_log()
    size = len(store["large.bin"])
    with connector.open(store.uri("large.bin")) as reader:
        reader.seek(size // 2)
        reader.read(1000)
        reader.seek(0)
        assert reader.read() == store["large.bin"]
    stats = connector.stats()
    assert stats.bytes_received == size
    assert stats.refetches == stats.retries == 0
    begins = sorted(first_byte(request) for request in server.log())
    assert begins == list(range(0, size, chunk))


def test_first_requests_go_in_the_order_of_the_opens(make_connector, store, server, shards):
    connector = make_connector(
        config={"prefetch": {"memoryBytes": "256 MiB", "vcpus": 1, "workers": 1}}
    )
    keys = random.Random(3).sample(shards, 40)
    server.clear_log()
    readers = connector.open_many(store.uri(key) for key in keys)
    firsts = keys_in_order_of_first_bytes(server)
    assert sorted(firsts) == sorted(keys)
    # Each goes on a connection of its own, one worker's and eight for what somebody waits for, and
    # the server may meet nine that are under way in any order: none comes before its turn by more.
    assert max(i - firsts.index(key) for i, key in enumerate(keys)) <= 8
    for reader in readers:
        reader.close()
    server.clear_log()
    for key in keys:
        connector.open(store.uri(key))
    assert keys_in_order_of_first_bytes(server) == keys


def keys_in_order_of_first_bytes(server):
    return [request.key for request in server.log() if first_byte(request) == 0]


def test_a_read_goes_before_the_prefetch(make_connector, slow_store):
    """With a slow server and a long queue, the bytes that a reader waits for come first."""
    connector = make_connector(
        slow_store, config={"prefetch": {"chunkBytes": "16 KiB", "vcpus": 1, "workers": 2}}
    )
    connector.open(slow_store.uri("large.bin"))
    last = connector.open(slow_store.uri("large.bin"))
    begin = time.monotonic()
    last.seek(-1000, 2)
    assert last.read() == slow_store["large.bin"][-1000:]
    # One chunk in flight may end first; the whole queue would take 100 s.
    assert time.monotonic() - begin < HANG_SECONDS


def test_open_many_gives_the_first_failure_and_closes_the_others(make_connector, store):
    connector = make_connector()
    uris = [store.uri("text.txt"), store.uri("missing-1"), store.uri("missing-2")]
    with pytest.raises(ObjectNotFoundError) as caught:
        connector.open_many(uris)
    assert caught.value.uri == store.uri("missing-1")
    gc.collect()
    wait_until(lambda: not connector.stats().memory_bytes)


def test_open_many(make_connector, store):
    connector = make_connector()
    keys = ["text.txt", "empty", "list/007.bin"]
    readers = connector.open_many(iter([store.uri(key) for key in keys]))
    assert [reader.read() for reader in readers] == [store[key] for key in keys]
    infos = connector.list(store.bucket, "list/")
    readers = connector.open_many(infos)
    assert [reader.key for reader in readers] == [info.key for info in infos]
    texts = connector.open_many([store.uri("text.txt")], False)
    assert texts[0].read() == store["text.txt"].decode()
    assert connector.open_many([]) == []
    for wrong in (store.uri("text.txt"), b"oss://b/k", infos[0]):
        with pytest.raises(TypeError):
            connector.open_many(wrong)
    for wrong in ([b"oss://b/k"], [None], [store.uri("text.txt"), 5]):
        with pytest.raises(TypeError):
            connector.open_many(wrong)


def test_two_opens_are_two_readers(make_connector, store):
    connector = make_connector()
    one, two = connector.open(store.uri("large.bin")), connector.open(store.uri("large.bin"))
    assert one.read(10) == two.read(10)
    one.close()
    assert two.read() == store["large.bin"][10:]


def test_read_at_and_ranges_from_many_threads(make_connector, store):
    connector = make_connector()
    data = store["large.bin"]
    reader = connector.open(store.uri("large.bin"))
    faults = []

    def work(seed):
        generator = random.Random(seed)
        try:
            for _ in range(40):
                offset = generator.randrange(len(data))
                buffer = bytearray(generator.randrange(100_000))
                count = reader.read_at(offset, buffer)
                if buffer[:count] != data[offset : offset + len(buffer)]:
                    faults.append((offset, len(buffer)))
                pairs = [(generator.randrange(len(data)), 5000) for _ in range(5)]
                if reader.read_ranges(pairs) != [data[a : a + b] for a, b in pairs]:
                    faults.append(pairs)
            if reader.getbuffer() != data:
                faults.append("view")
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert reader.tell() == 0


def test_cursor_calls_of_many_threads_take_turns(make_connector, store):
    reader = make_connector().open(store.uri("large.bin"))
    data = store["large.bin"]
    parts = []

    def work():
        while part := reader.read(7000):
            parts.append(part)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = sorted(data[i : i + 7000] for i in range(0, len(data), 7000))
    assert sorted(parts) == expected


def test_memory_is_taken_back_and_fetched_anew(make_connector, store):
    connector = make_connector(
        config={"prefetch": {"memoryBytes": "512 KiB", "chunkBytes": "64 KiB", "vcpus": 1}}
    )
    one = connector.open(store.uri("large.bin"))
    data = store["large.bin"]
    for _ in range(2):
        one.seek(0)
        assert one.read() == data
    stats = connector.stats()
    assert stats.memory_peak_bytes <= 512 * 1024
    assert stats.refetches > 0
    assert stats.bytes_read == 2 * len(data)


def test_ranges_larger_than_the_budget(make_connector, store):
    connector = make_connector(
        config={
            "prefetch": {"memoryBytes": "512 KiB", "chunkBytes": "64 KiB", "vcpus": 1},
        }
    )
    data = store["large.bin"]
    with connector.open(store.uri("large.bin")) as reader:
        for ranges in (
            [(0, len(data))],
            [(0, 700_000), (3_000_000, 700_000)],
            [(1_000_000, 700_000), (900_000, 700_000), (0, 10)],
        ):
            assert reader.read_ranges(ranges) == [data[a : a + b] for a, b in ranges]
        buffer = bytearray(len(data))
        assert reader.read_at(0, buffer) == len(data)
        assert buffer == data
    assert connector.stats().memory_peak_bytes <= 512 * 1024


def test_a_view_larger_than_the_budget_fails_at_once(make_connector, store):
    connector = make_connector(
        config={"prefetch": {"memoryBytes": "1 MiB", "chunkBytes": "64 KiB", "vcpus": 1}}
    )
    reader = connector.open(store.uri("large.bin"))

    def fail():
        begin = time.monotonic()
        with pytest.raises(MemoryBudgetError) as caught:
            reader.getbuffer()
        seconds = time.monotonic() - begin
        text = str(caught.value)
        assert str(len(store["large.bin"])) in text.replace(",", "")
        assert str(MiB) in text.replace(",", "") or "1 MiB" in text
        assert isinstance(caught.value, MemoryError)
        assert caught.value.uri == store.uri("large.bin")
        return seconds

    once_within(1, fail, because="no wait helps: nobody will give back so much")
    # The reader is none the worse for it.
    assert reader.read() == store["large.bin"]


def test_views_count_against_the_budget(make_connector, store):
    connector = make_connector(
        config={"prefetch": {"memoryBytes": "6 MiB", "chunkBytes": "64 KiB", "vcpus": 1}}
    )
    size = len(store["large.bin"])  # 4 MiB and a bit
    reader, other = (connector.open(store.uri("large.bin")) for _ in range(2))
    view = reader.getbuffer()
    assert connector.stats().memory_bytes >= size
    with pytest.raises(MemoryBudgetError):
        other.getbuffer()
    # Streams go on in what is left.
    assert other.read() == store["large.bin"]
    reader.close()
    with pytest.raises(MemoryBudgetError):
        other.getbuffer()
    assert view == store["large.bin"]
    view.release()
    gc.collect()
    assert other.getbuffer() == store["large.bin"]
    assert connector.stats().memory_peak_bytes <= 6 * MiB


def test_two_views_of_one_reader(make_connector, store):
    connector = make_connector()
    reader = connector.open(store.uri("large.bin"))
    one, two = reader.getbuffer(), reader.getbuffer()
    assert one == two == store["large.bin"]
    one.release()
    assert two == store["large.bin"]


def test_budget_is_said_by_stats(make_connector):
    connector = make_connector(config={"prefetch": {"memoryBytes": "32 MiB"}})
    assert connector.stats().memory_limit_bytes == 32 * MiB
