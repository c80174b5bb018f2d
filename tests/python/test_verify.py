"""connector.verify: all of an object is received and checked, and nothing is kept."""

from __future__ import annotations

import random
import resource

import pytest
from ossmodelconnector import ChecksumError, ObjectChangedError, ObjectNotFoundError
from support.faults import CHUNK, URI
from support.forked_child import in_child

MiB = 1 << 20


def flip(reply):
    reply.body = reply.body[:1000] + bytes([reply.body[1000] ^ 1]) + reply.body[1001:]


def test_right_object(make_connector, store, server):
    # Of fewer than 50 requests none is asked for again because it is slow, which takes memory.
    connector = make_connector(config={"prefetch.chunkBytes": 128 << 10})
    server.clear_log()
    assert connector.verify(store.uri("large.bin")) == "crc64"
    records = server.log()
    assert [record.method for record in records[:1]] == ["HEAD"]
    assert sum(record.bytes_sent for record in records[1:]) == len(store["large.bin"])
    stats = connector.stats()
    assert stats.bytes_received == len(store["large.bin"])
    assert (stats.memory_bytes, stats.memory_peak_bytes) == (0, 0)


def test_listed_object_costs_no_head_and_is_pinned(make_connector, store, server):
    connector = make_connector()
    store.put("verified", b"old" * 100_000)
    info = connector.stat(store.uri("verified"))
    server.clear_log()
    assert connector.verify(info) == "crc64"
    assert {record.method for record in server.log()} == {"GET"}
    store.put("verified", b"new" * 100_000)
    with pytest.raises(ObjectChangedError):
        connector.verify(info)
    assert connector.verify(info.uri) == "crc64"


def test_wrong_object(make_connector, store, server):
    server.local.put_object(store.bucket, "wrong", b"wrong" * 100_000, crc64=12345)
    connector = make_connector()
    with pytest.raises(ChecksumError, match="12345") as caught:
        connector.verify(store.uri("wrong"))
    assert caught.value.uri == store.uri("wrong")
    # Once more, for it may have been the way.
    assert connector.stats().bytes_received == 2 * 500_000


@pytest.mark.parametrize("index", [0, 7, 15])
def test_byte_that_is_wrong_once_on_its_way(faults, connect, index):
    flipped = []

    def script(request, reply):
        if request.method == "GET" and request.begin == index * CHUNK and not flipped:
            flipped.append(request)
            flip(reply)

    faults.script = script
    assert connect().verify(URI) == "crc64"
    assert len([request for request in faults.requests if request.method == "GET"]) == 32


@pytest.mark.parametrize("index", [0, 7, 15])
def test_byte_that_is_always_wrong(faults, connect, index):
    def script(request, reply):
        if request.begin == index * CHUNK and request.method == "GET":
            flip(reply)

    faults.script = script
    connector = connect()
    with pytest.raises(ChecksumError):
        connector.verify(URI)
    assert connector.stats().memory_bytes == 0


def test_object_without_a_crc(make_connector, store, server):
    server.local.put_object(store.bucket, "without", b"data" * 100_000, crc64=False)
    connector = make_connector()
    assert connector.verify(store.uri("without")) == "length+etag"
    assert connector.stats().bytes_received == 400_000


def test_crc_that_is_switched_off(make_connector, store):
    connector = make_connector(config={"verify.crc64": False})
    assert connector.verify(store.uri("text.txt")) == "length+etag"


def test_empty_object_says_what_a_whole_read_of_it_says(make_connector, store):
    connector = make_connector()
    with connector.open(store.uri("empty")) as reader:
        reader.read()
        assert connector.verify(store.uri("empty")) == reader.verified
    assert connector.verify(connector.stat(store.uri("empty"))) == reader.verified


def test_missing_object_and_bad_arguments(make_connector, store, server):
    connector = make_connector()
    with pytest.raises(ObjectNotFoundError):
        connector.verify(store.uri("not"))
    server.clear_log()
    for bad, error in ((b"oss://b/k", TypeError), (None, TypeError), ("k", ValueError)):
        with pytest.raises(error):
            connector.verify(bad)
    assert server.log() == []
    connector.close()
    with pytest.raises(ValueError, match="closed"):
        connector.verify(store.uri("text.txt"))


def test_large_object_takes_no_memory(make_connector, new_bucket):
    size = 300 * MiB
    new_bucket("verified").put("large", random.Random(1).randbytes(MiB) * (size // MiB))
    connector = make_connector(config={"prefetch.chunkBytes": 8 * MiB})

    def peak():
        # In a child: what others had before does not count.
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        outcome = connector.verify("oss://verified/large")
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        return [outcome, grown, connector.stats().memory_peak_bytes]

    outcome, grown, taken = in_child(peak)
    assert outcome == "crc64"
    assert taken == 0
    assert grown * 1024 < 64 * MiB


def test_child_of_a_fork(make_connector, store):
    connector = make_connector()
    connector.verify(store.uri("text.txt"))
    assert in_child(lambda: connector.verify(store.uri("large.bin"))) == "crc64"
