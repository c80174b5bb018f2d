"""transfer.maxBytesPerSecond, end to end: less than without it, and nobody is hurt.

How exact it is, `make bench SCENARIOS=limits` says; here only what a busy machine cannot break.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time

import pytest
from support.fault_server import FaultServer
from support.tries import once, wait_until

KiB, MiB = 1 << 10, 1 << 20
URI = "oss://limited-1/object"
# 10 Mbit/s would be enough for none of these, so that the limit is what they meet.
PER_SECOND = 2 * MiB
BURST_SECONDS = 0.25


@pytest.fixture(scope="module")
def object_server():
    with FaultServer(data=random.Random(3).randbytes(2 * MiB)) as server:
        yield server


@pytest.fixture
def limited(make_connector, object_server):
    def make(**more):
        config = {"transfer.maxBytesPerSecond": PER_SECOND, "prefetch.chunkBytes": 128 * KiB}
        return make_connector(endpoint=object_server.endpoint, config={**config, **more})

    return make


@pytest.mark.parametrize("requests", [1, 16])
def test_it_takes_as_long_as_the_limit_says(limited, object_server, requests):
    connector = limited(**{"prefetch.vcpus": 1, "prefetch.workers": requests})
    words = set()
    begin = time.monotonic()
    with connector.open(URI) as reader:
        data = bytearray()
        while piece := reader.read(100 * KiB):
            data += piece
            words.add(connector.stats().limited_by)
        assert bytes(data) == object_server.data
        assert reader.verified == "crc64"
    lasted = time.monotonic() - begin
    assert lasted > 2 * MiB / PER_SECOND - BURST_SECONDS - 0.1
    assert "limit" in words
    stats = connector.stats()
    assert (stats.retries, stats.hedges) == (0, 0)
    assert stats.bytes_received == 2 * MiB


def test_without_a_limit_the_same_object_comes_sooner(limited):
    def read():
        connector = limited(**{"transfer.maxBytesPerSecond": 0})
        begin = time.monotonic()
        connector.open(URI).read()
        assert connector.stats().limited_by != "limit"
        return time.monotonic() - begin < 0.5

    once(read, because="a busy machine takes as long by itself")


def test_a_small_read_does_not_wait_for_a_prefetch_that_fills_the_limit(limited, object_server):
    def read():
        connector = limited()
        swept = connector.open(URI)
        wait_until(lambda: connector.stats().limited_by == "limit")
        begin = time.monotonic()
        ((piece),) = connector.read_ranges([(URI, 1 * MiB + 7, 10_000)])
        lasted = time.monotonic() - begin
        assert piece == object_server.data[MiB + 7 :][:10_000]
        # Else it came when all was over.
        was_under_way = connector.stats().bytes_received < 3 * MiB // 2
        swept.close()
        connector.close()
        return was_under_way and lasted < 0.5

    once(read, because="a second is all that the prefetch takes")


def test_listings_and_heads_are_not_held_back(make_connector, store):
    # 64 KiB a second: the object takes a minute.
    connector = make_connector(config={"transfer.maxBytesPerSecond": 64 * KiB})
    reader = connector.open(store.uri("large.bin"), prefetch=False)
    blocked = threading.Thread(target=_read_or_end, args=(reader,))
    blocked.start()
    wait_until(lambda: connector.stats().limited_by == "limit")
    begin = time.monotonic()
    assert len(connector.list(store.bucket, "list/")) == 40
    assert connector.exists(store.uri("large.bin"))
    assert connector.stat(store.uri("large.bin")).size == len(store["large.bin"])
    assert time.monotonic() - begin < 20
    assert connector.stats().bytes_received < len(store["large.bin"]) / 2
    connector.close()
    blocked.join()


def _read_or_end(reader):
    with contextlib.suppress(ValueError):
        reader.read()


def test_what_is_held_back_is_not_taken_for_stalled(limited, object_server):
    # 16 requests share 256 KiB/s: each gets a portion a second, which is four times the limit of
    # a stall.
    connector = limited(
        **{
            "transfer.maxBytesPerSecond": 256 * KiB,
            "timeout.stallSeconds": 0.25,
            "prefetch.vcpus": 1,
            "prefetch.workers": 16,
        }
    )
    ranges = [(URI, i * 128 * KiB, 40 * KiB) for i in range(16)]
    pieces = connector.read_ranges(ranges)
    assert pieces == [object_server.data[begin : begin + size] for _, begin, size in ranges]
    stats = connector.stats()
    assert (stats.retries, stats.hedges) == (0, 0)


def test_a_server_that_stands_still_is_found_out_under_a_limit_too(make_connector):
    stands = set()

    def script(request, reply):
        if request.begin == 128 * KiB and not stands:
            stands.add(request.begin)
            reply.body, reply.end = reply.body[:1000], "stall"

    with FaultServer(data=random.Random(4).randbytes(512 * KiB), script=script) as server:
        connector = make_connector(
            endpoint=server.endpoint,
            config={
                "transfer.maxBytesPerSecond": PER_SECOND,
                "timeout.stallSeconds": 0.5,
                "prefetch.chunkBytes": 128 * KiB,
            },
        )
        assert connector.open(URI).read() == server.data
        assert connector.stats().retries >= 1


def test_readers_share_it(limited, object_server):
    # One with a single request beside one with sixteen.
    connector = limited(**{"prefetch.vcpus": 1, "prefetch.workers": 32})
    many = [(URI, i * 64 * KiB, 64 * KiB) for i in range(32)]
    received = []

    def read_many():
        connector.read_ranges(many)
        received.append("many")

    thread = threading.Thread(target=read_many)
    thread.start()
    wait_until(lambda: connector.stats().limited_by == "limit")
    with connector.open(URI, prefetch=False) as reader:
        reader.read_at(5, bytearray(64 * KiB))
        received.append("one")
    thread.join()
    assert received == ["one", "many"]


def test_closing_ends_a_read_that_is_held_back(make_connector, store):
    connector = make_connector(config={"transfer.maxBytesPerSecond": 64 * KiB})
    reader = connector.open(store.uri("large.bin"), prefetch=False)
    blocked = threading.Thread(target=_read_or_end, args=(reader,))
    blocked.start()
    wait_until(lambda: connector.stats().limited_by == "limit")
    begin = time.monotonic()
    connector.close()
    blocked.join()
    assert time.monotonic() - begin < 10
