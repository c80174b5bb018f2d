"""What `find` found, kept for `info`."""

from __future__ import annotations

import pytest
from ossmodelconnector.fsspec import _found
from ossmodelconnector.fsspec._found import Found


@pytest.fixture(scope="module")
def listings(bucket, make_shared_connector):
    """listings(prefix): a sorted ObjectList."""
    for folder in range(20):
        for number in range(3):
            bucket.put(f"{folder:02d}/{number}", b"x" * folder)
    connector = make_shared_connector()
    return lambda prefix: connector.list(bucket.bucket, prefix)


def test_an_object_is_found_in_what_was_listed_above_it(bucket, listings):
    found = Found()
    found.put(f"{bucket.bucket}/03", listings("03/"))
    assert found.object_at(f"{bucket.bucket}/03/1").size == 3
    for path in ("03/9", "03", "04/1", "033/1", "03/1/x", ""):
        assert found.object_at(f"{bucket.bucket}/{path}".rstrip("/")) is None
    found.put(bucket.bucket, listings(""))
    assert found.object_at(f"{bucket.bucket}/19/2").size == 19
    found.clear()
    assert found.object_at(f"{bucket.bucket}/03/1") is None


def test_the_latest_listing_counts(bucket, listings):
    found = Found()
    for _ in range(2):
        found.put(bucket.bucket, listings("05/"))
        found.put(f"{bucket.bucket}/05", listings("05/")[:1])
    assert found.object_at(f"{bucket.bucket}/05/0").key == "05/0"
    # The later one lacks it, and the one before has it.
    assert found.object_at(f"{bucket.bucket}/05/2").key == "05/2"


def test_no_more_than_the_last_are_kept(bucket, listings, monkeypatch):
    found = Found()
    for folder in range(20):
        found.put(f"{bucket.bucket}/{folder:02d}", listings(f"{folder:02d}/"))
    known = [n for n in range(20) if found.object_at(f"{bucket.bucket}/{n:02d}/0")]
    assert known == list(range(4, 20))
    monkeypatch.setattr(_found, "_OBJECTS", 7)
    found.put(f"{bucket.bucket}/00", listings("00/"))
    known = [n for n in range(20) if found.object_at(f"{bucket.bucket}/{n:02d}/0")]
    assert known == [0, 19]
    found.put(bucket.bucket, listings(""))  # larger than all that may be kept
    assert found.object_at(f"{bucket.bucket}/00/0") is None
