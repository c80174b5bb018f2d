"""Objects of versioned buckets."""

from __future__ import annotations

import alibabacloud_oss_v2 as oss
import pytest
from ossmodelconnector.local import DEFAULT_CREDENTIAL

BUCKET = "bucket-1"

pytestmark = pytest.mark.usefixtures("tidy_clients")


@pytest.fixture
def server(make_server):
    return make_server(anonymous=True)


def test_each_version_is_to_be_had_by_its_id(server, connect):
    first = server.put_version(BUCKET, "key", b"first")
    second = server.put_version(BUCKET, "key", b"second one")
    client = connect(server)
    for query, body, version in (
        ("", b"second one", second),
        (f"?versionId={_encoded(first)}", b"first", first),
        (f"?versionId={_encoded(second)}", b"second one", second),
    ):
        reply = client.get(f"/{BUCKET}/key{query}", Range="bytes=0-3")
        assert (reply.status, reply.body) == (206, body[:4])
        assert reply.headers["x-oss-version-id"] == version
        reply = client.head(f"/{BUCKET}/key{query}")
        assert reply.headers["content-length"] == str(len(body))
        assert reply.headers["x-oss-version-id"] == version
    assert client.get(f"/{BUCKET}/key?versionId=other").text("Code") == "NoSuchVersion"
    assert client.get("/other-bucket/key?versionId=other").text("Code") == "NoSuchBucket"


def test_delete_marker_hides_the_object_and_not_its_older_versions(server, connect):
    first = server.put_version(BUCKET, "key", b"first")
    marker = server.delete_version(BUCKET, "key")
    client = connect(server)
    reply = client.get(f"/{BUCKET}/key")
    assert (reply.status, reply.text("Code")) == (404, "NoSuchKey")
    assert reply.headers["x-oss-delete-marker"] == "true"
    assert reply.headers["x-oss-version-id"] == marker
    reply = client.head(f"/{BUCKET}/key?versionId={_encoded(marker)}")
    assert (reply.status, reply.headers["x-oss-delete-marker"]) == (405, "true")
    assert client.get(f"/{BUCKET}/key?versionId={_encoded(first)}").body == b"first"
    assert client.get(f"/{BUCKET}/?list-type=2").text("KeyCount") == "0"


def test_objects_that_were_put_have_no_version(server, connect):
    version = server.put_version(BUCKET, "key", b"a version")
    server.put_object(BUCKET, "key", b"none")
    client = connect(server)
    for query in ("", "?versionId=null"):
        reply = client.get(f"/{BUCKET}/key{query}")
        assert reply.body == b"none"
        assert "x-oss-version-id" not in reply.headers
    assert client.get(f"/{BUCKET}/key?versionId={_encoded(version)}").status == 404
    server.put_version(BUCKET, "key", b"again")
    server.delete_object(BUCKET, "key")
    assert "x-oss-delete-marker" not in client.get(f"/{BUCKET}/key").headers


def test_versions_need_a_bucket_and_a_key(server):
    with pytest.raises(LookupError):
        server.put_version("other-bucket", "key", b"")
    with pytest.raises(LookupError):
        server.delete_version("other-bucket", "key")
    with pytest.raises(ValueError, match="not an object key"):
        server.put_version(BUCKET, "/key", b"")


@pytest.mark.parametrize("signature", ["v1", "v4"])
def test_an_sdk_reads_a_version(make_server, signature):
    server = make_server(signature=signature)
    first = server.put_version(BUCKET, "key", b"first")
    server.put_version(BUCKET, "key", b"second")
    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.StaticCredentialsProvider(
        DEFAULT_CREDENTIAL.access_key_id, DEFAULT_CREDENTIAL.access_key_secret
    )
    config.region = "cn-hangzhou"
    config.endpoint = server.endpoint
    config.signature_version = signature
    client = oss.Client(config)
    result = client.get_object(oss.GetObjectRequest(BUCKET, "key", version_id=first))
    with result.body as body:
        assert body.read() == b"first"
    assert result.version_id == first


def _encoded(version_id):
    return version_id.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
