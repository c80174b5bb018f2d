"""The faults on the wire, met by reads that receive in their caller's memory.

Their numbers are those of the faults in docs/reliability.md.
"""

from __future__ import annotations

import threading
import time

import pytest
from ossmodelconnector import (
    AccessDeniedError,
    ChecksumError,
    ObjectArchivedError,
    ObjectChangedError,
    ObjectNotFoundError,
    OssError,
    ProtocolError,
    ServerError,
    ThrottledError,
    TransferTimeoutError,
)
from support.fault_server import ETAG
from support.faults import (
    CHUNK,
    IMPATIENT,
    MAX_ATTEMPTS,
    URI,
    Once,
    always,
    break_off,
    fail,
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
from support.tries import HANG_SECONDS, once, once_within, wait_until

CHUNKS = 16
# What each of the reads below asks for.
PLACE = 7
BEGIN = PLACE * CHUNK


def whole(connector, faults):
    """All of the object into one buffer."""
    buffer = bytearray(len(faults.data))
    with connector.open(URI, prefetch=False) as reader:
        try:
            assert reader.readinto(buffer) == len(buffer)
        except OssError:
            assert reader.tell() == 0
            assert reader.verified == "length+etag"
            raise
        assert buffer == faults.data
        assert reader.verified == "crc64"


def place(connector, faults):
    """A part of it, where nobody has read."""
    buffer = bytearray(CHUNK)
    with connector.open(URI, prefetch=False) as reader:
        assert reader.read_at(BEGIN, buffer) == CHUNK
    assert buffer == faults.data[BEGIN : BEGIN + CHUNK]


def ranges(connector, faults):
    """The same part and two others of the connector, without a reader."""
    wanted = [(BEGIN, CHUNK), (CHUNK + 5, 10), (12 * CHUNK, 3)]
    got = connector.read_ranges([(URI, offset, length) for offset, length in wanted])
    assert got == [faults.data[offset : offset + length] for offset, length in wanted]


@pytest.fixture(params=[whole, place, ranges], ids=lambda read: read.__name__)
def read(request):
    return request.param


def check_nothing_is_kept(connector):
    stats = connector.stats()
    assert (stats.memory_bytes, stats.memory_peak_bytes) == (0, 0)


def gets(faults):
    return [request for request in faults.requests if request.method == "GET"]


@pytest.mark.fault(2)
@pytest.mark.fault(4)
@pytest.mark.parametrize("end", ["reset", "close"])
@pytest.mark.parametrize("k", [0, 1, CHUNK - 1])
def test_a_reply_that_breaks_off_is_resumed_where_it_did(faults, connect, read, k, end):
    faults.script = Once([BEGIN], lambda reply: break_off(reply, k, end))
    connector = connect()
    read(connector, faults)
    first, second = requests_of_chunk(faults, PLACE)
    assert (first.begin, second.begin) == (BEGIN, BEGIN + k)
    assert second.headers["if-match"] == ETAG
    check_nothing_is_kept(connector)


@pytest.mark.fault(3)
def test_all_bytes_and_a_dirty_end(faults, connect, read):
    faults.script = Once([BEGIN], without_last_chunk)
    read(connect(), faults)
    assert len(requests_of_chunk(faults, PLACE)) == 1


@pytest.mark.fault(5)
def test_a_length_below_the_range_is_resumed(faults, connect, read):
    faults.script = Once([BEGIN], shorten)
    read(connect(), faults)
    assert len(requests_of_chunk(faults, PLACE)) == 2


OVERLONG = pytest.mark.fault(6)
WHOLE = pytest.mark.fault(7)
RANGE = pytest.mark.fault(8)
HEAD = pytest.mark.fault(9)


def breach(fault, name, change, most=MAX_ATTEMPTS, error=ProtocolError):
    return pytest.param(change, most, error, marks=fault, id=name)


@pytest.mark.parametrize(
    ("change", "most", "error"),
    [
        breach(OVERLONG, "overlong body", lengthen),
        breach(WHOLE, "200 for a range", whole_object, 1),
        breach(RANGE, "shifted", set_header("Content-Range", "bytes 1-65536/1048576")),
        breach(RANGE, "superset", set_header("Content-Range", "bytes 0-1048575/1048576")),
        breach(
            RANGE, "beyond 2^63", set_header("Content-Range", "bytes 0-65535/18446744073709551616")
        ),
        breach(RANGE, "malformed", set_header("Content-Range", "bytes */*")),
        breach(RANGE, "missing", lambda reply: reply.headers.pop("Content-Range")),
        breach(HEAD, "multipart", multipart),
        breach(HEAD, "huge head", huge_head, error=OssError),
    ],
)
def test_replies_that_break_the_rules(faults, connect, read, change, most, error):
    def script(request, reply):
        if request.method == "GET" and BEGIN <= request.begin < BEGIN + CHUNK:
            change(reply)

    faults.script = script
    connector = connect()
    with pytest.raises(error):
        read(connector, faults)
    assert 1 <= len(requests_of_chunk(faults, PLACE)) <= most
    check_nothing_is_kept(connector)
    faults.script = None
    read(connector, faults)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(stall_before, marks=pytest.mark.fault(10)),
        pytest.param(stall_within, marks=pytest.mark.fault(10)),
        pytest.param(trickle, marks=pytest.mark.fault(11)),
    ],
    ids=lambda change: change.__name__,
)
def test_a_stall_is_left_and_resumed(faults, connect, read, change):
    def try_it():
        faults.requests.clear()
        faults.script = Once([BEGIN], change)
        connector = connect(IMPATIENT)
        begin = time.monotonic()
        read(connector, faults)
        seconds = time.monotonic() - begin
        assert seconds < HANG_SECONDS
        asked = len(requests_of_chunk(faults, PLACE))
        assert 2 <= asked <= 1 + connector.stats().retries
        return asked == 2 and seconds < 5

    once(try_it, because="a busy machine stalls others for timeout.stallSeconds too")


