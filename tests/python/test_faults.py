"""A server that fails: what is retried, and which error the rest becomes."""

from __future__ import annotations

import random
import threading

import pytest
from ossmodelconnector import (
    AccessDeniedError,
    ChecksumError,
    CredentialsError,
    ObjectArchivedError,
    OssError,
    ProtocolError,
    ServerError,
    ThrottledError,
)
from ossmodelconnector.local import Credential, LocalServer, Reply
from support.fault_server import FaultServer

KiB = 1 << 10
DATA = random.Random(2).randbytes(700_000)
CREDENTIAL = Credential("LTAI5tFaults", "canary-faults-secret")


@pytest.fixture(scope="module")
def local():
    with LocalServer(buckets=["faults"], credentials=[CREDENTIAL]) as local:
        local.put_object("faults", "key", DATA)
        yield local


@pytest.fixture
def connector(local, make_connector):
    """A connector that tries twice; the server behaves again after the test."""
    import oss2.credentials

    provider = oss2.credentials.StaticCredentialsProvider(
        CREDENTIAL.access_key_id, CREDENTIAL.access_key_secret
    )
    yield make_connector(
        endpoint=local.endpoint,
        cred_provider=provider,
        config={"retry.maxAttempts": 2},
    )
    local.on_request = None


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(500, "InternalError"), ServerError),
        (Reply(502, body=b"<html>bad gateway</html>"), ServerError),
        (Reply(503, "ServiceUnavailable"), ThrottledError),
        (Reply(429, "QpsLimitExceeded"), ThrottledError),
        (Reply(403, "AccessDenied"), AccessDeniedError),
        (Reply(403, "InvalidAccessKeyId"), CredentialsError),
        (Reply(403, "SecurityTokenExpired"), CredentialsError),
        (Reply(401, "Unauthorized"), CredentialsError),
        (Reply(403, "InvalidObjectState"), ObjectArchivedError),
        (Reply(400, "InvalidArgument"), OssError),
        (Reply(405, "MethodNotAllowed"), OssError),
        (Reply(302, headers={"Location": "http://127.0.0.1:1/"}), ProtocolError),
    ],
    ids=lambda value: getattr(value, "__name__", None) or f"{value.status} {value.code}",
)
def test_reply_that_is_an_error(local, connector, reply, expected):
    local.on_request = lambda record: reply
    for call in (
        lambda: connector.open("oss://faults/key"),
        lambda: connector.stat("oss://faults/key"),
        lambda: connector.list("faults"),
    ):
        local.reset_requests()
        with pytest.raises(OssError) as caught:
            call()
        error = caught.value
        assert type(error) is expected
        assert error.status == reply.status
        assert error.code == reply.code
        assert error.attempts == len(local.requests)
        assert str(reply.status) in str(error)
        assert reply.code in str(error)
        transient = expected in (ServerError, ThrottledError)
        credentials = expected is CredentialsError
        assert len(local.requests) <= (2 if transient or credentials else 1)
        assert len(local.requests) == 2 or not transient


@pytest.mark.parametrize("status", [500, 503])
def test_one_failure_is_retried(local, connector, status):
    failed = set()

    def fail_once(record):
        if record.range in failed:
            return None
        failed.add(record.range)
        return Reply(status, "InternalError" if status == 500 else "ServiceUnavailable")

    local.on_request = fail_once
    with connector.open("oss://faults/key") as reader:
        assert reader.read() == DATA
    assert connector.stats().retries == len(failed)


@pytest.mark.parametrize("cut_after", [0, 1, 30_000, 64 * KiB - 1])
def test_body_that_ends_early_is_resumed(local, connector, cut_after):
    cut = set()

    def cut_once(record):
        key = record.range.partition("-")[2]
        if key in cut:
            return None
        cut.add(key)
        return Reply(cut_after=cut_after)

    local.on_request = cut_once
    local.reset_requests()
    with connector.open("oss://faults/key") as reader:
        assert reader.read() == DATA
    # Each byte came once.
    assert sum(record.bytes_sent for record in local.requests) <= len(DATA) + 64 * KiB


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": "bytes 1-65536/700000"},
        {"Content-Range": ""},
        {"Content-Range": "bytes 0-65535"},
    ],
    ids=repr,
)
def test_reply_that_breaks_the_rules(local, connector, headers):
    def spoil(record):
        return None if record.range.startswith("bytes=0-") else Reply(headers=headers)

    local.on_request = spoil
    reader = connector.open("oss://faults/key")
    assert reader.read(1) == DATA[:1]
    with pytest.raises(ProtocolError):
        reader.read()
    local.on_request = None
    assert reader.tell() == 1
    assert reader.read() == DATA[1:]


def test_bytes_that_do_not_match_the_checksum(local, connector):
    local.put_object("faults", "flipped", DATA, crc64=12345)
    with connector.open("oss://faults/flipped") as reader:
        with pytest.raises(ChecksumError) as caught:
            reader.read()
        assert caught.value.uri == "oss://faults/flipped"
        assert "12345" in str(caught.value)
        assert reader.tell() == 0


def test_checksum_is_not_checked_where_it_is_switched_off_or_absent(
    local, connector, make_connector
):
    local.put_object("faults", "flipped", DATA, crc64=12345)
    local.put_object("faults", "without", DATA, crc64=False)
    with connector.open("oss://faults/without") as reader:
        assert reader.read() == DATA
    provider = connector._configuration.provider
    trusting = make_connector(
        endpoint=local.endpoint, cred_provider=provider, config={"verify": {"crc64": False}}
    )
    with trusting.open("oss://faults/flipped") as reader:
        assert reader.read() == DATA


def test_archived_object(local, connector):
    local.put_object("faults", "cold", DATA, storage_class="Archive")
    assert connector.stat("oss://faults/cold").storage_class == "Archive"
    with pytest.raises(ObjectArchivedError) as caught:
        connector.open("oss://faults/cold")
    assert caught.value.code == "InvalidObjectState"


def test_a_failed_object_leaves_the_others_alone(local, connector):
    local.put_object("faults", "bad", DATA, crc64=12345)
    local.put_object("faults", "good", DATA)
    bad, good = connector.open_many(["oss://faults/bad", "oss://faults/good"])
    with pytest.raises(ChecksumError):
        bad.read()
    assert good.read() == DATA


def test_replies_that_take_their_time_are_waited_for_at_once(make_connector):
    """Concurrent requests wait together, not one after the other."""
    all_there = threading.Event()

    def script(request, reply):
        if request.begin > 0:  # the first tells what there is to ask for
            reply.hold = all_there
        if request.in_flight == 10:  # of 11 chunks
            all_there.set()

    with FaultServer(data=DATA, script=script) as server:
        with make_connector(endpoint=server.endpoint).open("oss://faults/key") as reader:
            assert reader.read() == DATA
        assert all_there.is_set()
