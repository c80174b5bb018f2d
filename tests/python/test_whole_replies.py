"""Stores that answer a range by 200: right where the range is the whole object, be it empty.

An empty object is answered by 416 elsewhere. Both fault servers do either, as their seeds have it.
"""

from __future__ import annotations

import random

import pytest
from long.clients import connect as connect_to
from long.clients import uri_of
from support.faults import URI
from support.random_fault_server import (
    EMPTY_BY_200,
    EMPTY_BY_416,
    WHOLE_BY_200,
    RandomFaultServer,
)
from support.random_faults import KiB, contents

CHUNK = 64 * KiB
BIG = 200 * CHUNK


def test_memory_was_taken_from_empty_objects_that_were_gone():
    # The first chunk of an empty object that was answered by 200 stayed in the list of what may be
    # evicted: a crash, or a hang, when memory was wanted.
    with (
        RandomFaultServer() as server,
        connect_to(server.endpoint, prefetch__memoryBytes=8 * CHUNK) as connector,
        connector.open(uri_of("right", 0, BIG)) as big,
    ):
        buffer, others, chance = bytearray(CHUNK), [], random.Random(7)
        for seed in range(300):
            with connector.open(uri_of("right", seed, 0)) as empty:
                assert empty.read() == b""
            del empty
            # Others use the memory where it was.
            others[:] = [b"\xff" * chance.randrange(300, 1000) for _ in range(50)]
            offset = seed * 7 % 199 * CHUNK
            assert big.read_at(offset, buffer) == CHUNK
            assert buffer == contents(0, BIG)[offset : offset + CHUNK]
        counts = server.counts()
    assert counts[EMPTY_BY_200] > 100
    assert counts[EMPTY_BY_416] > 100


@pytest.mark.parametrize("size", [1, 1000, CHUNK])
def test_whole_objects(size):
    with RandomFaultServer() as server, connect_to(server.endpoint) as connector:
        for seed in range(30):
            with connector.open(uri_of("right", seed, size)) as reader:
                assert reader.read() == contents(seed, size)
        whole = server.counts()[WHOLE_BY_200]
    # One that is as long as what was asked for may be a part: it is asked for once more.
    assert 5 < whole < (25 if size < 64 * KiB else 40)


@pytest.mark.parametrize("data", [b"", b"x", bytes(1000)])
def test_of_the_server_with_scripts(faults, connect, data):
    faults.put(data)
    connector = connect()
    statuses = set()
    faults.script = lambda request, reply: statuses.add((request.method, reply.status))
    for _ in range(20):
        with connector.open(URI) as reader:
            assert reader.read() == data
    assert statuses == (
        {("GET", 200), ("GET", 206)} if data else {("GET", 200), ("GET", 416), ("HEAD", 200)}
    )
