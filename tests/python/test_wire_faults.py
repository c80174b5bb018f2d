"""Faults on the wire, each a script of a server that lies: right bytes, or a typed error in time.

Their numbers are those of the faults in docs/reliability.md.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from ossmodelconnector import (
    ChecksumError,
    ConnectError,
    ObjectChangedError,
    OssError,
    ProtocolError,
    TransferTimeoutError,
)
from support.fault_server import ETAG, FaultServer
from support.faults import (
    CHUNK,
    CONFIG,
    IMPATIENT,
    MAX_ATTEMPTS,
    URI,
    Once,
    always,
    break_off,
    flip,
    huge_head,
    lengthen,
    multipart,
    refuse,
    requests_of_chunk,
    set_header,
    shorten,
    stall_before,
    stall_within,
    trickle,
    whole_object,
    without_last_chunk,
)
from support.ports import refusing_port
from support.tries import HANG_SECONDS, once, once_within, wait_until


def read_whole(connector, faults):
    with connector.open(URI) as reader:
        assert reader.read() == faults.data


@pytest.mark.fault(
    1,
    "connection refused",
    "`ConnectError` that names the host",
    "`retry.maxAttempts` attempts",
)
def test_fault_01_connect_refused(connect):
    def fail():
        connector = connect(endpoint=f"http://127.0.0.1:{port}")
        begin = time.monotonic()
        with pytest.raises(ConnectError) as caught:
            connector.open(URI)
        assert caught.value.attempts == MAX_ATTEMPTS
        assert "127.0.0.1" in str(caught.value)
        assert str(port) in str(caught.value)
        return time.monotonic() - begin

    with refusing_port() as port:
        once_within(6, fail, because="what is refused is not waited for, but for two back-offs")


@pytest.mark.fault(
    2,
    "reset in the reply, at any byte",
    "right bytes; resumed exactly there, with If-Match",
    "1 request more",
)
@pytest.mark.fault(4, "the connection ends early", "right bytes; resumed", "1 request more")
@pytest.mark.parametrize("end", ["reset", "close"])
@pytest.mark.parametrize("k", [0, 1, CHUNK // 2, CHUNK - 1])
def test_fault_02_and_04_a_reply_that_breaks_off_is_resumed_where_it_did(faults, connect, k, end):
    faults.script = Once([3 * CHUNK], lambda reply: break_off(reply, k, end))
    read_whole(connect(), faults)
    first, second = requests_of_chunk(faults, 3)
    assert (first.begin, second.begin) == (3 * CHUNK, 3 * CHUNK + k)
    assert second.headers["if-match"] == ETAG


@pytest.mark.fault(3, "all bytes, then a dirty end", "right bytes", "no request more")
def test_fault_03_all_bytes_and_a_dirty_end(faults, connect):
    faults.script = Once([CHUNK, 5 * CHUNK], without_last_chunk)
    read_whole(connect(), faults)
    assert len(requests_of_chunk(faults, 1)) == len(requests_of_chunk(faults, 5)) == 1


@pytest.mark.fault(5, "Content-Length below the range", "right bytes; resumed", "1 request more")
def test_fault_05_a_length_below_the_range_is_resumed(faults, connect):
    faults.script = Once([2 * CHUNK], shorten)
    read_whole(connect(), faults)
    assert len(requests_of_chunk(faults, 2)) == 2


OVERLONG = pytest.mark.fault(
    6,
    "a body longer than the range",
    "`ProtocolError`; nothing of it is written",
    "`retry.maxAttempts` requests",
)
WHOLE = pytest.mark.fault(
    7, "200 with the whole object for a range", "`ProtocolError` at the head", "2 requests"
)
RANGE = pytest.mark.fault(
    8,
    "Content-Range shifted, larger, missing, beyond 2^63",
    "`ProtocolError`; no byte of it is used",
    "`retry.maxAttempts` requests",
)
HEAD = pytest.mark.fault(
    9,
    "multipart, huge heads",
    "an error; heads are bounded",
    "`retry.maxAttempts` requests",
    also=["tests/csrc/transfer/head_collector_test.cc"],
)


# For so much memory chunk 7 is not asked for ahead of the read that needs it: its requests are that
# read's alone.
LITTLE_MEMORY = {"prefetch.memoryBytes": 4 * CHUNK}


def for_chunk_7(change):
    def script(request, reply):
        if 7 * CHUNK <= request.begin < 8 * CHUNK:
            change(reply)

    return script


def breach(fault, name, change, most=MAX_ATTEMPTS):
    return pytest.param(change, most, marks=fault, id=name)


@pytest.mark.parametrize(
    ("change", "most"),
    [
        breach(OVERLONG, "overlong body", lengthen),
        breach(WHOLE, "200 for a range", whole_object, 1),
        breach(RANGE, "shifted", set_header("Content-Range", "bytes 1-65536/1048576")),
        breach(RANGE, "superset", set_header("Content-Range", "bytes 0-1048575/1048576")),
        breach(
            RANGE,
            "beyond 2^63",
            set_header("Content-Range", "bytes 0-65535/18446744073709551616"),
        ),
        breach(RANGE, "malformed", set_header("Content-Range", "bytes */*")),
        breach(RANGE, "missing", lambda reply: reply.headers.pop("Content-Range")),
        breach(HEAD, "multipart", multipart),
    ],
)
def test_faults_06_to_09_a_reply_that_breaks_the_rules_is_an_error(faults, connect, change, most):
    faults.script = for_chunk_7(change)
    connector = connect(LITTLE_MEMORY)
    reader = connector.open(URI)
    buffer = bytearray(b"-" * CHUNK)
    with pytest.raises(ProtocolError) as caught:
        reader.read_at(7 * CHUNK, buffer)
    assert buffer == b"-" * CHUNK
    assert len(requests_of_chunk(faults, 7)) == caught.value.attempts <= most
    assert connector.stats().bytes_received < 64 << 20
    faults.script = None
    assert reader.read() == faults.data


@pytest.mark.fault(8)
def test_fault_08_another_size_is_another_object(faults, connect):
    faults.script = always(set_header("Content-Range", f"bytes {CHUNK}-{2 * CHUNK - 1}/1048577"))
    with pytest.raises((ProtocolError, ObjectChangedError)):
        connect().open(URI).read_at(CHUNK, bytearray(CHUNK))


@pytest.mark.fault(9)
def test_fault_09_a_huge_head_is_an_error(faults, connect):
    faults.script = for_chunk_7(huge_head)
    with pytest.raises(OssError):
        connect(LITTLE_MEMORY).open(URI).read_at(7 * CHUNK, bytearray(CHUNK))
    assert len(requests_of_chunk(faults, 7)) <= MAX_ATTEMPTS


STALL = pytest.mark.fault(
    10,
    "a stall before the head or in the body",
    "right bytes",
    "`timeout.stallSeconds` and a back-off; 1 request more",
)
TRICKLE = pytest.mark.fault(
    11,
    "a trickle, once or for ever",
    "right bytes, or `TransferTimeoutError`",
    "`timeout.stallSeconds` and a back-off, or `timeout.readSeconds`",
)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(stall_before, marks=STALL),
        pytest.param(stall_within, marks=STALL),
        pytest.param(trickle, marks=TRICKLE),
    ],
    ids=lambda change: change.__name__,
)
def test_faults_10_and_11_a_stall_is_left_and_resumed(faults, connect, change):
    def read():
        faults.requests.clear()
        faults.script = Once([6 * CHUNK], change)
        connector = connect(IMPATIENT)
        begin = time.monotonic()
        read_whole(connector, faults)
        seconds = time.monotonic() - begin
        assert seconds < HANG_SECONDS
        assert 2 <= len(requests_of_chunk(faults, 6)) <= 1 + connector.stats().retries
        return len(requests_of_chunk(faults, 6)) == 2 and seconds < 5

    once(read, because="a busy machine stalls others for timeout.stallSeconds too")


@pytest.mark.fault(11)
def test_fault_11_a_trickle_for_ever_is_a_timeout(faults, connect):
    faults.script = always(trickle)

    def fail():
        reader = connect(IMPATIENT).open(URI)
        begin = time.monotonic()
        with pytest.raises(TransferTimeoutError):
            reader.read()
        seconds = time.monotonic() - begin
        assert reader.tell() == 0
        return seconds

    once_within(6, fail, because="its bound is three times timeout.stallSeconds, and back-offs")


@pytest.mark.fault(
    12,
    "the reader sleeps longer than connections live",
    "right bytes on new ones",
    "memory stays within the budget",
)
def test_fault_12_a_slow_reader_outlives_its_connections(faults, connect):
    faults.idle_seconds = 0.5
    connector = connect({"prefetch.memoryBytes": 4 * CHUNK})
    with connector.open(URI) as reader:
        assert reader.read(CHUNK) == faults.data[:CHUNK]
        time.sleep(2)
        assert connector.stats().memory_bytes <= 4 * CHUNK
        assert reader.read() == faults.data[CHUNK:]
    assert len({request.connection for request in faults.requests}) > 1


def overwritten(request, reply):
    if request.headers.get("if-match") == ETAG:
        refuse(reply, 412, "PreconditionFailed")


# A chunk that was refused when nobody waited for it is asked for again by the read that needs it.
def check_asked_once(faults, connector):
    assert all(len(requests_of_chunk(faults, index)) <= 2 for index in range(16))
    assert len(requests_of_chunk(faults, 0)) == 1
    assert connector.stats().retries == 0


@pytest.mark.fault(
    17,
    "overwritten meanwhile: 412",
    "`ObjectChangedError`; no mixed bytes",
    "no retry: 1 request a chunk ahead of readers, 1 for a read",
)
def test_fault_17_overwritten_while_it_is_read(faults, connect):
    faults.script = overwritten
    connector = connect()
    reader = connector.open(URI)
    with pytest.raises(ObjectChangedError):
        reader.read()
    check_asked_once(faults, connector)


@pytest.mark.fault(17)
def test_fault_17_what_was_refused_ahead_of_a_read_is_asked_for_by_it(faults, connect, tmp_path):
    second_may_come = threading.Event()

    def script(request, reply):
        overwritten(request, reply)
        if request.begin == 2 * CHUNK:
            reply.hold = second_may_come

    def is_refused(index):
        line = f" {index * CHUNK}-{(index + 1) * CHUNK - 1} 412 "
        return line in (tmp_path / "audit.log").read_text()

    faults.script = script
    connector = connect()
    reader = connector.open(URI)
    # One I/O thread sees both, so with the second one's it is done with the first one's.
    wait_until(lambda: is_refused(1))
    second_may_come.set()
    wait_until(lambda: is_refused(2))
    with pytest.raises(ObjectChangedError):
        reader.read()
    check_asked_once(faults, connector)
    assert len(requests_of_chunk(faults, 1)) == 2


@pytest.mark.fault(
    18,
    "overwritten, and If-Match ignored",
    "`ObjectChangedError` with both ETags",
    "no retry: 1 request a chunk ahead of readers, 1 for a read",
)
def test_fault_18_overwritten_and_if_match_is_ignored(faults, connect):
    other = '"00000000000000000000000000000000"'
    faults.script = always(set_header("ETag", other))
    connector = connect()
    reader = connector.open(URI)
    with pytest.raises(ObjectChangedError) as caught:
        reader.read()
    assert ETAG.strip('"') in str(caught.value)
    assert other.strip('"') in str(caught.value)
    check_asked_once(faults, connector)


@pytest.mark.fault(
    19,
    "a bit flipped in a chunk",
    "`ChecksumError` before the end",
    "2 requests a chunk",
)
@pytest.mark.parametrize("index", [0, 7, 15])
def test_fault_19_a_flipped_bit_is_found_before_the_end(faults, connect, index):
    def flip_chunk(request, reply):
        if request.begin == index * CHUNK:
            flip(reply)

    faults.script = flip_chunk

    def read_in_pieces(reader):
        while reader.read(10_000):
            pass

    connector = connect()
    with connector.open(URI) as reader, pytest.raises(ChecksumError) as caught:
        read_in_pieces(reader)
    assert URI in str(caught.value)
    # A busy machine may stall a reply for longer than this configuration bears.
    assert len(faults.requests) <= 2 * 16 + connector.stats().retries


@pytest.mark.fault(
    25,
    "a redirect",
    "not followed; `ProtocolError` that names the target",
    "1 request, none to the target",
)
@pytest.mark.parametrize("status", [301, 302, 307])
def test_fault_25_a_redirect_is_not_followed(faults, connect, status):
    with FaultServer() as elsewhere:

        def redirect(request, reply):
            reply.status, reply.body = status, b""
            reply.headers = {"Content-Length": "0", "Location": elsewhere.endpoint + "/x"}

        faults.script = redirect
        with pytest.raises(ProtocolError) as caught:
            connect().open(URI)
        assert elsewhere.endpoint in str(caught.value)
        assert elsewhere.requests == []


def test_descriptors_and_threads_come_back_while_the_server_stays(faults, make_connector):
    def grown():
        now = [len(list(Path("/proc/self", what).iterdir())) for what in ("fd", "task")]
        return [after - before for after, before in zip(now, before)]

    def load():
        faults.script = Once(
            range(0, 1 << 20, 3 * CHUNK), lambda reply: break_off(reply, 100, "reset")
        )
        with make_connector(endpoint=faults.endpoint, config=CONFIG) as connector:
            read_whole(connector, faults)
        make_connector.forget(connector)

    before = [0, 0]
    load()
    before = grown()
    for _ in range(5):
        load()
    wait_until(lambda: max(grown()) <= 0)
