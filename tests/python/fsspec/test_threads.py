"""Threads that seek and read in one file without a lock, as DuckDB's do."""

from __future__ import annotations

import _thread
import io
import queue
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from ossmodelconnector import AccessDeniedError
from ossmodelconnector.local import Reply

SECONDS = 20
DATA = random.Random(25).randbytes(3 << 20)


@pytest.fixture(scope="module")
def path(bucket):
    bucket.put("data", DATA)
    return bucket.uri("data").removeprefix("oss://")


@pytest.fixture
def file(fs, path):
    fs.ls(path.rpartition("/")[0])
    with fs.open(path, prefetch=False) as opened:
        yield opened


def in_foreign_threads(jobs):
    """Runs them in threads that Python's `threading` knows nothing of; their results in order."""
    done = queue.Queue()

    def run(number, job):
        try:
            done.put((number, job()))
        except BaseException as error:
            done.put((number, error))

    for number, job in enumerate(jobs):
        _thread.start_new_thread(run, (number, job))
    results = dict(done.get(timeout=SECONDS) for _ in jobs)
    return [results[number] for number in range(len(jobs))]


def seek_all_then_read(file, places, size):
    """Each in a thread of its own; nobody reads before all have sought."""
    barrier = threading.Barrier(len(places))

    def read(place):
        file.seek(place)
        barrier.wait(SECONDS)
        return file.read(size)

    return in_foreign_threads([lambda place=place: read(place) for place in places])


def test_duckdb_got_the_bytes_that_another_thread_had_sought(file):
    places = [5 << 16, 0, 2 << 20, 77, 1 << 20, (3 << 20) - 100, 3 << 20]
    for size in (1000, 300_000):
        got = seek_all_then_read(file, places, size)
        assert got == [DATA[place : place + size] for place in places]


def test_such_reads_do_not_wait_for_each_other(file, server):
    count, at_first_end = 4, []
    server.local.reset_requests()
    server.local.latency = 1.0
    try:

        def read(place):
            file.seek(place)
            data = file.read(1000)
            at_first_end.append(len(server.local.requests))
            return data == DATA[place : place + 1000]

        jobs = [lambda at=at: read(at << 19) for at in range(count)]
        assert in_foreign_threads(jobs) == [True] * count
        assert at_first_end[0] == count
    finally:
        server.local.latency = 0.0


def test_the_main_thread_reads_where_it_sought_too(file):
    file.seek(1000)
    assert seek_all_then_read(file, [2 << 20], 10) == [DATA[2 << 20 :][:10]]
    assert file.tell() == 1000
    assert file.read(10) == DATA[1000:1010]
    assert file.read(10) == DATA[1010:1020]


def test_threads_of_python_hand_a_file_on(file):
    """As in asyncio.to_thread(file.seek, 0): the next call may be in another thread."""
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        assert one.submit(file.seek, 0, io.SEEK_END).result(SECONDS) == len(DATA)
        assert other.submit(file.seek, 100).result(SECONDS) == 100
        assert one.submit(file.read, 5).result(SECONDS) == DATA[100:105]
        assert other.submit(file.read, 5).result(SECONDS) == DATA[105:110]
        assert other.submit(file.tell).result(SECONDS) == file.tell() == 110


def test_a_read_without_a_seek_goes_on_where_the_last_one_ended(file):
    """Arrow seeks in one thread and streams in others."""
    assert in_foreign_threads([lambda: file.seek(500)]) == [500]
    assert in_foreign_threads([lambda: file.read(20)]) == [DATA[500:520]]
    assert in_foreign_threads([lambda: file.read(20)]) == [DATA[520:540]]
    assert file.read(20) == DATA[540:560]


def test_all_calls_begin_where_their_thread_sought(file):
    def of_another(call, place):
        def run():
            file.seek(place)
            file.seek(10, io.SEEK_CUR)
            in_foreign_threads([lambda: file.seek(2 << 20)])
            assert file.tell() == place + 10
            return call()

        return run

    buffer = bytearray(50)
    expected = io.BytesIO(DATA)
    expected.seek(1010)
    line = expected.readline()
    calls = {
        "read1": (lambda: file.read1(50), DATA[1010:1060]),
        "read_buffer": (lambda: file.read_buffer(50), DATA[1010:1060]),
        "readinto": (lambda: (file.readinto(buffer), bytes(buffer)), (50, DATA[1010:1060])),
        "readline": (file.readline, line),
        "next": (lambda: next(file), line),
        "peek": (lambda: file.peek(5)[:5], DATA[1010:1015]),
        "chunks": (lambda: b"".join(map(bytes, file.chunks())), DATA[1010:]),
    }
    for name, (call, wanted) in calls.items():
        assert in_foreign_threads([of_another(call, 1000)]) == [wanted], name


def test_a_read_that_fails_moves_no_cursor(make_fs, path, server):
    fs = make_fs(config={"retry.maxAttempts": 1})
    with fs.open(path, prefetch=False) as file:
        file.seek(1 << 20)
        server.local.on_request = lambda record: Reply(403, "AccessDenied")
        try:
            with pytest.raises(AccessDeniedError):
                file.read(100_000)
        finally:
            server.local.on_request = None
        assert file.tell() == 1 << 20
        assert file.read(100_000) == DATA[1 << 20 :][:100_000]


def test_it_reads_as_a_file_does(file):
    same, draw = io.BytesIO(DATA), random.Random(7)
    for _ in range(300):
        name = draw.choice(["seek", "relative", "end", "read", "readinto", "readline", "tell"])
        if name == "seek":
            place = draw.randrange(len(DATA) + 10)
            assert file.seek(place) == same.seek(place)
        elif name == "relative":
            by = draw.randrange(-1000, 1000)
            assert file.seek(by, io.SEEK_CUR) == same.seek(by, io.SEEK_CUR)
        elif name == "end":
            by = -draw.randrange(2000)
            assert file.seek(by, io.SEEK_END) == same.seek(by, io.SEEK_END)
        elif name == "read":
            size = draw.choice([0, 1, 100, 70_000])
            assert file.read(size) == same.read(size)
        elif name == "readinto":
            mine, other = bytearray(333), bytearray(333)
            assert file.readinto(mine) == same.readinto(other)
            assert mine == other
        elif name == "readline":
            assert file.readline(500) == same.readline(500)
        else:
            assert file.tell() == same.tell()
    file.seek(0)
    assert file.read() == DATA


def test_what_a_read_refuses(file):
    with pytest.raises(ValueError, match="negative seek value"):
        file.seek(-1)
    file.seek(5)
    with pytest.raises(TypeError):
        file.read("5")
    assert file.read(3) == DATA[5:8]
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.seek(0)
    with pytest.raises(ValueError, match="closed"):
        file.read(1)