@pytest.mark.fault(11)
def test_a_trickle_for_ever_is_a_timeout(faults, connect, read):
    faults.script = always(trickle)

    def fail_in_time():
        begin = time.monotonic()
        with pytest.raises(TransferTimeoutError):
            read(connect(IMPATIENT), faults)
        return time.monotonic() - begin

    once_within(6, fail_in_time, because="three times timeout.stallSeconds, and back-offs")


@pytest.mark.fault(12)
def test_what_is_read_after_connections_have_ended_comes_on_new_ones(faults, connect):
    faults.idle_seconds = 0.3
    with connect().open(URI, prefetch=False) as reader:
        for at in (BEGIN, 3 * CHUNK):
            buffer = bytearray(100)
            reader.read_at(at, buffer)
            assert buffer == faults.data[at : at + 100]
            time.sleep(0.6)
        assert reader.read() == faults.data
    assert len({request.connection for request in gets(faults)}) > 2


@pytest.mark.fault(13)
def test_a_burst_of_503(faults, connect, read):
    faults.script = Once(
        range(CHUNK, CHUNKS * CHUNK, CHUNK), lambda reply: refuse(reply, 503, "SlowDown")
    )
    connector = connect()
    read(connector, faults)
    stats = connector.stats()
    throttled = {whole: CHUNKS - 1, place: 1, ranges: 2}[read]
    assert (stats.throttles, stats.retries) == (throttled, throttled)


@pytest.mark.fault(14)
def test_503_for_ever(faults, connect, read):
    faults.script = always(lambda reply: refuse(reply, 503, "SlowDown"))
    connector = connect()
    with pytest.raises(ThrottledError) as caught:
        read(connector, faults)
    assert (caught.value.status, caught.value.code) == (503, "SlowDown")
    assert len(gets(faults)) <= CHUNKS * MAX_ATTEMPTS


