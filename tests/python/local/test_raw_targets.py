"""What the request target says is taken as it stands: nothing is normalized, decoded once."""

from __future__ import annotations

import socket
from urllib.parse import quote

import pytest

BUCKET = "bucket-1"


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("a/./b/../c", "a/./b/../c"),
        ("a//b", "a//b"),
        ("a%2F%2Fb", "a//b"),
        ("%2E%2E/up", "../up"),
        ("../up", "../up"),
        ("%2541", "%41"),
        ("%252F", "%2F"),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
        ("a%20b", "a b"),
        ("a;b,c:d@e!$'()*~", "a;b,c:d@e!$'()*~"),
        ("%E4%B8%AD", "中"),
        ("100%", "100%"),
        ("a%zz", "a%zz"),
        ("tail/", "tail/"),
        ("%F0%9F%98%80", "😀"),
        ("a%0Ab", "a\nb"),
        ("x" * 1023, "x" * 1023),
        ("%E6%96%87" * 341, "文" * 341),
    ],
)
def test_keys(make_server, connect, target, key):
    server = make_server(anonymous=True)
    server.put_object(BUCKET, key, b"found")
    assert connect(server).get(f"/{BUCKET}/{target}").body == b"found"
    assert server.requests[0].key == key
    assert server.requests[0].raw_target == f"/{BUCKET}/{target}"


def test_every_odd_key_in_both_encodings(make_server, connect, odd_keys):
    server = make_server(anonymous=True)
    for key in odd_keys:
        server.put_object(BUCKET, key, key.encode())
    client = connect(server)
    for key in odd_keys:
        for safe in ("/", ""):
            assert client.get(f"/{BUCKET}/{quote(key, safe=safe)}").body == key.encode()


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (f"/{BUCKET}//absolute", "InvalidObjectName"),
        (f"/{BUCKET}/%5Cback", "InvalidObjectName"),
        (f"/{BUCKET}/%FF", "InvalidObjectName"),
        (f"/{BUCKET}/" + "x" * 1024, "InvalidObjectName"),
        ("/Bucket/key", "InvalidBucketName"),
        ("/ab/key", "InvalidBucketName"),
        ("/../key", "InvalidBucketName"),
        ("/bucket%2D1%2Fkey", "InvalidBucketName"),
        ("/other-bucket/key", "NoSuchBucket"),
        ("/other-bucket/", "NoSuchBucket"),
        (f"/{BUCKET}/key?acl", "NotImplemented"),
        (f"/{BUCKET}/key?versionId=abc", "NoSuchVersion"),
    ],
)
def test_refusals(make_server, connect, target, code):
    server = make_server(anonymous=True)
    server.put_object(BUCKET, "key", b"")
    client = connect(server)
    reply = client.get(target)
    assert reply.text("Code") == code
    assert reply.text("RequestId") == reply.headers["x-oss-request-id"]
    assert reply.text("EC") == reply.headers["x-oss-ec"]
    # The connection stays usable.
    assert client.get(f"/{BUCKET}/key").status == 200


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("target", [f"/{BUCKET}/key", f"/{BUCKET}/"])
def test_nothing_can_be_written(make_server, connect, method, target):
    server = make_server(anonymous=True)
    reply = connect(server).request(method, target, {"Content-Length": "0"})
    assert (reply.status, reply.text("Code")) == (405, "MethodNotAllowed")


def test_virtual_hosted_style_and_custom_domains(make_server, connect):
    server = make_server(
        anonymous=True,
        virtual_host=["oss-cn-hangzhou.aliyuncs.com", "oss.internal"],
        cnames={"data.example.com": BUCKET},
    )
    server.put_object(BUCKET, "a/b", b"found")
    server.put_object(BUCKET, f"{BUCKET}/a", b"nested")
    client = connect(server)
    for host in (
        f"{BUCKET}.oss-cn-hangzhou.aliyuncs.com",
        f"{BUCKET}.oss.internal:80",
        f"{BUCKET}.LOCALHOST:{server.port}",
        "data.example.com",
    ):
        assert client.get("/a/b", Host=host).body == b"found"
        assert client.get(f"/{BUCKET}/a", Host=host).body == b"nested"
        assert client.get("/?list-type=2", Host=host).text("KeyCount") == "2"
    for host in ("127.0.0.1", "[::1]:80", "localhost", "some-container:8080"):
        assert client.get(f"/{BUCKET}/a/b", Host=host).body == b"found"
    # As at the service's public endpoints.
    reply = client.get(f"/{BUCKET}/a/b", Host="oss-cn-hangzhou.aliyuncs.com")
    assert reply.text("Code") == "SecondLevelDomainForbidden"


def test_absolute_form_as_proxies_get_it(make_server, connect):
    server = make_server(anonymous=True)
    server.put_object(BUCKET, "a/../b", b"found")
    client = connect(server)
    target = f"http://{BUCKET}.oss-cn-hangzhou.aliyuncs.com/a/../b"
    assert client.get(target, Host="ignored.example.com").body == b"found"


def test_ipv6(make_server, connect):
    try:
        server = make_server(host="::1", anonymous=True)
    except OSError:
        pytest.skip("no IPv6 loopback address here")
    assert server.endpoint == f"http://[::1]:{server.port}"
    server.put_object(BUCKET, "key", b"found")
    assert connect(server).get(f"/{BUCKET}/key").body == b"found"


def test_what_is_no_http_does_no_harm(make_server, connect):
    server = make_server(anonymous=True)
    server.put_object(BUCKET, "key", b"found")
    for noise in (b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET\r\n\r\n", b"GET /%00 HTTP/9.9\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
            raw.sendall(noise)
            raw.recv(1000)
    assert connect(server).get(f"/{BUCKET}/key").body == b"found"
