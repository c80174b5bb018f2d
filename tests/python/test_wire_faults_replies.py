"""Replies that say no: asked to slow down, a gateway that fails, what is refused for good.

Their numbers are those of the faults in docs/reliability.md.
"""

from __future__ import annotations

import random
import threading
import time

import pytest
from ossmodelconnector import (
    AccessDeniedError,
    ObjectArchivedError,
    ObjectChangedError,
    ObjectNotFoundError,
    ServerError,
    ThrottledError,
)
from support.faults import CHUNK, MAX_ATTEMPTS, URI, Once, always, fail, refuse, requests_of_chunk
from support.tries import HANG_SECONDS

# With the retries fewer than 50 requests, which is when slow ones begin to be asked for again.
CHUNKS = 28
BURST = 20
AT_ONCE = 16 + 8  # where "auto" starts, and more for what a read waits for
# What a retry costs, and what a connector has for all of its retries (csrc/fetch/retry.h).
MAX_THROTTLED_RETRIES = 500 // 5


@pytest.mark.fault(
    13,
    "a burst of 503, with and without Retry-After",
    "right bytes; a longer back-off, fewer connections; Retry-After is obeyed, within bounds",
    "1 retry for each 503",
    also=["tests/csrc/prefetch/concurrency_test.cc"],
)
@pytest.mark.parametrize("headers", [{}, {"Retry_After": "3600"}], ids=["plain", "Retry-After"])
def test_fault_13_a_burst_of_503(faults, connect, headers):
    faults.put(random.Random(12).randbytes(CHUNKS * CHUNK))
    all_there = threading.Event()
    slow_down = Once(
        range(8 * CHUNK, (8 + BURST) * CHUNK, CHUNK),
        lambda reply: refuse(reply, 503, "SlowDown", **headers),
    )

    def script(request, reply):
        reply.delay = 0.1  # so that requests overlap as far as they may
        if request.begin > 0:
            reply.hold = all_there
        if request.in_flight == AT_ONCE:
            all_there.set()
        slow_down(request, reply)

    faults.script = script
    connector = connect({"timeout.readSeconds": 10})
    begin = time.monotonic()
    with connector.open(URI) as reader:
        assert reader.read() == faults.data
    assert time.monotonic() - begin < HANG_SECONDS
    stats = connector.stats()
    assert (stats.throttles, stats.retries) == (BURST, BURST)
    assert len(faults.requests) == CHUNKS + BURST
    assert all(len(requests_of_chunk(faults, index)) <= 2 for index in range(CHUNKS))
    # Twenty waits of up to a second; after a failure of another kind they are below 0.2 s.
    pairs = [requests_of_chunk(faults, 8 + index) for index in range(BURST)]
    waits = [second.time - first.time for first, second in pairs]
    assert max(waits) > 0.3
    if headers:
        assert min(waits) > 1

    before = max(request.in_flight for request in faults.requests)
    faults.requests.clear()
    with connector.open(URI) as reader:
        assert reader.read() == faults.data
    assert max(request.in_flight for request in faults.requests) < before


@pytest.mark.fault(
    14,
    "503 for ever, 200 chunks queued",
    "`ThrottledError`; the connector's quota ends retries",
    "100 retries in all",
    also=["tests/csrc/fetch/retry_test.cc"],
)
def test_fault_14_503_for_ever(faults, connect):
    faults.put(random.Random(8).randbytes(200 * CHUNK))
    faults.script = always(lambda reply: refuse(reply, 503, "SlowDown"))
    connector = connect({"retry.maxAttempts": 100})
    begin = time.monotonic()
    with connector.open(URI) as reader:
        with pytest.raises(ThrottledError) as caught:
            reader.read()
        assert time.monotonic() - begin < HANG_SECONDS
        assert caught.value.status == 503
        assert caught.value.code == "SlowDown"
        assert "quota" in str(caught.value)
        assert connector.stats().retries <= MAX_THROTTLED_RETRIES
        # Each chunk once, the retries, and after a pause one chunk that had given up: on a slow
        # machine the first pauses end before the read has its error.
        assert len(faults.requests) <= 200 + MAX_THROTTLED_RETRIES + 3


HTML = (
    "<html><head><title>502 Bad Gateway</title><script>1 < 2</script></head>\r\n\x1b[31m<body>"
    + "<p>The gateway is down.</p>\n" * 5_000
).encode()
LONGEST_EXCERPT = 512


@pytest.mark.fault(
    15,
    "500, 502, 504 with HTML",
    "right bytes after a retry; else `ServerError` with clean text",
    "`retry.maxAttempts` requests, 512 bytes of the page",
    also=["tests/csrc/protocol/error_document_test.cc"],
)
@pytest.mark.parametrize("status", [500, 502, 504])
def test_fault_15_a_gateway_that_fails(faults, connect, status):
    connector = connect()
    faults.script = Once([5 * CHUNK], lambda reply: fail(reply, status, HTML))
    with connector.open(URI) as reader:
        assert reader.read() == faults.data
    assert len(requests_of_chunk(faults, 5)) == 2

    faults.requests.clear()
    faults.script = lambda request, reply: fail(reply, status, HTML)
    with pytest.raises(ServerError) as caught:
        connector.open(URI)
    assert caught.value.status == status
    assert len(faults.requests) == caught.value.attempts == MAX_ATTEMPTS
    text = str(caught.value)
    assert "The gateway is down." in text
    assert text.isprintable()
    assert "<" not in text
    excerpt = text.partition('the reply says "')[2].rpartition('"')[0]
    assert 0 < len(excerpt.encode()) <= LONGEST_EXCERPT


@pytest.mark.fault(
    16,
    "a permanent 4xx: no permission, not there, archived, 416",
    "its own error",
    "1 request",
    also=["tests/python/test_errors.py"],
)
@pytest.mark.parametrize(
    ("status", "code", "expected", "builtin"),
    [
        (403, "AccessDenied", AccessDeniedError, PermissionError),
        (403, "InvalidObjectState", ObjectArchivedError, OSError),
        (404, "NoSuchKey", ObjectNotFoundError, FileNotFoundError),
        (416, "InvalidRange", ObjectChangedError, OSError),
    ],
)
def test_fault_16_refused_for_good(faults, connect, status, code, expected, builtin):
    # In the middle of an object, where it was not asked for ahead of its time: the budget is small.
    connector = connect({"prefetch.memoryBytes": 4 * CHUNK})
    with connector.open(URI) as reader:
        assert reader.read(1) == faults.data[:1]
        faults.script = always(lambda reply: refuse(reply, status, code))
        with pytest.raises(expected) as caught:
            reader.read_at(7 * CHUNK, bytearray(CHUNK))
    assert isinstance(caught.value, builtin)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert len(requests_of_chunk(faults, 7)) == caught.value.attempts == 1
    assert connector.stats().retries == 0
    if status == 416:
        return  # at its beginning it means an empty object
    faults.requests.clear()
    faults.script = lambda request, reply: refuse(reply, status, code)
    with pytest.raises(expected):
        connector.open(URI)
    assert len(requests_of_chunk(faults, 0)) == 1