@pytest.mark.fault(15)
@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_gateway_that_fails(faults, connect, read, status):
    html = b"<html><body>The gateway is down.</body></html>"
    connector = connect()
    faults.script = Once([BEGIN], lambda reply: fail(reply, status, html))
    read(connector, faults)
    assert len(requests_of_chunk(faults, PLACE)) == 2
    faults.script = always(lambda reply: fail(reply, status, html))
    faults.requests.clear()
    with pytest.raises(ServerError, match="The gateway is down") as caught:
        read(connector, faults)
    assert caught.value.status == status
    assert len(requests_of_chunk(faults, PLACE)) <= MAX_ATTEMPTS


@pytest.mark.fault(16)
@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AccessDenied", AccessDeniedError),
        (403, "InvalidObjectState", ObjectArchivedError),
        (404, "NoSuchKey", ObjectNotFoundError),
        (416, "InvalidRange", ObjectChangedError),
    ],
)
def test_refused_for_good(faults, connect, read, status, code, expected):
    faults.script = always(lambda reply: refuse(reply, status, code))
    connector = connect()
    with pytest.raises(expected) as caught:
        read(connector, faults)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert connector.stats().retries == 0
    assert len(requests_of_chunk(faults, PLACE)) <= 1


@pytest.mark.fault(17)
def test_overwritten_while_it_is_read(faults, connect, read):
    faults.script = always(lambda reply: refuse(reply, 412, "PreconditionFailed"))
    connector = connect()
    with pytest.raises(ObjectChangedError):
        read(connector, faults)
    assert connector.stats().retries == 0
    assert all(len(requests_of_chunk(faults, index)) <= 1 for index in range(1, CHUNKS))


@pytest.mark.fault(18)
def test_overwritten_and_if_match_is_ignored(faults, connect, read):
    other = '"00000000000000000000000000000000"'
    faults.script = always(set_header("ETag", other))
    connector = connect()
    with pytest.raises(ObjectChangedError) as caught:
        read(connector, faults)
    assert ETAG.strip('"') in str(caught.value)
    assert other.strip('"') in str(caught.value)
    assert connector.stats().retries == 0


@pytest.mark.fault(19)
@pytest.mark.parametrize("index", [1, 7, 15])
def test_a_flipped_bit_is_found(faults, connect, index):
    faults.script = Once([index * CHUNK], flip)
    whole(connect(), faults)
    assert len(requests_of_chunk(faults, index)) == 2
    faults.script = always(flip)
    with pytest.raises(ChecksumError):
        whole(connect(), faults)


@pytest.mark.fault(25)
@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_is_not_followed(faults, connect, read, status):
    def redirect(reply):
        reply.status, reply.body = status, b""
        reply.headers = {"Content-Length": "0", "Location": "http://127.0.0.1:1/x"}

    faults.script = always(redirect)
    with pytest.raises(ProtocolError, match=r"127\.0\.0\.1:1"):
        read(connect(), faults)
    assert len(requests_of_chunk(faults, PLACE)) <= 1


@pytest.mark.fault(27)
@pytest.mark.parametrize("what", ["connector", "reader"])
def test_close_with_16_parts_in_flight(faults, connect, what):
    def close():
        held = []

        def hold(request, reply):
            if request.method == "GET":
                reply.hold = threading.Event()
                held.append(request)

        faults.script = hold
        connector = connect({"timeout.stallSeconds": 60})
        reader = connector.open(URI, prefetch=False)
        buffer = bytearray(len(faults.data))
        outcomes = []

        def readinto():
            try:
                outcomes.append(reader.readinto(buffer))
            except ValueError as error:
                outcomes.append(error)

        thread = threading.Thread(target=readinto)
        thread.start()
        wait_until(lambda: len(held) >= CHUNKS)
        begin = time.monotonic()
        (connector if what == "connector" else reader).close()
        thread.join(HANG_SECONDS)
        seconds = time.monotonic() - begin
        assert [type(outcome) for outcome in outcomes] == [ValueError]
        assert not any(buffer)
        assert len(held) == CHUNKS
        return seconds

    once_within(1, close, because="the bound of fault 27 is 1 s; what is in flight never ends")
