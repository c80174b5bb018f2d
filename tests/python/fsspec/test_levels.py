"""Directories that glob lists, and what DuckDB asks of each file that it opens."""

from __future__ import annotations

import pytest
from ossmodelconnector.fsspec import OssModelFileSystem

STORES = 8


@pytest.fixture(scope="module")
def root(bucket):
    for store in range(STORES):
        bucket.put(f"sales/store={store}/part-0.parquet", b"PAR1")
        bucket.put(f"sales/store={store}/deep/er/part-1.parquet", b"PAR1")
    return bucket.bucket


class WhatIsListed(OssModelFileSystem):
    """Notes how many requests the server had by the end of each listing."""

    served = None

    def _children(self, path):
        entries = super()._children(path)
        self.seen.append(len(self.served.requests))
        return entries


def test_directories_of_a_level_were_listed_one_after_the_other(make_fs, root, server):
    fs = make_fs(WhatIsListed)
    fs.served, fs.seen = server.local, []
    server.local.reset_requests()
    server.local.latency = 1.0
    try:
        found = fs.glob(f"{root}/sales/*/*.parquet")
    finally:
        server.local.latency = 0.0
    assert found == [f"{root}/sales/store={store}/part-0.parquet" for store in range(STORES)]
    # The directory itself, then all below it before the first of them is answered.
    assert fs.seen == [1, *[1 + STORES] * STORES]


def test_what_glob_listed_answers_for_each_file(make_fs, root, server):
    fs = make_fs()
    paths = fs.glob(f"{root}/sales/*/*.parquet")
    server.local.reset_requests()
    for path in paths:
        assert fs.exists(f"ossmc://{path}")
        assert fs.size(f"ossmc://{path}") == 4
        assert fs.modified(f"ossmc://{path}") == fs.info(path)["LastModified"]
        fs.open(f"ossmc://{path}").close()
    assert server.local.requests == []


def test_levels_without_a_cache_of_listings(make_fs, root, server):
    fs = make_fs(use_listings_cache=False)
    server.local.reset_requests()
    assert len(fs.glob(f"{root}/sales/*/*.parquet")) == STORES
    once = len(server.local.requests)
    assert once < 2 * (STORES + 2)
    assert fs.find(f"{root}/sales", maxdepth=3) == fs.find(f"{root}/sales", maxdepth=2)


def test_a_directory_that_may_not_be_listed_is_an_error(make_fs, root, server):
    fs = make_fs(config={"retry.maxAttempts": 1})
    server.local.deny(root, None)
    try:
        with pytest.raises(PermissionError):
            fs.find(f"{root}/sales", maxdepth=2)
    finally:
        server.local.allow(root, None)
    assert len(fs.find(f"{root}/sales", maxdepth=2)) == STORES
