"""Closing, collecting, the interpreter's end, Ctrl-C, and going on after a failure."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest
from ossmodelconnector import ConnectError, ObjectReader, OssError, TransferTimeoutError
from support.tries import (
    HANG_SECONDS,
    TRIES,
    once,
    once_within,
    tasks,
    wait_until,
    wait_until_it_waits,
)

PROGRAMS = Path(__file__).parent / "programs"
WITHIN_A_SECOND = "work in flight ends within a second (docs/semantics.md); here it takes minutes"


def test_close_of_a_connector_closes_its_readers(make_connector, store):
    connector = make_connector()
    readers = [connector.open(store.uri(key)) for key in store.keys("list/")]
    text = connector.open(store.uri("text.txt"), False)
    assert not connector.closed
    connector.close()
    assert connector.closed
    connector.close()
    assert all(reader.closed for reader in readers)
    assert text.closed
    for call in (
        readers[0].read,
        text.read,
        lambda: connector.open(store.uri("text.txt")),
        lambda: connector.open_many([store.uri("text.txt")]),
        lambda: connector.stat(store.uri("text.txt")),
        lambda: connector.exists(store.uri("text.txt")),
        lambda: connector.list(store.bucket),
        connector.__enter__,
    ):
        with pytest.raises(ValueError, match="closed"):
            call()
    assert connector.stats().memory_bytes == 0


def test_a_reader_whose_connector_was_closed_says_whose_close_it_was(make_connector, store):
    with make_connector() as connector:
        uri = store.uri("text.txt")
        reader, own = connector.open(uri), connector.open(uri)
        chunks = reader.chunks()
    own.close()
    for call in (
        reader.read,
        reader.read1,
        lambda: reader.readinto(bytearray(1)),
        reader.readline,
        reader.readlines,
        lambda: next(reader),
        lambda: iter(reader),
        reader.peek,
        reader.tell,
        lambda: reader.seek(0),
        lambda: reader.read_at(0, bytearray(1)),
        lambda: reader.read_ranges([(0, 1)]),
        reader.getbuffer,
        reader.chunks,
        lambda: next(chunks),
        reader.readable,
        reader.flush,
        reader.__enter__,
    ):
        with pytest.raises(ValueError, match=f"the connector of {uri} is closed, .* keep it open"):
            call()
    for call in (own.read, own.tell, own.readable, own.__enter__, lambda: iter(own)):
        with pytest.raises(ValueError, match="I/O operation on closed file"):
            call()


def test_with(make_connector, store):
    with make_connector() as connector, connector.open(store.uri("text.txt")) as reader:
        assert reader.read() == store["text.txt"]
    assert reader.closed
    assert connector.closed
    reader = None

    def fail():
        nonlocal reader
        with make_connector() as connector:
            reader = connector.open(store.uri("text.txt"))
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fail()
    assert reader.closed
    assert connector.closed


def test_closing_a_reader_gives_its_memory_back(make_connector, store):
    connector = make_connector()
    reader = connector.open(store.uri("large.bin"))
    assert reader.read() == store["large.bin"]
    assert connector.stats().memory_bytes >= reader.size
    reader.close()
    assert connector.stats().memory_bytes == 0


def test_dropping_the_last_reference_gives_its_memory_back(make_connector, store):
    connector = make_connector()
    reader = connector.open(store.uri("large.bin"))
    reader.read()
    assert connector.stats().memory_bytes > 0
    del reader
    gc.collect()
    assert connector.stats().memory_bytes == 0
    text = connector.open(store.uri("text.txt"), False)
    text.readline()
    del text
    gc.collect()
    assert connector.stats().memory_bytes == 0


def test_dropping_a_reader_never_returned_from_python_3_12_on(server, store):
    # The GIL was held meanwhile, so no limit of this process would have ended the wait.
    code = f"""
import gc, io
from ossmodelconnector import ObjectReader, OssModelConnector

