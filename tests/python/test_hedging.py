"""Second requests for the slowest chunks: on a fresh connection, two in a hundred at most."""

from __future__ import annotations

import random
import threading
import time

import pytest
from support.fault_server import FaultServer
from support.tries import HANG_SECONDS, once

CHUNK = 64 << 10
CHUNKS = 200
URI = "oss://hedge-1/object"
DELAY = 60.0  # seconds; timeout.stallSeconds is 15


@pytest.fixture
def slow():
    """A server, and the begins of chunks whose next reply is late."""
    late = set()
    data = random.Random(11).randbytes(CHUNK * CHUNKS - 1000)

    def script(request, reply):
        if request.begin in late:
            late.remove(request.begin)
            reply.delay = DELAY

    with FaultServer(data=data) as server:
        server.script = script
        yield server, late


def test_late_chunk_is_overtaken_on_a_fresh_connection(slow, make_connector):
    server, late = slow

    def overtake():
        server.requests.clear()
        late.add(150 * CHUNK)
        connector = make_connector(endpoint=server.endpoint)
        begin = time.monotonic()
        with connector.open(URI) as reader:
            assert reader.read() == server.data
            assert reader.verified == "crc64"
        assert time.monotonic() - begin < DELAY / 2
        stats = connector.stats()
        connector.close()
        assert connector.stats().memory_bytes == 0
        if stats.hedges != 1 or stats.retries > 0:
            return False
        requests = [request for request in server.requests if request.begin == 150 * CHUNK]
        assert len(requests) == 2
        of_connection = [r for r in server.requests if r.connection == requests[1].connection]
        return of_connection[0] is requests[1]

    once(overtake, because="others that are late take what there is for second requests")


def test_two_in_a_hundred_requests_at_most(slow, make_connector):
    server, late = slow

    def read():
        # More than may be: what is not hedged is aborted as stalled, and asked for again.
        late.update(index * CHUNK for index in range(100, 160, 4))
        connector = make_connector(endpoint=server.endpoint, config={"timeout.stallSeconds": 2})
        with connector.open(URI) as reader:
            assert reader.read() == server.data
        stats = connector.stats()
        assert stats.hedges <= stats.requests / 50
        assert stats.retries > 0
        return stats.hedges > 0

    once(read, because="there are none where the other requests take half of stallSeconds")


def test_few_requests_are_not_hedged(slow, make_connector):
    server, late = slow
    late.add(3 * CHUNK)
    connector = make_connector(endpoint=server.endpoint, config={"timeout.stallSeconds": 1})
    with connector.open(URI) as reader:
        reader.seek(0)
        assert reader.read(10 * CHUNK) == server.data[: 10 * CHUNK]
    assert connector.stats().hedges <= connector.stats().requests / 50


def test_close_with_a_second_request_in_flight(slow, make_connector):
    server, _ = slow

    def close():
        stuck = threading.Event()
        server.requests.clear()

        def script(request, reply):
            if request.begin == 150 * CHUNK:
                reply.delay = DELAY
                if sum(r.begin == request.begin for r in server.requests) == 2:
                    stuck.set()

        server.script = script
        connector = make_connector(endpoint=server.endpoint)
        reader = connector.open(URI)
        failures = []

        def read():
            try:
                reader.read()
            except ValueError as error:
                failures.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        assert stuck.wait(HANG_SECONDS)
        begin = time.monotonic()
        connector.close()
        thread.join(DELAY / 2)
        seconds = time.monotonic() - begin
        assert len(failures) == 1
        stats = connector.stats()
        assert stats.memory_bytes == 0
        assert stats.connections == 0
        return stats.hedges == 1 and stats.retries == 0 and seconds < 1

    once(close, because="others may be late and asked for again, and work may end after its second")
