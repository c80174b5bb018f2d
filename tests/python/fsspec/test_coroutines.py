"""The same by await, for callers that have a loop."""

from __future__ import annotations

import asyncio
import threading

import pytest


@pytest.fixture(scope="module")
def root(bucket):
    for number in range(10):
        bucket.put(f"d/{number}", str(number).encode() * 3)
    return bucket.bucket


def test_they_give_what_the_calls_give(fs, root, tmp_path):
    async def compare():
        path = f"{root}/d/5"
        assert await fs._cat_file(path) == fs.cat_file(path)
        assert await fs._cat_file(path, 1, -1) == b"5"
        assert await fs._cat(f"{root}/d/*") == fs.cat(f"{root}/d/*")
        data, error = await fs._cat_ranges([path, f"{root}/no"], [0, 0], [2, 2])
        assert data == b"55"
        assert isinstance(error, FileNotFoundError)
        assert await fs._info(path) == fs.info(path)
        assert await fs._ls(root) == fs.ls(root)
        assert await fs._find(root, detail=True) == fs.find(root, detail=True)
        assert await fs._glob(f"{root}/*/[1-3]") == fs.glob(f"{root}/*/[1-3]")
        assert [step async for step in fs._walk(root)] == list(fs.walk(root))
        assert await fs._du(root) == fs.du(root)
        assert await fs._exists(path)
        assert await fs._isfile(path)
        assert await fs._isdir(f"{root}/d")
        assert await fs._size(path) == 3
        assert await fs._sizes([path]) == [3]
        assert await fs._expand_path(f"{root}/d/*") == fs.find(root)
        await fs._get(f"{root}/d", str(tmp_path / "d"), recursive=True)
        await fs._get_file(path, str(tmp_path / "file"))

    asyncio.run(compare())
    assert len(list((tmp_path / "d").iterdir())) == 10
    assert (tmp_path / "file").read_bytes() == b"555"


def test_the_loop_goes_on_meanwhile(make_fs, slow_store):
    fs = make_fs(endpoint=slow_store.served.endpoint)

    async def count_while_it_reads():
        reading = asyncio.ensure_future(fs._cat_file(f"{slow_store.bucket}/list/000.bin"))
        turns = 0
        while not reading.done():
            turns += 1
            await asyncio.sleep(0)
        assert await reading == slow_store["list/000.bin"]
        return turns

    assert asyncio.run(count_while_it_reads()) > 1


def test_many_are_in_flight_at_once(fs, root, server):
    async def read_all():
        return await asyncio.gather(*(fs._cat_file(f"{root}/d/{n}") for n in range(4)))

    server.clear_log()
    server.local.on_request = lambda record: 0.5
    try:
        assert asyncio.run(read_all()) == [str(n).encode() * 3 for n in range(4)]
    finally:
        server.local.on_request = None
    log = server.log()
    assert max(record.started for record in log) < min(record.finished for record in log)


def test_one_that_is_asynchronous_serves_any_loop(make_fs, root):
    fs = make_fs(asynchronous=True)
    assert fs.async_impl
    assert fs.asynchronous
    for _ in range(2):
        assert asyncio.run(fs._cat_file(f"{root}/d/1")) == b"111"


def test_a_loop_may_be_given(make_fs):
    loop = asyncio.new_event_loop()
    try:
        assert make_fs(loop=loop).loop is loop
    finally:
        loop.close()


def test_they_work_in_many_loops_at_once(fs, root):
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(asyncio.run(fs._cat_file(f"{root}/d/2"))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [b"222"] * 4
