"""oss2 reads and lists through the server."""

from __future__ import annotations

import oss2
import pytest
from ossmodelconnector.local import DEFAULT_CREDENTIAL, Credential

BUCKET = "bucket-1"
REGION = "cn-hangzhou"
VERSIONS = ("v1", "v4")

pytestmark = pytest.mark.usefixtures("tidy_clients")


def bucket_for(server, version, credential=DEFAULT_CREDENTIAL, endpoint=None):
    ident, secret, token = (
        credential.access_key_id,
        credential.access_key_secret,
        credential.token,
    )
    if token:
        provider = oss2.credentials.StaticCredentialsProvider(ident, secret, token)
        kind = oss2.ProviderAuthV4 if version == "v4" else oss2.ProviderAuth
        auth = kind(provider)
    else:
        auth = (oss2.AuthV4 if version == "v4" else oss2.Auth)(ident, secret)
    return oss2.Bucket(auth, endpoint or server.endpoint, BUCKET, region=REGION)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_odd_key_reads_as_what_was_put(odd_server, odd_keys, version):
    bucket = bucket_for(odd_server, version)
    for key in odd_keys:
        result = bucket.get_object(key)
        assert result.read() == key.encode()
        # Compares the checksum it computed with the server's.
        assert result.client_crc == result.server_crc
        assert bucket.head_object(key).content_length == len(key.encode())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("iterator", [oss2.ObjectIterator, oss2.ObjectIteratorV2])
def test_both_listings_give_every_odd_key_in_byte_order(odd_server, odd_keys, version, iterator):
    bucket = bucket_for(odd_server, version)
    # Pages of 3: nearly every key is a marker or in a token once.
    listed = list(iterator(bucket, max_keys=3))
    assert [item.key for item in listed] == sorted(odd_keys, key=str.encode)
    assert all(item.size == len(item.key.encode()) for item in listed)
    assert all(item.etag == bucket.head_object(item.key).etag for item in listed[:5])


@pytest.mark.parametrize("version", VERSIONS)
def test_ranges_and_head(make_server, version):
    server = make_server()
    data = bytes(range(256)) * 4096
    server.put_object(BUCKET, "big", data)
    bucket = bucket_for(server, version)
    assert bucket.get_object("big", byte_range=(1000, 1999)).read() == data[1000:2000]
    assert bucket.get_object("big", byte_range=(len(data) - 5, None)).read() == data[-5:]
    assert bucket.get_object("big", byte_range=(None, 7)).read() == data[-7:]
    standard = {"x-oss-range-behavior": "standard"}
    tail = bucket.get_object("big", byte_range=(len(data) - 5, len(data) + 5), headers=standard)
    assert tail.read() == data[-5:]
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        bucket.get_object("big", byte_range=(len(data), len(data) + 5), headers=standard)
    assert (caught.value.status, caught.value.code) == (416, "InvalidRange")
    head = bucket.head_object("big")
    assert head.content_length == len(data)
    assert head.object_type == "Multipart"
    meta = bucket.get_object_meta("big")
    assert (meta.content_length, meta.etag) == (len(data), head.etag)
    assert bucket.object_exists("big")
    assert not bucket.object_exists("small")


@pytest.mark.parametrize("version", VERSIONS)
def test_prefix_delimiter_and_more_than_one_thousand_keys(make_server, version):
    server = make_server()
    for number in range(2345):
        server.put_object(BUCKET, f"many/{number:05d}", b"")
    server.put_object(BUCKET, "other/one", b"")
    server.put_object(BUCKET, "zero", b"")
    bucket = bucket_for(server, version)
    keys = [item.key for item in oss2.ObjectIteratorV2(bucket, prefix="many/", max_keys=1000)]
    assert keys == [f"many/{number:05d}" for number in range(2345)]
    top = bucket.list_objects_v2(delimiter="/")
    assert top.prefix_list == ["many/", "other/"]
    assert [item.key for item in top.object_list] == ["zero"]
    assert [item.key for item in oss2.ObjectIterator(bucket, prefix="many/0000")] == keys[:10]


@pytest.mark.parametrize("version", VERSIONS)
def test_temporary_credentials(make_server, version):
    # Characters that base64 has: an encoded token would not verify.
    temporary = Credential("STS.id", "secret", token="token/+==")
    server = make_server(credentials=[temporary])
    server.put_object(BUCKET, "key", b"data")
    assert bucket_for(server, version, temporary).get_object("key").read() == b"data"
    wrong_token = Credential("STS.id", "secret", token="other")
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        bucket_for(server, version, wrong_token).get_object("key")
    assert caught.value.code == "InvalidSecurityToken"
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        bucket_for(server, version, Credential("STS.id", "secret")).get_object("key")
    assert caught.value.code == "InvalidAccessKeyId"
    server.set_credentials(Credential("STS.id", "secret", token="token/+==", expires=1.0))
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        bucket_for(server, version, temporary).get_object("key")
    assert caught.value.code == "SecurityTokenExpired"


