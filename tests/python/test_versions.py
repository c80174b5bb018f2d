"""One version of an object in a versioned bucket: open, stat and exists, and what is not there."""

from __future__ import annotations

import dataclasses
import pickle
from datetime import datetime, timezone
from typing import NamedTuple

import pytest
from ossmodelconnector import ObjectInfo, ObjectNotFoundError, ProtocolError
from ossmodelconnector.local import LocalServer, Reply
from support.forked_child import in_child

FIRST, SECOND = b"the first version " * 20_000, b"the second one " * 10_000
FIELDS = ("bucket", "key", 3, "ETAG", datetime(2024, 8, 2, tzinfo=timezone.utc), "Standard")


class Versioned(NamedTuple):
    """An object of two versions."""

    local: LocalServer
    bucket: str
    key: str
    first: str
    second: str

    @property
    def uri(self) -> str:
        return f"oss://{self.bucket}/{self.key}"


@pytest.fixture(scope="module")
def bucket(new_bucket):
    return new_bucket("versions")


@pytest.fixture
def versioned(bucket, request):
    local, key = bucket.served.local, request.node.name
    first, second = (local.put_version(bucket.bucket, key, data) for data in (FIRST, SECOND))
    return Versioned(local, bucket.bucket, key, first, second)


def test_a_version_is_opened_by_its_id(make_connector, versioned):
    connector = make_connector()
    for version_id, data in ((versioned.first, FIRST), (versioned.second, SECOND)):
        with connector.open(versioned.uri, version_id=version_id) as reader:
            assert reader.version_id == version_id
            assert (reader.size, reader.uri) == (len(data), versioned.uri)
            assert reader.read() == data
            assert reader.verified == "crc64"
    with connector.open(versioned.uri, False, version_id=versioned.first) as text:
        assert text.read() == FIRST.decode()


def test_without_an_id_the_reader_tells_which_version_it_reads(make_connector, versioned):
    with make_connector().open(versioned.uri) as reader:
        assert reader.version_id == versioned.second
        assert reader.read() == SECOND


def test_outside_of_versioned_buckets_there_is_none(make_connector, store):
    connector = make_connector()
    assert connector.stat(store.uri("text.txt")).version_id is None
    assert connector.open(store.uri("text.txt")).version_id is None
    # What has no version is its version "null".
    with connector.open(store.uri("text.txt"), version_id="null") as reader:
        assert reader.read() == store["text.txt"]


def test_stat_and_exists_of_a_version(make_connector, versioned):
    connector = make_connector()
    info = connector.stat(versioned.uri, version_id=versioned.first)
    assert (info.size, info.version_id) == (len(FIRST), versioned.first)
    assert connector.stat(versioned.uri).version_id == versioned.second
    assert connector.stat(info) == info
    assert connector.exists(versioned.uri, version_id=versioned.first)
    assert not connector.exists(versioned.uri, version_id="other")
    (listed,) = connector.list(versioned.bucket, versioned.key)
    assert listed.version_id is None


def test_object_info_with_a_version_opens_that_version(make_connector, versioned):
    connector = make_connector()
    first = connector.stat(versioned.uri, version_id=versioned.first)
    one, other = connector.open_many([first, versioned.uri])
    assert (one.read(), other.read()) == (FIRST, SECOND)
    assert connector.open(first, version_id=versioned.second).read() == SECOND
    assert connector.open(first).version_id == versioned.first


def test_child_reads_the_same_version(make_connector, versioned):
    reader = make_connector().open(versioned.uri, version_id=versioned.first)
    reader.seek(5)
    versioned.local.put_version(versioned.bucket, versioned.key, b"the third")

    def child():
        rest = reader.read()
        reader.seek(0)
        reader.read()  # the read that has the last byte of all waits for the verdict
        return [reader.version_id, rest.decode(), reader.verified]

    assert in_child(child) == [versioned.first, FIRST[5:].decode(), "crc64"]
    assert reader.version_id == versioned.first


def test_deleted_object_says_that_its_latest_version_is_a_delete_marker(make_connector, versioned):
    versioned.local.delete_version(versioned.bucket, versioned.key)
    connector = make_connector()
    for call in (connector.open, connector.stat):
        with pytest.raises(ObjectNotFoundError, match="is a delete marker") as caught:
            call(versioned.uri)
        assert "version_id=" in str(caught.value)
        assert caught.value.status == 404
    assert not connector.exists(versioned.uri)
    assert connector.open(versioned.uri, version_id=versioned.first).read() == FIRST


def test_delete_marker_has_no_bytes(make_connector, versioned):
    marker = versioned.local.delete_version(versioned.bucket, versioned.key)
    connector = make_connector()
    for call in (connector.open, connector.stat):
        with pytest.raises(ObjectNotFoundError, match="is a delete marker, which has") as caught:
            call(versioned.uri, version_id=marker)
        assert marker in str(caught.value)
        assert caught.value.status == 405
    assert not connector.exists(versioned.uri, version_id=marker)


def test_version_that_is_not_there_is_named(make_connector, versioned):
    connector = make_connector()
    for call in (connector.open, connector.stat):
        with pytest.raises(ObjectNotFoundError, match='no version "other one"'):
            call(versioned.uri, version_id="other one")


def test_key_with_a_version_in_it_stays_a_key(make_connector, versioned, bucket):
    connector = make_connector()
    uri = f"{versioned.uri}?versionId={versioned.first}"
    for call in (connector.open, connector.stat):
        with pytest.raises(ObjectNotFoundError, match="version_id="):
            call(uri)
    bucket.put(f"{versioned.key}?versionId={versioned.first}", b"a key")
    assert connector.open(uri).read() == b"a key"


def test_store_that_takes_no_notice_of_the_version_is_found_out(make_connector, versioned):
    connector = make_connector()
    versioned.local.on_request = lambda record: Reply(headers={"x-oss-version-id": ""})
    try:
        for call in (connector.open, connector.stat):
            with pytest.raises(ProtocolError, match="was asked for"):
                call(versioned.uri, version_id=versioned.first)
    finally:
        versioned.local.on_request = None


@pytest.mark.parametrize(
    ("version_id", "error"),
    [
        (b"v1", TypeError),
        (1, TypeError),
        ("", ValueError),
        ("a\nb", ValueError),
        ("a\0b", ValueError),
        ("vä", ValueError),
        ("\udc80", ValueError),
        ("v" * 1001, ValueError),
    ],
)
def test_bad_version_ids_send_no_request(make_connector, store, server, version_id, error):
    connector = make_connector()
    server.clear_log()
    info = ObjectInfo(store.bucket, "text.txt", *FIELDS[2:], version_id=version_id)
    for call in (connector.open, connector.stat, connector.exists):
        with pytest.raises(error, match="version"):
            call(store.uri("text.txt"), version_id=version_id)
        with pytest.raises(error, match="version"):
            call(info)
    assert server.log() == []


def test_object_info_with_a_version_pickles():
    info = ObjectInfo(*FIELDS, version_id="v1")
    assert info == dataclasses.replace(info)
    assert info != ObjectInfo(*FIELDS)
    assert "version_id='v1'" in repr(info)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(info, protocol))
        assert (again, again.version_id, hash(again)) == (info, "v1", hash(info))


class PickledBefore:
    """As an ObjectInfo pickled when it had no version yet."""

    def __reduce__(self):
        return ObjectInfo, FIELDS


def test_object_infos_that_were_pickled_before_there_were_versions_load():
    info = pickle.loads(pickle.dumps(PickledBefore()))
    assert info == ObjectInfo(*FIELDS)
    assert info.version_id is None
