"""Opens by an ObjectInfo, which pin its version, and opens without prefetch."""

from __future__ import annotations

import dataclasses

import pytest
from ossmodelconnector import (
    AccessDeniedError,
    ChecksumError,
    ObjectChangedError,
    ObjectInfo,
    ObjectNotFoundError,
    ProtocolError,
)
from support.fault_server import ETAG
from support.forked_child import in_child

CHUNK = 64 << 10  # of make_connector
URI = "oss://bucket/object"


@pytest.fixture(scope="module")
def bucket(new_bucket):
    return new_bucket("opens")


@pytest.fixture
def put(bucket, make_connector, server, request):
    """put(data) makes an object; gives its ObjectInfo of a listing, with an empty request log."""

    def put(data, suffix=""):
        key = request.node.name + suffix
        bucket.put(key, data)
        listing = make_connector().list(bucket.bucket, key)
        server.clear_log()
        return next(info for info in listing if info.key == key)

    return put


def asked(server):
    return [record.method for record in server.log()]


def test_listed_object_opens_without_a_request(make_connector, server, put):
    data = b"0123456789" * 50_000
    info = put(data)
    connector = make_connector()
    reader = connector.open(info, prefetch=False)
    assert (reader.size, reader.etag, reader.uri) == (info.size, info.etag, info.uri)
    assert asked(server) == []
    assert reader.read(10) == data[:10]
    assert {record.headers["if-match"] for record in server.log()} == {f'"{info.etag}"'}
    assert reader.read() == data[10:]
    assert reader.verified == "crc64"
    assert set(asked(server)) == {"GET"}


def test_many_listed_objects_open_without_a_request(make_connector, server, put):
    infos = [put(b"%d" % i * 1000, f"-{i}") for i in range(30)]
    readers = make_connector().open_many(infos, prefetch=False)
    texts = make_connector().open_many(infos, False, prefetch=False)
    assert asked(server) == []
    assert [reader.read() for reader in readers] == [b"%d" % i * 1000 for i in range(30)]
    assert texts[7].read() == "7" * 1000


def test_empty_listed_object(make_connector, server, put):
    info = put(b"")
    reader = make_connector().open(info, prefetch=False)
    assert (reader.read(), bytes(reader.getbuffer())) == (b"", b"")
    assert asked(server) == []
    assert make_connector().open(info).read() == b""
    assert asked(server) == ["HEAD"]


def test_uri_without_prefetch_costs_one_head(make_connector, server, put):
    infos = [put(b"%d" % i * 100_000, f"-{i}") for i in range(5)]
    connector = make_connector()
    first = connector.open(infos[0].uri, prefetch=False)
    readers = connector.open_many([info.uri for info in infos], prefetch=False)
    assert asked(server) == ["HEAD"] * 6
    assert [reader.size for reader in readers] == [100_000] * 5
    assert first.read() == b"0" * 100_000
    assert first.verified == "crc64"
    with pytest.raises(ObjectNotFoundError):
        connector.open(infos[0].uri + "-not", prefetch=False)


def test_listed_object_with_prefetch_is_pinned_in_one_round_trip(make_connector, server, put):
    info = put(b"old " * 1000)
    with make_connector().open(info) as reader:
        assert reader.read() == b"old " * 1000
        assert reader.verified == "crc64"
    (record,) = server.log()
    assert record.headers["if-match"] == f'"{info.etag}"'


def test_overwritten_since_it_was_listed(make_connector, server, put, bucket):
    info = put(b"old " * 1000)
    bucket.put(info.key, b"new " * 1000)
    connector = make_connector()
    for opens in (connector.open, lambda one: connector.open_many([one])):
        with pytest.raises(ObjectChangedError, match="overwritten"):
            opens(info)
    assert asked(server) == ["GET", "GET"]
    reader = connector.open(info, prefetch=False)
    for _ in range(2):
        with pytest.raises(ObjectChangedError, match="overwritten"):
            reader.read()
    assert reader.tell() == 0
    assert connector.open(info.uri).read() == b"new " * 1000


def test_another_size_under_the_same_etag(make_connector, put):
    info = dataclasses.replace(put(b"0123456789"), size=9)
    connector = make_connector()
    with pytest.raises(ObjectChangedError, match="size was 9, is 10"):
        connector.open(info)
    with pytest.raises(ObjectChangedError, match="size was 9, is 10"):
        connector.open(info, prefetch=False).read()


def test_deleted_or_denied_is_told_by_the_first_read(make_connector, server, put, bucket):
    info = put(b"data")
    connector = make_connector()
    reader = connector.open(info, prefetch=False)
    server.local.deny(bucket.bucket, info.key)
    try:
        with pytest.raises(AccessDeniedError):
            reader.read()
    finally:
        server.local.allow(bucket.bucket, info.key)
    assert reader.read() == b"data"
    bucket.delete(info.key)
    with pytest.raises(ObjectNotFoundError) as caught:
        connector.open(info, prefetch=False).read_at(0, bytearray(1))
    assert caught.value.status == 404
    with pytest.raises(ObjectNotFoundError):
        connector.open(info)