connector = OssModelConnector.from_env()
reader = connector.open({store.uri("text.txt")!r})
del reader
unread_text = connector.open({store.uri("text.txt")!r}, False)
del unread_text
buffered = io.BufferedReader(connector.open({store.uri("text.txt")!r}))
buffered.read(10)
del buffered
in_a_cycle = [connector.open({store.uri("text.txt")!r})]
in_a_cycle.append(in_a_cycle)
del in_a_cycle
gc.collect()
assert connector.stats().memory_bytes == 0
left_to_the_end = connector.open({store.uri("large.bin")!r})
print("returned")
"""
    run = subprocess.run(
        [sys.executable, "-W", "ignore::UserWarning", "-c", code],
        env=server.environ(),
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "returned\n", "")


def test_a_subclass_of_the_reader_may_have_a_finalizer_and_come_back(make_connector, store):
    # What Python's own file classes bear: a finalizer that keeps the instance.
    kept = []

    class Kept(ObjectReader):
        def __del__(self):
            kept.append(self)

    connector = make_connector()
    opened = connector.open(store.uri("text.txt"))
    reader = Kept._over(opened._core, connector)
    del opened, reader
    gc.collect()
    (reader,) = kept
    assert reader.closed  # by the first one's end, for both had one core
    kept.clear()
    reader = None
    gc.collect()
    assert not kept  # a finalizer runs once
    assert connector.stats().memory_bytes == 0


def test_readers_and_lists_are_made_by_the_connector_alone(make_connector, store):
    objects = make_connector().list(store.bucket, "list/")
    for kind, source in (
        (ObjectReader, "OssModelConnector.open"),
        (type(objects), "OssModelConnector.list"),
        (type(objects.keys), "ObjectList.keys"),
    ):
        for arguments in ((), (object(),), (object(), object())):
            with pytest.raises(TypeError, match=f"{kind.__name__} is not constructed: {source}"):
                kind(*arguments)


def test_readers_dropped_while_another_thread_collects_garbage(make_connector, store):
    # The collector met readers that were half freed: the process ended by a segmentation fault.
    connector = make_connector()
    stop = threading.Event()

    def collect():
        while not stop.is_set():
            gc.collect(0)

    collector = threading.Thread(target=collect)
    collector.start()
    try:
        for _ in range(200):
            assert connector.open(store.uri("text.txt")).size > 0
    finally:
        stop.set()
        collector.join()
    assert connector.stats().memory_bytes == 0


def test_closing_a_reader_in_flight_gives_its_memory_back(make_connector, slow_store):
    connector = make_connector(slow_store)
    reader = connector.open(slow_store.uri("large.bin"))
    assert connector.stats().memory_bytes > 0
    reader.close()
    wait_until(lambda: connector.stats().memory_bytes == 0)


def test_a_connector_closed_while_a_thread_reads_kept_a_chunk_and_counted_connections(
    make_connector, store
):
    def read(reader):
        with contextlib.suppress(ValueError):
            while True:
                reader.seek(0)
                reader.read()

    for number in range(60):
        connector = make_connector()
        reader = connector.open(store.uri("large.bin"))
        thread = threading.Thread(target=read, args=(reader,))
        thread.start()
        time.sleep(number % 30 * 0.0005)  # somewhere in its reads, or in the first connections
        connector.close()
        thread.join(HANG_SECONDS)
        assert not thread.is_alive()
        stats = connector.stats()
        assert (stats.memory_bytes, stats.connections) == (0, 0)


def test_a_view_outlives_reader_and_connector(make_connector, store):
    connector = make_connector()
    reader = connector.open(store.uri("large.bin"))
    view = reader.getbuffer()
    assert (view.readonly, view.format, view.ndim, view.itemsize) == (True, "B", 1, 1)
    assert len(view) == view.nbytes == reader.size
    assert view.contiguous
    part = view[1000:-1000]
    with pytest.raises(TypeError):
        view[0] = 1
    reader.close()
    assert connector.stats().memory_bytes >= view.nbytes
    connector.close()
    gc.collect()
    assert bytes(view) == store["large.bin"]
    del view, reader, connector
    gc.collect()
    assert bytes(part) == store["large.bin"][1000:-1000]


def test_a_released_view_gives_its_memory_back(make_connector, store):
    connector = make_connector()
    reader = connector.open(store.uri("large.bin"))
    view = reader.getbuffer()
    reader.close()
    assert connector.stats().memory_bytes > 0
    view.release()
    gc.collect()
    assert connector.stats().memory_bytes == 0


def test_a_view_of_an_empty_object(make_connector, store):
    with make_connector().open(store.uri("empty")) as reader:
        view = reader.getbuffer()
        assert (len(view), bytes(view), view.readonly) == (0, b"", True)


def test_a_reader_keeps_its_connector_alive(make_connector, store):
    connector = make_connector()
    gone = weakref.ref(connector)
    reader = connector.open(store.uri("large.bin"))
    make_connector.forget(connector)
    del connector
    gc.collect()
    assert gone() is not None
    assert reader.read() == store["large.bin"]
    reader.close()
    gc.collect()
    assert gone() is None


def test_a_dropped_connector_is_collected_with_its_threads(make_connector, store):
    def file_count():
        return len(os.listdir("/proc/self/fd"))

    gc.collect()
    files, others = file_count(), tasks()
    for _ in range(3):
        connector = make_connector()
        gone = weakref.ref(connector)
        reader = connector.open(store.uri("large.bin"))
        reader.read(1000)
        assert tasks() - others
        make_connector.forget(connector)
        cycle = [reader, connector]
        cycle.append(cycle)
        del connector, reader, cycle
        gc.collect()
        assert gone() is None
    wait_until(lambda: not tasks() - others)
    wait_until(lambda: file_count() <= files)


@pytest.mark.parametrize("closer", ["reader", "connector"])
def test_close_from_another_thread_ends_a_blocked_read(make_connector, slow_store, closer):
    def close():
        connector = make_connector(slow_store)
        reader = connector.open(slow_store.uri("large.bin"))
        outcomes = []

        def read():
            try:
                outcomes.append(reader.read())
            except Exception as error:
                outcomes.append(error)

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        begin = time.monotonic()
        (reader if closer == "reader" else connector).close()
        for thread in threads:
            thread.join(HANG_SECONDS)
        seconds = time.monotonic() - begin
        assert [type(outcome) for outcome in outcomes] == [ValueError] * 3
        return seconds

    once_within(1, close, because=WITHIN_A_SECOND)


def test_a_signal_handler_that_uses_the_reader_it_interrupted_gets_an_error(
    make_connector, slow_store
):
    reader = make_connector(slow_store).open(slow_store.uri("large.bin"))
    seen = []

    def handler(number, frame):
        if seen:
            return
        try:
            reader.tell()
        except RuntimeError as error:
            seen.append(str(error))
            reader.close()  # needs no cursor, and ends the read

    before = signal.signal(signal.SIGALRM, handler)
    try:
        # Again and again: the first ones may come before the read.
        signal.setitimer(signal.ITIMER_REAL, 0.3, 0.3)
        with pytest.raises(ValueError, match="closed"):
            reader.read()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(seen) == 1
    assert "reentrant call" in seen[0]


def test_close_while_open_waits(make_connector, silent_endpoint):
    def close():
        connector = make_connector(endpoint=silent_endpoint)
        outcomes = []

        def run(call):
            try:
                outcomes.append(call())
            except Exception as error:
                outcomes.append(error)

        calls = [
            lambda: connector.open("oss://bucket/key"),
            lambda: connector.stat("oss://bucket/key"),
            lambda: connector.list("bucket"),
        ]
        threads = [threading.Thread(target=run, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        begin = time.monotonic()
        connector.close()
        for thread in threads:
            thread.join(HANG_SECONDS)
        seconds = time.monotonic() - begin
        assert [type(outcome) for outcome in outcomes] == [ValueError] * 3
        return seconds

    once_within(1, close, because=WITHIN_A_SECOND)


def test_a_reader_is_usable_after_a_failed_read(make_connector, store, gate):
    connector = make_connector(
        endpoint=gate.endpoint,
        config={
            "prefetch": {"chunkBytes": "64 KiB", "memoryBytes": "256 KiB", "vcpus": 1},
            "retry.maxAttempts": 1,
        },
    )
    data = store["large.bin"]
    with connector.open(store.uri("large.bin")) as reader:
        assert reader.read(1000) == data[:1000]
        gate.shut()
        with pytest.raises(ConnectError):
            list(iter(lambda: reader.read(10_000), b""))
        position = reader.tell()
        with pytest.raises(OssError):
            reader.read()
        assert reader.tell() == position
        buffer = bytearray(len(data))
        with pytest.raises(OssError):
            reader.readinto(buffer)
        assert reader.tell() == position
        gate.open()
        assert reader.read() == data[position:]
        reader.seek(0)
        assert reader.read() == data


def test_a_read_without_a_new_byte_ends_in_time(make_connector, store, gate):
    connector = make_connector(
        endpoint=gate.endpoint,
        config={
            "prefetch": {"chunkBytes": "64 KiB", "memoryBytes": "256 KiB", "vcpus": 1},
            "timeout": {"readSeconds": 1},
        },
    )
    data = store["large.bin"]

    def in_the_end(call):
        # To a read of a second, a machine that is busy for longer is a server that says nothing.
        for _ in range(TRIES):
            with contextlib.suppress(TransferTimeoutError):
                return call()
        pytest.fail("no new byte for a second, again and again")

    with in_the_end(lambda: connector.open(store.uri("large.bin"))) as reader:
        assert in_the_end(lambda: reader.read(1000)) == data[:1000]

        def read():
            gate.hold()
            begin = time.monotonic()
            with pytest.raises(TransferTimeoutError, match=r"timeout\.readSeconds") as caught:
                reader.read()
            seconds = time.monotonic() - begin
            gate.release()
            assert seconds >= 1
            assert caught.value.uri == store.uri("large.bin")
            assert reader.tell() == 1000
            return seconds

        once_within(4, read, because="timeout.readSeconds is 1; the server says nothing for ever")
        assert in_the_end(reader.read) == data[1000:]


def test_reader_copies_are_refused(make_connector, store):
    import copy

    with make_connector().open(store.uri("text.txt")) as reader:
        for make in (copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="reader"):
                make(reader)


def test_a_subclass_may_be_made(make_connector, store):
    from ossmodelconnector import OssModelConnector

    class Counting(OssModelConnector):
        opened = 0

        def open(self, uri, binary=True):
            self.opened += 1
            return super().open(uri, binary)

    with make_connector(cls=Counting) as connector:
        connector.open(store.uri("text.txt"))
        assert connector.opened == 1


@pytest.mark.parametrize(
    "how",
    [
        "prefetch",
        "daemon threads",
        "cycle",
        "text",
        "closed",
        "several connectors",
        "sys.exit",
        "exception",
    ],
)
def test_interpreter_exit_with_reads_in_flight(slow_store, slow_server, how):
    def end():
        run = subprocess.run(
            [sys.executable, str(PROGRAMS / "exit_in_flight.py"), how, slow_store.uri("large.bin")],
            env=slow_server.environ(),
            capture_output=True,
            text=True,
            timeout=60,
        )
        ended = time.monotonic()
        assert run.stderr == ""
        assert run.returncode == {"sys.exit": 3, "exception": 1}.get(how, 0)
        return ended - float(run.stdout)

    once_within(1, end, because=WITHIN_A_SECOND)


@pytest.mark.parametrize("call", ["open", "open_many", "list", "stat"])
def test_ctrl_c_ends_a_call_that_waits_for_a_reply(server, silent_endpoint, call):
    environ = {**server.environ(), "OSS_ENDPOINT": silent_endpoint}
    once(lambda: is_interrupted_at_once(call, "oss://bucket/key", environ), because=WITHIN_A_SECOND)


@pytest.mark.parametrize(
    "call",
    [
        "read",
        "readinto",
        "readline",
        "read_at",
        "read_ranges",
        "getbuffer",
        "chunks",
        "verify",
        "ranges",
        "cold read",
        "cold readinto",
        "cold read_at",
        "cold read_ranges",
    ],
)
def test_ctrl_c_ends_a_blocked_read(slow_server, slow_store, call):
    uri = slow_store.uri("large.bin")
    once(lambda: is_interrupted_at_once(call, uri, slow_server.environ()), because=WITHIN_A_SECOND)


def is_interrupted_at_once(call, uri, environ):
    program = subprocess.Popen(
        [sys.executable, str(PROGRAMS / "interrupted.py"), call, uri],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert program.stdout.readline() == "waiting\n"
        wait_until_it_waits(program.pid)
        begin = time.monotonic()
        program.send_signal(signal.SIGINT)
        output, errors = program.communicate(timeout=HANG_SECONDS)
        seconds = time.monotonic() - begin
        assert errors == ""
        assert output.split()[0] == "interrupted"
        assert program.returncode == 0
        closing = float(output.split()[1])
        return closing < 1 and seconds < 2
    finally:
        program.kill()
        program.wait()


def test_text_wrapper_closes_its_reader(make_connector, store):
    text = make_connector().open(store.uri("text.txt"), False)
    reader = text.buffer
    text.close()
    assert reader.closed
    text = make_connector().open(store.uri("text.txt"), False)
    reader = text.detach()
    assert not reader.closed
    assert isinstance(io.TextIOWrapper(reader).read(), str)
