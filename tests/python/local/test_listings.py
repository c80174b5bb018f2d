"""ListObjects V1 and V2, parameter by parameter."""

from __future__ import annotations

import random
from urllib.parse import quote, unquote

import pytest

BUCKET = "bucket-1"


def walk(client, **parameters):
    """Lists with V2 to the end; returns the keys and the common prefixes of each page."""
    parameters = {"list-type": "2", "encoding-type": "url", **parameters}
    pages = []
    while True:
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
        reply = client.get(f"/{BUCKET}/?{query}")
        assert reply.status == 200
        keys = [unquote(item.findtext("Key")) for item in reply.xml.iter("Contents")]
        prefixes = [unquote(item.findtext("Prefix")) for item in reply.xml.iter("CommonPrefixes")]
        assert int(reply.text("KeyCount")) == len(keys) + len(prefixes)
        pages.append((keys, prefixes))
        if reply.text("IsTruncated") == "false":
            assert reply.text("NextContinuationToken") is None
            return pages
        parameters["continuation-token"] = unquote(reply.text("NextContinuationToken"))


def keys_of(pages):
    return [key for keys, _ in pages for key in keys]


def prefixes_of(pages):
    return [prefix for _, prefixes in pages for prefix in prefixes]


def random_keys(count):
    # Characters whose order differs between UTF-8, UTF-16 and most collations.
    alphabet = "aZ09-/.~_ é\u07ff\uffee\U0001f600\U00010000中"
    source = random.Random(12345)
    keys = set()
    while len(keys) < count:
        key = "".join(source.choices(alphabet, k=source.randint(1, 9))).lstrip("/")
        if key:
            keys.add(key)
    return sorted(keys, key=str.encode)


def test_12345_keys_in_byte_order(make_server, connect):
    server = make_server(anonymous=True)
    keys = random_keys(12_345)
    for key in random.Random(1).sample(keys, len(keys)):
        server.put_object(BUCKET, key, b"")
    pages = walk(connect(server), **{"max-keys": "1000"})
    assert [len(page[0]) for page in pages] == [1000] * 12 + [345]
    assert keys_of(pages) == keys


@pytest.mark.parametrize("delimiter", ["/", "a", "-/", "中"])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "é"])
@pytest.mark.parametrize("max_keys", [1, 7, 1000])
def test_against_a_model(make_server, connect, delimiter, prefix, max_keys):
    keys = random_keys(300)
    server = make_server(anonymous=True)
    for key in keys:
        server.put_object(BUCKET, key, b"")
    objects, prefixes = [], []
    for key in keys:
        if key.startswith(prefix):
            head, found, _ = key[len(prefix) :].partition(delimiter)
            if not found:
                objects.append(key)
            elif prefix + head + delimiter not in prefixes:
                prefixes.append(prefix + head + delimiter)
    pages = walk(connect(server), prefix=prefix, delimiter=delimiter, **{"max-keys": str(max_keys)})
    assert keys_of(pages) == objects
    assert prefixes_of(pages) == prefixes
    assert all(len(page[0]) + len(page[1]) <= max_keys for page in pages)


def test_version_1_goes_on_behind_its_marker(make_server, connect):
    server = make_server(anonymous=True)
    for key in ("a/1", "a/2", "b", "c/1", "d"):
        server.put_object(BUCKET, key, b"")
    client = connect(server)
    first = client.get(f"/{BUCKET}/?delimiter=/&max-keys=1")
    assert (first.text("NextMarker"), first.text("IsTruncated")) == ("a/", "true")
    assert first.text("CommonPrefixes/Prefix") == "a/"
    second = client.get(f"/{BUCKET}/?delimiter=/&max-keys=2&marker=a/&encoding-type=url")
    assert second.text("Contents/Key") == "b"
    assert second.text("CommonPrefixes/Prefix") == "c%2F"
    assert (second.text("Marker"), second.text("NextMarker")) == ("a%2F", "c%2F")
    assert second.text("Contents/Owner/ID")
    last = client.get(f"/{BUCKET}/?delimiter=/&marker=c/")
    assert (last.text("Contents/Key"), last.text("IsTruncated")) == ("d", "false")
    assert last.text("NextMarker") is None


def test_defaults_and_echoes(make_server, connect):
    server = make_server(anonymous=True)
    for number in range(101):
        server.put_object(
            BUCKET, f"{number:03d}<&>", b"data", storage_class="IA", last_modified=0.0
        )
    client = connect(server)
    reply = client.get(f"/{BUCKET}?list-type=2")
    assert (reply.text("MaxKeys"), reply.text("KeyCount")) == ("100", "100")
    assert reply.text("EncodingType") is None
    # Not percent-encoded, since nothing asked for it.
    assert reply.text("Contents/Key") == "000<&>"
    assert reply.text("Contents/LastModified") == "1970-01-01T00:00:00.000Z"
    assert reply.text("Contents/ETag") == '"8D777F385D3DFEC8815D20F7496026DC"'
    assert reply.text("Contents/Size") == "4"
    assert reply.text("Contents/StorageClass") == "IA"
    assert reply.text("Contents/Type") == "Normal"
    assert reply.text("Contents/Owner") is None
    owned = client.get(f"/{BUCKET}?list-type=2&fetch-owner=true&start-after=099")
    assert owned.text("Contents/Owner/ID")
    assert owned.text("StartAfter") == "099"
    assert owned.text("KeyCount") == "2"


@pytest.mark.parametrize(
    ("query", "argument"),
    [
        ("max-keys=0", "max-keys"),
        ("max-keys=1001", "max-keys"),
        ("max-keys=-1", "max-keys"),
        ("max-keys=x", "max-keys"),
        ("encoding-type=base64", "encoding-type"),
        ("prefix=" + "x" * 1024, "prefix"),
        ("marker=" + "x" * 1024, "marker"),
        ("list-type=3", "list-type"),
        ("list-type=2&continuation-token=xxx", "continuation-token"),
        ("list-type=2&continuation-token=%E4%B8%AD", "continuation-token"),
    ],
)
def test_invalid_arguments(make_server, connect, query, argument):
    reply = connect(make_server(anonymous=True)).get(f"/{BUCKET}/?{query}")
    assert (reply.status, reply.text("Code")) == (400, "InvalidArgument")
    assert reply.text("ArgumentName") == argument


def test_changes_show_at_once(make_server, connect):
    server = make_server(anonymous=True)
    client = connect(server)
    assert keys_of(walk(client)) == []
    server.put_object(BUCKET, "b", b"")
    server.put_object(BUCKET, "a", b"")
    assert keys_of(walk(client)) == ["a", "b"]
    server.delete_object(BUCKET, "b")
    assert keys_of(walk(client)) == ["a"]
    server.create_bucket("bucket-2")
    assert client.get("/bucket-2/?list-type=2").text("KeyCount") == "0"
