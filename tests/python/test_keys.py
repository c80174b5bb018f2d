"""Keys are taken as they are: opened, listed and told exactly, with both signatures."""

from __future__ import annotations

import random

import pytest

ODD_KEYS = [
    "a b",
    " leading and trailing ",
    "a+b",
    "a%b",
    "a%41b",
    "a%2Fb",
    "a%",
    "a&b=c",
    "a#b",
    "a?b=c",
    "?list-type=2",
    "a\"b'c`d",
    "a<b>&amp;c]]>",
    "a\\b",
    "a:b;c,d@e!f$g*h(i)j[k]{l}|m^n~o",
    "模型/权重 №1.safetensors",
    "😀/🚀",
    "e\u0301 is not \u00e9",
    "\u00e9 is not e\u0301",
    "a//b",
    "a/b//",
    "a///",
    "a/./b/../c",
    "./a",
    "../a",
    "..",
    ".",
    "a/..",
    "a/.",
    "folder/",
    "folder",
    "folder/file",
    "line\nbreak",
    "carriage\rreturn",
    "tab\tand \x01\x1f\x7f",
    "\u2028\u0085\ufeff",
    "%E4%B8%96",
    "x" * 1023,
    "世" * 341,
    "😀" * 255 + "abc",
    "d/" * 511 + "e",
]


@pytest.fixture(scope="module")
def odd(new_bucket):
    """A bucket of odd keys; each object holds its own key."""
    bucket = new_bucket("odd-keys")
    for key in ODD_KEYS:
        bucket.put(key, key.encode())
    return bucket


@pytest.fixture(scope="module", params=["V1", "V4"])
def connector(request, make_shared_connector):
    options = {} if request.param == "V1" else {"region": "cn-hangzhou"}
    return make_shared_connector(**options)


def test_odd_keys_are_listed_exactly(odd, connector):
    for fast in (False, True):
        listed = connector.list(odd.bucket, "", fast)
        keys = [obj.key for obj in listed]
        expected = sorted(ODD_KEYS, key=str.encode)
        assert (sorted(keys, key=str.encode) if fast else keys) == expected
        assert {obj.key: obj.size for obj in listed} == {k: len(k.encode()) for k in ODD_KEYS}


@pytest.mark.parametrize("key", ODD_KEYS, ids=lambda key: ascii(key)[:30])
def test_odd_key(odd, connector, key):
    uri = odd.uri(key)
    info = connector.stat(uri)
    assert (info.key, info.uri, info.size) == (key, uri, len(key.encode()))
    assert connector.exists(uri)
    with connector.open(uri) as reader:
        assert (reader.key, reader.uri, reader.name) == (key, uri, uri)
        assert reader.read() == key.encode()
    with connector.open(info) as reader:
        assert reader.read() == key.encode()
    # As a prefix it finds itself, first among those that begin with it.
    listed = connector.list(odd.bucket, key)
    assert listed[0] == info
    assert {obj.key for obj in listed} == {other for other in ODD_KEYS if other.startswith(key)}


def test_keys_that_are_not_there_are_not_confused_with_others(odd, connector):
    for key in ("a b ", "aAb", "a/b", "c", "a/c", "a/b/../c", "b", "folder//", "世", "A b"):
        assert key not in ODD_KEYS
        assert connector.exists(odd.uri(key)) is False


def test_empty_object(store, connector):
    with connector.open(store.uri("empty")) as reader:
        assert (reader.size, reader.read(), reader.read(10), reader.tell()) == (0, b"", b"", 0)
        assert reader.readinto(bytearray(5)) == 0
        assert reader.peek() == b""
        assert reader.read_ranges([(0, 5), (3, 3)]) == [b"", b""]
    with connector.open(store.uri("empty"), False) as text:
        assert text.read() == ""
    assert connector.stat(store.uri("empty")).size == 0


def test_many_keys_are_listed_in_the_order_of_their_bytes(many_keys, connector):
    bucket, sizes = many_keys
    assert len(sizes) == 12_345
    for fast in (False, True):
        listed = connector.list(bucket, "", fast)
        assert len(listed) == 12_345
        found = [(obj.key, obj.size) for obj in listed]
        if fast:
            found.sort(key=lambda pair: pair[0].encode())
        assert found == sorted(sizes.items(), key=lambda pair: pair[0].encode())
        assert all(obj.etag and obj.last_modified.year > 2000 for obj in listed[::500])
    prefix = "p3/"
    expected = sorted((key for key in sizes if key.startswith(prefix)), key=str.encode)
    assert [obj.key for obj in connector.list(bucket, prefix)] == expected


@pytest.fixture(scope="module")
def many_keys(new_bucket):
    """12,345 objects of 0 to 20 bytes, with keys whose order by UTF-16 would be another."""
    generator = random.Random(11)
    alphabet = "az~Ж世\uff5e😀 +"
    sizes = {}
    while len(sizes) < 12_345:
        name = "".join(generator.choices(alphabet, k=6))
        sizes[f"p{generator.randrange(10)}/{name}"] = generator.randrange(21)
    bucket = new_bucket("many-keys")
    for key, size in sizes.items():
        bucket.put(key, b"x" * size)
    return bucket.bucket, sizes
