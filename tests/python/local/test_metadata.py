"""HEAD, conditional requests, errors, and the headers of objects."""

from __future__ import annotations

import base64
from email.utils import formatdate
from xml.etree import ElementTree

import pytest
from ossmodelconnector.local._checksum import crc64, crc64_by_table

BUCKET = "bucket-1"
KEY = f"/{BUCKET}/key"


@pytest.fixture
def server(make_server):
    server = make_server(anonymous=True)
    server.put_object(BUCKET, "key", b"123456789", last_modified=1_700_000_000.0)
    return server


def test_head_and_object_meta(server, connect):
    client = connect(server)
    full = client.head(KEY)
    assert full.body == b""
    assert {
        "content-length": "9",
        "etag": '"25F9E794323B453885F5181F1B624D0B"',
        "last-modified": formatdate(1_700_000_000, usegmt=True),
        "content-type": "application/octet-stream",
        "x-oss-object-type": "Normal",
        "x-oss-storage-class": "Standard",
        "x-oss-hash-crc64ecma": "11051210869376104954",
        "server": "AliyunOSS",
    }.items() <= full.headers.items()
    assert {"x-oss-request-id", "x-oss-server-time", "date"} <= set(full.headers)
    meta = client.head(KEY + "?objectMeta")
    assert (meta.headers["content-length"], meta.headers["etag"]) == ("9", full.headers["etag"])
    assert "x-oss-object-type" not in meta.headers


def test_errors_of_head_come_in_headers(server, connect):
    client = connect(server)
    reply = client.head(f"/{BUCKET}/nothing")
    assert (reply.status, reply.body) == (404, b"")
    error = ElementTree.fromstring(base64.b64decode(reply.headers["x-oss-err"]))
    assert error.findtext("Code") == "NoSuchKey"
    assert error.findtext("Key") == "nothing"
    assert error.findtext("RequestId") == reply.headers["x-oss-request-id"]
    assert error.findtext("EC") == reply.headers["x-oss-ec"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": '"25F9E794323B453885F5181F1B624D0B"'}, 200),
        ({"If-Match": "25F9E794323B453885F5181F1B624D0B"}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-None-Match": '"25F9E794323B453885F5181F1B624D0B"'}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-Modified-Since": formatdate(1_700_000_000, usegmt=True)}, 304),
        ({"If-Modified-Since": formatdate(1_699_999_999, usegmt=True)}, 200),
        ({"If-Unmodified-Since": formatdate(1_700_000_000, usegmt=True)}, 200),
        ({"If-Unmodified-Since": formatdate(1_699_999_999, usegmt=True)}, 412),
        ({"If-Match": '"other"', "If-None-Match": '"other"'}, 412),
        ({"If-Modified-Since": "yesterday"}, 200),
    ],
)
def test_conditions(server, connect, method, headers, status):
    client = connect(server)
    reply = client.request(method, KEY, headers)
    assert reply.status == status
    if status == 304:
        assert reply.body == b""
        assert "etag" in reply.headers
    if status == 412 and method == "GET":
        assert reply.text("Code") == "PreconditionFailed"
    # Nothing of a body lies between this reply and the next.
    assert client.get(KEY).body == b"123456789"


def test_archived_objects_have_a_head_only(server, connect):
    client = connect(server)
    for storage_class in ("Archive", "ColdArchive", "DeepColdArchive"):
        server.put_object(BUCKET, "old", b"data", storage_class=storage_class)
        assert client.head(f"/{BUCKET}/old").headers["x-oss-storage-class"] == storage_class
        reply = client.get(f"/{BUCKET}/old")
        assert (reply.status, reply.text("Code")) == (403, "InvalidObjectState")


def test_checksums_can_be_missing_or_wrong(server, connect):
    client = connect(server)
    server.put_object(BUCKET, "key", b"data", crc64=False, object_type="Appendable")
    reply = client.get(KEY)
    assert "x-oss-hash-crc64ecma" not in reply.headers
    assert reply.headers["x-oss-object-type"] == "Appendable"
    server.put_object(BUCKET, "key", b"data", crc64=1, etag='"mine"', content_type="text/plain")
    reply = client.get(KEY)
    assert reply.headers["x-oss-hash-crc64ecma"] == "1"
    assert reply.headers["etag"] == '"mine"'
    assert reply.headers["content-type"] == "text/plain"


def test_large_objects_in_memory(server, connect):
    data = bytes(range(256)) * 20_000
    server.put_object(BUCKET, "key", data)
    client = connect(server)
    first = client.get(KEY)
    assert first.body == data
    assert first.headers["x-oss-hash-crc64ecma"] == str(crc64(data))
    server.put_object(BUCKET, "key", data)
    # Another version, though of the same content: multipart ETags are like that.
    assert client.get(KEY).headers["etag"] != first.headers["etag"]


def test_the_slow_checksum_agrees():
    data = bytes(range(256)) * 10
    assert crc64_by_table(b"123456789") == 11051210869376104954
    assert crc64_by_table(data[1000:], crc64_by_table(data[:1000])) == crc64(data)


def test_header_overrides_need_a_signature(server, connect):
    reply = connect(server).get(KEY + "?response-content-type=text/html")
    assert reply.text("Code") == "InvalidRequest"


def test_put_object_refuses_what_the_service_does(server):
    with pytest.raises(LookupError, match="no-bucket"):
        server.put_object("no-bucket", "key", b"")
    for key in ("", "/absolute", "\\back", "x" * 1024, "\udc80"):
        with pytest.raises(ValueError, match="not an object key"):
            server.put_object(BUCKET, key, b"")
    with pytest.raises(ValueError, match="not a bucket name"):
        server.create_bucket("No_Bucket")
