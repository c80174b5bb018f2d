"""connector.list(delimiter=...): keys rolled up into common prefixes."""

from __future__ import annotations

import copy
import pickle

import pytest
from ossmodelconnector import BucketNotFoundError, ProtocolError
from ossmodelconnector.local import Reply

KEYS = ["a", "a/", "a/b", "a/c/d", "b//x", "b/y", "c+/1", "c /1", "ü/1", "%41/1", "z"]


@pytest.fixture(scope="module")
def bucket(new_bucket):
    bucket = new_bucket("delimiter")
    for key in KEYS:
        bucket.put(key, b"data")
    return bucket


@pytest.fixture
def connector(make_connector):
    return make_connector()


def keys_and_prefixes(connector, bucket, *args, **kwargs):
    objects = connector.list(bucket.bucket, *args, **kwargs)
    return list(objects.keys), objects.common_prefixes


def test_a_folder_is_its_objects_and_its_folders(connector, bucket):
    folders = ("%41/", "a/", "b/", "c /", "c+/", "ü/")
    assert keys_and_prefixes(connector, bucket, delimiter="/") == (["a", "z"], folders)
    assert keys_and_prefixes(connector, bucket, "a/", delimiter="/") == (["a/", "a/b"], ("a/c/",))
    assert keys_and_prefixes(connector, bucket, "b/", delimiter="/") == (["b/y"], ("b//",))
    assert keys_and_prefixes(connector, bucket, "a", delimiter="/") == (["a"], ("a/",))
    assert keys_and_prefixes(connector, bucket, "none/", delimiter="/") == ([], ())


def test_any_text_is_a_delimiter(connector, bucket):
    assert keys_and_prefixes(connector, bucket, "b", delimiter="//") == (["b/y"], ("b//",))
    keys, prefixes = keys_and_prefixes(connector, bucket, delimiter="+/")
    assert prefixes == ("c+/",)
    assert sorted(keys) == sorted(key for key in KEYS if "+/" not in key)


def test_without_a_delimiter_there_are_no_common_prefixes(connector, bucket):
    assert connector.list(bucket.bucket).common_prefixes == ()
    assert connector.list(bucket.bucket, "", True).common_prefixes == ()


@pytest.mark.parametrize("count", [999, 1000, 1001, 2500])
def test_pages_of_nothing_but_common_prefixes(connector, new_bucket, count):
    bucket = new_bucket(f"folders-{count}")
    names = [f"{number:05d}/" for number in range(count)]
    for name in names:
        bucket.put(f"{name}x", b"")
        bucket.put(f"{name}y", b"")
    bucket.put("last", b"")
    assert keys_and_prefixes(connector, bucket, delimiter="/") == (["last"], tuple(names))


def test_the_list_keeps_its_common_prefixes(connector, bucket):
    objects = connector.list(bucket.bucket, "a/", delimiter="/")
    for other in (copy.copy(objects), pickle.loads(pickle.dumps(objects))):
        assert other == objects
        assert other.common_prefixes == ("a/c/",)
    objects.sort(reverse=True)
    assert objects.common_prefixes == ("a/c/",)
    assert objects[:].common_prefixes == ()
    assert repr(objects) == "<ObjectList: 2 objects and 1 common prefixes of bucket 'delimiter'>"
    # As it was pickled before there were any.
    plain = connector.list(bucket.bucket, "a/")
    assert len(plain.__reduce__()[1]) == 2
    assert plain != objects


def test_a_list_of_other_common_prefixes_is_another(connector, bucket):
    assert connector.list(bucket.bucket, "ü", delimiter="/") != connector.list(
        bucket.bucket, "c+", delimiter="/"
    )


def test_progress_is_told(connector, bucket):
    told = []
    connector.list(bucket.bucket, delimiter="/", progress=told.append)
    assert told == [2]


def test_fast_takes_no_delimiter(connector, bucket, server):
    server.clear_log()
    with pytest.raises(ValueError, match=r"fast=True .* no delimiter"):
        connector.list(bucket.bucket, "", True, delimiter="/")
    with pytest.raises(TypeError, match="delimiter must be str"):
        connector.list(bucket.bucket, delimiter=b"/")
    with pytest.raises(ValueError, match="lone surrogate"):
        connector.list(bucket.bucket, delimiter="\udcff")
    assert server.log() == []


def test_a_missing_bucket_is_an_error(connector):
    with pytest.raises(BucketNotFoundError):
        connector.list("no-such-bucket", delimiter="/")


def _page(keys, prefixes, more):
    objects = "".join(f"<Contents><Key>{k}</Key><Size>1</Size></Contents>" for k in keys)
    common = "".join(f"<CommonPrefixes><Prefix>{p}</Prefix></CommonPrefixes>" for p in prefixes)
    truncated = f"<IsTruncated>{str(more is not None).lower()}</IsTruncated>"
    token = f"<NextContinuationToken>{more}</NextContinuationToken>" if more else ""
    text = f"<ListBucketResult>{truncated}{token}{objects}{common}</ListBucketResult>"
    return Reply(status=200, body=text.encode(), headers={"content-type": "application/xml"})


@pytest.fixture
def play(server):
    """play(pages): what the server says to list requests, the last one for ever."""

    def play(pages):
        pages = list(pages)
        server.local.on_request = lambda record: pages.pop(0) if len(pages) > 1 else pages[0]

    yield play
    server.local.on_request = None


def test_a_gateway_that_takes_no_notice_of_the_delimiter(connector, bucket, play):
    play([_page(["d/", "d/1/x", "d/1/y"], [], "t"), _page(["d/1/z", "d/2", "d/3/"], [], None)])
    objects = connector.list(bucket.bucket, "d/", delimiter="/")
    assert list(objects.keys) == ["d/", "d/2"]
    assert objects.common_prefixes == ("d/1/", "d/3/")


@pytest.mark.parametrize(
    "page",
    [
        _page([], ["d/1/"], "t"),  # the same token for ever
        _page([], ["d/1/"], ""),  # a marker of its own making, which is what it begins with again
        _page(["d/1"], ["d/2/"], ""),
    ],
)
def test_a_gateway_that_says_the_same_for_ever_is_an_error(connector, bucket, play, page):
    play([page])
    with pytest.raises(ProtocolError, match=r"would not end|twice"):
        connector.list(bucket.bucket, "d/", delimiter="/")


def test_a_common_prefix_that_is_none_is_an_error(connector, bucket, play):
    play([_page([], ["e/1/"], None)])
    with pytest.raises(ProtocolError, match="common prefix"):
        connector.list(bucket.bucket, "d/", delimiter="/")
