"""FastList and listings that come page after page, against the local server."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ossmodelconnector import BucketNotFoundError, ObjectInfo, ProtocolError
from ossmodelconnector.local import Credential, LocalServer, Reply
from support.tries import HANG_SECONDS, once_within, wait_until

COUNT = 12_345
PROGRAM = Path(__file__).parent / "programs" / "listing_without_memory.py"


@pytest.fixture(scope="module")
def local(server):
    credential = Credential(server.access_key_id, server.access_key_secret)
    with LocalServer(buckets=["many"], credentials=[credential]) as local:
        for i in range(COUNT):
            local.put_object("many", f"run-{i % 7}/数据 %2B+&/{i:06d}.bin", b"x" * (i % 5))
        yield local


@pytest.fixture
def connector(local, make_connector):
    yield make_connector(endpoint=local.endpoint)
    local.on_request = None


def test_fast_list_gives_what_the_plain_one_gives(connector):
    plain = connector.list("many")
    fast = connector.list("many", fast=True)
    assert len(fast) == COUNT
    fast.sort()
    assert fast == plain
    prefix = "run-3/数据"
    fast = connector.list("many", prefix, True)
    fast.sort()
    assert fast == connector.list("many", prefix)
    assert 0 < len(fast) < COUNT


def test_a_thousand_keys_are_one_request(connector, local):
    for prefix in ("run-3/数据 %2B+&/0", "no such"):
        local.reset_requests()
        keys = connector.list("many", prefix, fast=True).keys
        assert all(key.startswith(prefix) for key in keys)
        assert len(keys) <= 1000 or len(local.requests) > 1
        if len(keys) <= 1000:
            assert len(local.requests) == 1


@pytest.mark.parametrize("fast", [False, True])
def test_progress_tells_how_many_so_far(connector, fast):
    seen = []
    objects = connector.list("many", fast=fast, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == len(objects) == COUNT
    assert len(seen) > 1

    def stop(count):
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        connector.list("many", fast=fast, progress=stop)


@pytest.mark.parametrize("fast", [False, True])
def test_iter_objects_gives_each_object_once(connector, fast):
    objects = list(connector.iter_objects("many", fast=fast))
    assert all(type(obj) is ObjectInfo for obj in objects)
    keys = [obj.key for obj in objects]
    assert sorted(keys, key=str.encode) == list(connector.list("many").keys)
    if not fast:
        assert objects == list(connector.list("many"))


def test_iter_objects_asks_no_further_than_it_is_read(connector, local):
    local.reset_requests()
    objects = connector.iter_objects("many")
    assert not local.requests
    for _ in range(1500):
        next(objects)
    time.sleep(0.1)
    assert len(local.requests) == 2
    local.reset_requests()
    fast = connector.iter_objects("many", fast=True)
    next(fast)
    time.sleep(0.2)
    assert len(local.requests) <= 1 + 16
    fast.close()


def test_a_missing_bucket_raises_from_the_iterator(connector):
    objects = connector.iter_objects("no-such-bucket")
    with pytest.raises(BucketNotFoundError):
        next(objects)
    with pytest.raises(BucketNotFoundError):
        connector.list("no-such-bucket", fast=True)
    for wrong in (b"many", None):
        with pytest.raises(TypeError):
            connector.iter_objects(wrong)
    with pytest.raises(TypeError, match="fast comes third"):
        connector.iter_objects("many", True)


def test_throttled_pages_lose_nothing(connector, local):
    count = iter(range(10**6))
    local.on_request = lambda record: (
        Reply(503, "TotalQpsLimitExceeded") if next(count) % 10 == 4 else None
    )
    assert len(set(connector.list("many", fast=True).keys)) == COUNT


PAGE = """<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>
<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>
<Contents><Key>b</Key><Size>1</Size></Contents><Contents><Key>a</Key><Size>2</Size></Contents>
</ListBucketResult>"""


def test_a_store_without_byte_order_is_listed_plainly(connector, local, caplog):
    reply = Reply(200, body=PAGE.encode(), headers={"Content-Type": "application/xml"})
    local.on_request = lambda record: reply
    with caplog.at_level("WARNING"):
        objects = connector.list("many", fast=True)
        assert [obj.key for obj in objects] == ["b", "a"]
        assert [obj.key for obj in connector.iter_objects("many", fast=True)] == ["b", "a"]
        wait_until(lambda: "byte order" in caplog.text)
    assert [obj.key for obj in connector.list("many")] == ["b", "a"]


def test_disorder_in_the_middle_is_an_error_for_an_iterator(connector, local):
    objects = connector.iter_objects("many", fast=True)
    next(objects)
    reply = Reply(200, body=PAGE.encode(), headers={"Content-Type": "application/xml"})
    local.on_request = lambda record: reply
    with pytest.raises(ProtocolError, match="byte order"):
        list(objects)


AT_ONCE = "work in flight ends within a second, docs/semantics.md says; the reply takes a minute"


def test_close_and_giving_up_end_a_listing_soon(make_connector, local):
    replied = 0

    def reply_late(record):
        return None if len(local.requests) <= replied else 2 * HANG_SECONDS

    def close():
        local.reset_requests()
        connector = make_connector(endpoint=local.endpoint)
        outcome = []

        def run():
            try:
                connector.list("many", fast=True)
            except ValueError as error:
                outcome.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        wait_until(lambda: local.requests)
        begin = time.monotonic()
        connector.close()
        thread.join(HANG_SECONDS)
        seconds = time.monotonic() - begin
        assert len(outcome) == 1
        return seconds

    def give_up():
        local.reset_requests()
        with make_connector(endpoint=local.endpoint) as connector:
            objects = connector.iter_objects("many", fast=True)
            next(objects)
            wait_until(lambda: len(local.requests) > 1)
            begin = time.monotonic()
            del objects
            gc.collect()
            return time.monotonic() - begin

    try:
        local.on_request = reply_late
        once_within(1, close, because=AT_ONCE)
        replied = 1
        once_within(1, give_up, because=AT_ONCE)
    finally:
        local.on_request = None


def page_of_long_keys(record):
    """One of 100, a megabyte each."""
    number = int(record.query.get("continuation-token", "0"))
    keys = (f"{number:02d}-{i:03d}-{'k' * 1000}" for i in range(1000))
    rows = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in keys)
    more = f"<NextContinuationToken>{number + 1}</NextContinuationToken>" if number < 99 else ""
    truncated = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
    page = f"<ListBucketResult>{truncated}{more}{rows}</ListBucketResult>"
    return Reply(200, body=page.encode(), headers={"Content-Type": "application/xml"})


@pytest.mark.skipif("OSSMC_SANITIZED" in os.environ, reason="the sanitizers want address space")
def test_a_listing_that_found_no_memory_was_in_use_for_ever(server, local):
    local.on_request = page_of_long_keys
    try:
        done = subprocess.run(
            [sys.executable, str(PROGRAM), "many"],
            capture_output=True,
            text=True,
            check=False,
            env={**server.environ(), "OSS_ENDPOINT": local.endpoint},
            timeout=HANG_SECONDS,
        )
    finally:
        local.on_request = None
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["this listing has failed before: begin another", "True"]
