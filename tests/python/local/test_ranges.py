"""Both ways of the Range header, row by row of the published table."""

from __future__ import annotations

import pytest

BUCKET = "bucket-1"
PATTERN = bytes(index * 7 % 251 for index in range(1000))


def table(size):
    """Rows of Range, (status, begin, end) by default, and the same in the standard way."""
    whole, refused = (200, 0, size), (416, 0, 0)

    def both(begin, end):
        return (206, begin, end), (206, begin, end)

    return [
        ("bytes=0-499", *both(0, 500)),
        ("bytes=500-", *both(500, size)),
        ("bytes=-500", *both(size - 500, size)),
        ("bytes=0-0", *both(0, 1)),
        ("bytes=0-", *both(0, size)),
        (f"bytes=-{size}", *both(0, size)),
        (f"bytes={size - 1}-{size - 1}", *both(size - 1, size)),
        (f"bytes=500-{2 * size}", whole, (206, 500, size)),
        (f"bytes={size - 1}-{size}", whole, (206, size - 1, size)),
        (f"bytes={size}-{2 * size}", whole, refused),
        (f"bytes={size}-", whole, refused),
        (f"bytes=-{2 * size}", whole, (206, 0, size)),
        ("bytes=-0", whole, refused),
        ("byte=0-9", whole, whole),
        ("bytes=9-0", whole, whole),
        ("bytes=-", whole, whole),
        ("bytes=a-b", whole, whole),
        ("bytes=0-9,20-29", *both(0, 10)),
        ("bytes=0000000000000000000000000000000005-9", *both(5, 10)),
    ]


# The larger object goes another way: by sendfile.
@pytest.mark.parametrize("repeats", [1, 600])
def test_the_table(make_server, connect, repeats):
    server = make_server(anonymous=True)
    data = PATTERN * repeats
    server.put_object(BUCKET, "key", data)
    client = connect(server)
    for header, by_default, standard in table(len(data)):
        for extra, expected in (
            ({}, by_default),
            ({"x-oss-range-behavior": "standard"}, standard),
        ):
            status, begin, end = expected
            reply = client.request("GET", f"/{BUCKET}/key", {"Range": header, **extra})
            assert (header, reply.status) == (header, status)
            if status == 416:
                assert reply.text("Code") == "InvalidRange"
                continue
            assert reply.body == data[begin:end]
            assert reply.headers["content-length"] == str(end - begin)
            content_range = f"bytes {begin}-{end - 1}/{len(data)}" if status == 206 else None
            assert reply.headers.get("content-range") == content_range
            assert reply.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-1"])
def test_an_empty_object(make_server, connect, header):
    server = make_server(anonymous=True)
    server.put_object(BUCKET, "empty", b"")
    client = connect(server)
    reply = client.request("GET", f"/{BUCKET}/empty", {"Range": header})
    assert (reply.status, reply.body) == (200, b"")
    standard = {"Range": header, "x-oss-range-behavior": "standard"}
    assert client.request("GET", f"/{BUCKET}/empty", standard).status == 416


def test_head_ignores_a_range(make_server, connect):
    server = make_server(anonymous=True)
    server.put_object(BUCKET, "key", PATTERN)
    reply = connect(server).head(f"/{BUCKET}/key", Range="bytes=0-9")
    assert (reply.status, reply.headers["content-length"]) == (200, "1000")