@pytest.mark.parametrize("version", VERSIONS)
def test_refusals_are_the_service_s(make_server, version):
    server = make_server()
    server.put_object(BUCKET, "archived", b"data", storage_class="Archive")
    bucket = bucket_for(server, version)
    with pytest.raises(oss2.exceptions.NoSuchKey):
        bucket.get_object("nothing")
    with pytest.raises(oss2.exceptions.NotFound):
        bucket.head_object("nothing")
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        bucket.get_object("archived")
    assert caught.value.code == "InvalidObjectState"
    assert bucket.head_object("archived").headers["x-oss-storage-class"] == "Archive"
    wrong = Credential(DEFAULT_CREDENTIAL.access_key_id, "wrong")
    with pytest.raises(oss2.exceptions.SignatureDoesNotMatch):
        bucket_for(server, version, wrong).get_object("archived")
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        bucket_for(server, version, Credential("nobody", "wrong")).list_objects()
    assert caught.value.code == "InvalidAccessKeyId"
    bucket.bucket_name = "bucket-2"
    with pytest.raises(oss2.exceptions.NoSuchBucket):
        bucket.list_objects()
    with pytest.raises(oss2.exceptions.NoSuchBucket):
        bucket.get_object("key")
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        bucket_for(server, version).put_object("key", b"data")
    assert caught.value.status == 405


@pytest.mark.parametrize("version", VERSIONS)
def test_presigned_urls(odd_server, odd_keys, connect, version):
    bucket = bucket_for(odd_server, version)
    client = connect(odd_server)
    for key in odd_keys:
        url = bucket.sign_url("GET", key, 60, slash_safe=True)
        assert client.get(url[len(odd_server.endpoint) :]).body == key.encode()


@pytest.mark.parametrize("version", VERSIONS)
def test_https(make_server, trust, version):
    server = make_server(tls=True)
    trust(server)
    data = bytes(range(256)) * 8192
    server.put_object(BUCKET, "key", data)
    assert bucket_for(server, version).get_object("key").read() == data


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_virtual_hosted_style(make_server, loopback_names, trust, scheme):
    server = make_server(tls=scheme == "https")
    if scheme == "https":
        trust(server)
    server.put_object(BUCKET, "folder/key", b"data")
    endpoint = f"{scheme}://oss-cn-hangzhou.aliyuncs.com:{server.port}"
    bucket = bucket_for(server, "v4", endpoint=endpoint)
    assert bucket.get_object("folder/key").read() == b"data"
    assert [item.key for item in oss2.ObjectIteratorV2(bucket)] == ["folder/key"]
    assert server.requests[0].headers["host"].startswith(f"{BUCKET}.oss-cn-hangzhou.")


def test_buckets(make_server):
    server = make_server(buckets=["bucket-1", "bucket-2", "other"])
    auth = oss2.AuthV4(DEFAULT_CREDENTIAL.access_key_id, DEFAULT_CREDENTIAL.access_key_secret)
    service = oss2.Service(auth, server.endpoint, region=REGION)
    names = [item.name for item in oss2.BucketIterator(service, max_keys=2)]
    assert names == ["bucket-1", "bucket-2", "other"]
    bucket = bucket_for(server, "v4")
    assert bucket.get_bucket_location().location == "oss-cn-hangzhou"
    assert bucket.get_bucket_info().name == BUCKET
    assert bucket.get_bucket_acl().acl == "private"


def test_an_insisting_server_refuses_the_other_version(make_server):
    for version, other in (("v1", "v4"), ("v4", "v1")):
        server = make_server(signature=version)
        server.put_object(BUCKET, "key", b"data")
        assert bucket_for(server, version).get_object("key").read() == b"data"
        with pytest.raises(oss2.exceptions.ServerError):
            bucket_for(server, other).get_object("key")


def test_a_public_bucket_needs_no_signature(make_server):
    server = make_server(anonymous=True)
    server.put_object(BUCKET, "key", b"data")
    bucket = oss2.Bucket(oss2.AnonymousAuth(), server.endpoint, BUCKET)
    assert bucket.get_object("key").read() == b"data"
    private = make_server()
    private.put_object(BUCKET, "key", b"data")
    with pytest.raises(oss2.exceptions.AccessDenied):
        oss2.Bucket(oss2.AnonymousAuth(), private.endpoint, BUCKET).get_object("key")