@pytest.mark.parametrize("etag", ["", 'W/"weak"', "W/weak", 'a"b', "a\r\nx-evil: 1", "ä", "\udc80"])
def test_etag_that_can_pin_nothing_is_not_used(make_connector, server, put, etag):
    info = dataclasses.replace(put(b"data"), size=99, etag=etag)
    with make_connector().open(info) as reader:
        assert reader.read() == b"data"
    with make_connector().open(info, prefetch=False) as reader:
        assert reader.read() == b"data"
    assert asked(server) == ["GET", "HEAD", "GET"]
    assert "if-match" not in server.log()[0].headers
    assert all("x-evil" not in record.headers for record in server.log())


def test_symbolic_link_is_not_pinned_by_its_own_etag(make_connector, server, bucket, request):
    key = request.node.name
    server.local.put_object(bucket.bucket, key, b"target", object_type="Symlink")
    connector = make_connector()
    (info,) = connector.list(bucket.bucket, key)
    assert info.etag == ""
    for prefetch in (True, False):
        with connector.open(info, prefetch=prefetch) as reader:
            assert reader.read() == b"target"
            assert reader.etag


def test_version_of_a_listed_object_is_known_from_the_first_reply_on(
    make_connector, server, bucket, request
):
    key = request.node.name
    version = server.local.put_version(bucket.bucket, key, b"data" * 100_000)
    connector = make_connector()
    (info,) = connector.list(bucket.bucket, key)
    reader = connector.open(info, prefetch=False)
    assert reader.version_id is None
    reader.read(1)
    assert reader.version_id == version
    with connector.open(info) as prefetched:
        assert prefetched.version_id == version
        prefetched.read()  # nothing is on its way when the log is cleared
    told = connector.stat(info)
    server.clear_log()
    with connector.open(told, prefetch=False) as reader:
        assert reader.version_id == version
        assert reader.read() == b"data" * 100_000
        assert reader.verified == "crc64"
    assert {record.query.get("versionId") for record in server.log()} == {version}

    def child():
        return [reader.version_id, reader.read(4).decode(), reader.version_id]

    reader = connector.open(info, prefetch=False)
    reader.read(1)
    assert in_child(child) == [version, "atad", version]


@pytest.mark.parametrize("reads_before", [0, 1, CHUNK + 1])
def test_child_reads_a_listed_object(make_connector, put, reads_before):
    data = bytes(range(251)) * 2000
    reader = make_connector().open(put(data), prefetch=False)
    reader.read(reads_before)

    def child():
        rest = reader.read()
        reader.seek(0)
        return [rest == data[reads_before:], reader.read() == data, reader.verified]

    assert in_child(child) == [True, True, "crc64"]
    assert reader.read() == data[reads_before:]


def listed(faults):
    """What a listing would say of the object of a FaultServer."""
    info = ObjectInfo("bucket", "object", len(faults.data), ETAG.strip('"'), None, "Standard")
    assert info.uri == URI
    return info


def test_flipped_byte_of_a_listed_object_is_repaired(faults, connect):
    flips = []

    def script(request, reply):
        if request.begin <= 300_000 < request.end and not flips:
            flips.append(request)
            at = 300_000 - request.begin
            reply.body = reply.body[:at] + bytes([reply.body[at] ^ 1]) + reply.body[at + 1 :]

    faults.script = script
    with connect().open(listed(faults), prefetch=False) as reader:
        assert reader.read() == faults.data
        assert reader.verified == "crc64"
    assert len(flips) == 1


def test_byte_of_a_listed_object_that_is_always_wrong(faults, connect):
    def script(request, reply):
        if request.begin <= 300_000 < request.end:
            at = 300_000 - request.begin
            reply.body = reply.body[:at] + bytes([reply.body[at] ^ 1]) + reply.body[at + 1 :]

    faults.script = script
    with connect().open(listed(faults), prefetch=False) as reader:
        with pytest.raises(ChecksumError):
            reader.read()
        assert reader.verified == "length+etag"


def test_listed_object_of_a_store_without_crc(faults, connect):
    def script(request, reply):
        del reply.headers["x-oss-hash-crc64ecma"]

    faults.script = script
    with connect().open(listed(faults), prefetch=False) as reader:
        assert reader.read() == faults.data
        assert reader.verified == "length+etag"


@pytest.mark.parametrize("prefetch", [None, 0, "no", b""])
def test_prefetch_is_a_bool(make_connector, store, server, prefetch):
    connector = make_connector()
    server.clear_log()
    with pytest.raises(TypeError, match="prefetch must be a bool"):
        connector.open(store.uri("text.txt"), prefetch=prefetch)
    with pytest.raises(TypeError, match="prefetch must be a bool"):
        connector.open_many([store.uri("text.txt")], prefetch=prefetch)
    assert server.log() == []


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"size": "10"}, TypeError),
        ({"size": None}, TypeError),
        ({"etag": None}, TypeError),
        ({"etag": b"E"}, TypeError),
        ({"size": -1}, ValueError),
        ({"size": 1 << 63}, ValueError),
    ],
)
def test_object_info_that_cannot_be_sends_no_request(make_connector, server, put, fields, error):
    info = dataclasses.replace(put(b"data"), **fields)
    connector = make_connector()
    with pytest.raises(error, match="size"):
        connector.open(info)
    with pytest.raises(error, match="size"):
        connector.open_many([info], prefetch=False)
    assert server.log() == []


def test_object_that_was_listed_as_larger_than_any_can_be(make_connector, put):
    info = dataclasses.replace(put(b"data"), size=(1 << 63) - 1)
    with pytest.raises(ProtocolError, match="9223372036854775807 bytes"):
        make_connector().open(info, prefetch=False)
