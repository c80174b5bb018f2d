"""Connectors across processes: fork, spawn, forkserver, DataLoader, pickle."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import pickle
import subprocess
import sys
import threading
import time

import oss2.credentials
import pytest
from ossmodelconnector import ObjectReader, OssModelConnector
from support.forked_child import in_child
from support.run_program import run_program
from support.tries import HANG_SECONDS, once, once_within

METHODS = ["fork", "spawn", "forkserver"]


def digest(data):
    return hashlib.sha256(data).hexdigest()


def test_all_threads_of_a_child_stood_still_while_its_engine_started(server, store, tmp_path):
    arguments = ["forked", str(tmp_path), store.uri("text.txt")]
    assert run_program("engine_start.py", arguments, server) == "done"


@pytest.mark.parametrize("method", METHODS)
def test_start_methods(server, store, method):
    keys = ["large.bin", *store.keys("list/")[:5], "text.txt"]
    expected = [digest(store[key]) for key in keys]
    output = run_program("start_methods.py", [method, *map(store.uri, keys)], server)
    assert output["parent"] == expected
    assert [child["digests"] for child in output["children"]] == [expected] * 2
    assert len({child["pid"] for child in output["children"]}) == 2
    assert all(child["listed"] > len(keys) for child in output["children"])
    assert all(child["repr"].startswith("<OssModelConnector") for child in output["children"])
    assert set(output["exit codes"]) == {0}
    assert output["position"] == 100_000
    assert output["rest of parent"] == expected[0]
    lines = store["text.txt"].decode().splitlines(keepends=True)
    assert [output["first line"], output["second line"]] == lines[:2]
    if method == "fork":
        (forked,) = output["forked"]
        assert forked["position"] == 100_000
        assert forked["etag"] == output["etag"]
        assert forked["rest"] == digest(store["large.bin"][100_000:])
        assert forked["all"] == forked["view"] == expected[0]
        assert forked["line"] == lines[1]


@pytest.mark.parametrize("method", METHODS)
def test_data_loader(server, store, method):
    pytest.importorskip(
        "torch", reason="torch is not installed: see tests/support/install_torch.py"
    )
    keys = ["large.bin", *store.keys("list/")[:7]]
    expected = [digest(store[key]) for key in keys]
    output = run_program("data_loader.py", [method, *map(store.uri, keys)], server)
    assert output["digests"] == expected
    results = output["results"]
    assert [index for index, _, _ in results] == list(range(8))
    assert [found for _, _, found in results] == expected
    workers = {pid for _, pid, _ in results}
    assert output["parent"] not in workers
    assert len(workers) == 2


def test_forked_child_with_an_unused_connector(make_connector, store):
    connector = make_connector()
    assert in_child(lambda: digest(connector.open(store.uri("large.bin")).read())) == digest(
        store["large.bin"]
    )
    assert connector.exists(store.uri("large.bin"))


@pytest.mark.parametrize(
    "read",
    [
        lambda reader: reader.read(100),
        lambda reader: reader.readline(100),
        lambda reader: reader.peek(100)[:100],
        lambda reader: reader.read_ranges([(0, 100)])[0],
        lambda reader: bytes(reader.getbuffer()[:100]),
        lambda reader: read_into(reader.readinto),
        lambda reader: read_into(lambda buffer: reader.read_at(0, buffer)),
    ],
    ids=["read", "readline", "peek", "read_ranges", "getbuffer", "readinto", "read_at"],
)
def test_whichever_call_is_the_first_in_a_forked_child_has_threads_to_serve_it(
    make_connector, store, read
):
    connector = make_connector(config={"prefetch": {"chunkBytes": "64 KiB"}})
    reader = connector.open(store.uri("large.txt"))

    def child():
        position = reader.tell()  # needs no threads
        return [position, digest(read(reader)), len(reader.read_ranges([(0, reader.size)])[0])]

    first = store["large.txt"][:100]
    line = first[: first.index(b"\n") + 1]
    position, found, size = in_child(child)
    assert (position, size) == (0, len(store["large.txt"]))
    assert found in (digest(first), digest(line))


def read_into(call):
    buffer = bytearray(100)
    assert call(buffer) == 100
    return bytes(buffer)


def test_grandchild(make_connector, store):
    connector = make_connector()
    reader = connector.open(store.uri("large.bin"))
    reader.read(10)
    rest = digest(store["large.bin"][10:])

    def child():
        grandchild = in_child(lambda: digest(reader.read()))
        return [grandchild, digest(reader.read())]

    assert in_child(child) == [rest, rest]
    assert digest(reader.read()) == rest


@pytest.mark.skipif(
    "OSSMC_SANITIZED" in os.environ,
    reason="the allocator of GCC 12's AddressSanitizer may be locked in a child of many threads",
)
def test_fork_while_threads_read(make_connector, store):
    connector = make_connector()
    expected = digest(store["large.bin"])
    stop = threading.Event()
    faults = []

    def read_all():
        while not stop.is_set():
            with connector.open(store.uri("large.bin")) as reader:
                if digest(reader.read()) != expected:
                    faults.append("wrong bytes")

    threads = [threading.Thread(target=read_all) for _ in range(3)]
    for thread in threads:
        thread.start()
    shared = connector.open(store.uri("large.bin"))
    try:
        for _ in range(5):

            def child():
                with connector.open(store.uri("large.bin")) as reader:
                    return [digest(reader.read()), digest(shared.read())]

            assert in_child(child) == [expected, expected]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not faults


def test_child_notices_that_the_object_was_overwritten(make_connector, store):
    store.put("processes/changed", b"old" * 100_000)
    connector = make_connector()
    reader = connector.open(store.uri("processes/changed"))
    reader.read(3)
    store.put("processes/changed", b"new" * 100_000)

    def child():
        try:
            return reader.read().decode()
        except OSError as error:
            return type(error).__name__

    assert in_child(child) == "ObjectChangedError"


def test_closed_in_the_parent_is_closed_in_the_child(make_connector, store):
    connector = make_connector()
    reader = connector.open(store.uri("text.txt"))
    reader.close()
    connector.close()

    def child():
        outcomes = []
        for call in (reader.read, lambda: connector.exists(store.uri("text.txt"))):
            try:
                outcomes.append(repr(call()))
            except ValueError as error:
                outcomes.append(str(error))
        return [reader.closed, connector.closed, *outcomes]

    closed, connector_closed, *texts = in_child(child)
    assert closed
    assert connector_closed
    assert all("closed" in text for text in texts)


def test_closing_in_the_child_leaves_the_parent_alone(make_connector, store):
    connector = make_connector()
    reader = connector.open(store.uri("large.bin"))
    reader.read(10)

    def child():
        reader.close()
        connector.close()
        return connector.stats().memory_bytes

    assert in_child(child) == 0
    assert digest(reader.read()) == digest(store["large.bin"][10:])


def test_child_that_ends_without_using_it_is_silent(server, store):
    code = (
        "import os, sys, warnings; warnings.simplefilter('ignore')\n"
        "from ossmodelconnector import OssModelConnector\n"
        "connector = OssModelConnector.from_env()\n"
        f"reader = connector.open({store.uri('large.bin')!r})\n"
        "child = os.fork()\n"
        "if child == 0: sys.exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert len(reader.read()) == reader.size\n"
    )
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-c", code],
        env=server.environ(),
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_fork_waits_for_a_provider_call_but_not_for_long(make_connector, store, server):
    """A lock that the provider holds would stay locked in the child for ever."""
    entered, leave = threading.Event(), threading.Event()
    lock = threading.Lock()

    class Locking:
        def get_credentials(self):
            with lock:
                entered.set()
                leave.wait(HANG_SECONDS)
                return oss2.credentials.Credentials(server.access_key_id, server.access_key_secret)

    def fork_while_it_is_called(leave_after):
        """Whether the child finds the lock free, and how long that took."""
        entered.clear()
        leave.clear()
        connector = make_connector(cred_provider=Locking())
        caller = threading.Thread(target=connector.exists, args=(store.uri("text.txt"),))
        caller.start()
        assert entered.wait(HANG_SECONDS)
        begin = time.monotonic()
        if leave_after is not None:
            threading.Timer(leave_after, leave.set).start()
        is_free = in_child(lambda: lock.acquire(blocking=False))
        seconds = time.monotonic() - begin
        leave.set()
        caller.join()
        return is_free, seconds

    def waits():
        is_free, seconds = fork_while_it_is_called(0.3)
        # It waited for the provider; where that came too late, as long as a fork may.
        assert seconds > (0.2 if is_free else 0.9)
        return is_free and seconds < 5

    def waits_not_for_long():
        is_free, seconds = fork_while_it_is_called(None)
        assert not is_free
        assert seconds > 0.9
        return seconds

    once(waits, because="the timer that lets the provider go may come after the fork's second")
    once_within(3, waits_not_for_long, because="a fork waits for a second at most")


def test_child_starts_with_the_parents_keys(make_connector, store, server):
    class Counting:
        calls = 0

        def get_credentials(self):
            self.calls += 1
            return oss2.credentials.Credentials(server.access_key_id, server.access_key_secret)

    provider = Counting()
    connector = make_connector(cred_provider=provider)
    assert connector.exists(store.uri("text.txt"))
    assert in_child(lambda: [connector.exists(store.uri("text.txt")), provider.calls]) == [True, 1]


def test_connector_pickles_as_its_configuration(make_connector, store, tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"prefetch": {"memoryBytes": "64 MiB", "chunkBytes": "128 KiB"}}')
    connector = make_connector(
        config_path=path, config={"prefetch": {"memoryBytes": "32 MiB"}}, region="cn-hangzhou"
    )
    connector.open(store.uri("large.bin"))
    path.unlink()  # the other machine need not have it
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        with pickle.loads(pickle.dumps(connector, protocol)) as again:
            assert type(again) is OssModelConnector
            assert again.region == "cn-hangzhou"
            assert again.stats().memory_limit_bytes == 32 << 20
            assert again.stats().requests == 0
            with again.open(store.uri("text.txt")) as reader:
                assert type(reader) is ObjectReader
                assert reader.read() == store["text.txt"]
        assert not connector.closed


class Labelled(OssModelConnector):
    """A user's class, whose constructor takes something else."""

    def __init__(self, label, **arguments):
        self.label = label
        super().__init__(**arguments)


def test_a_derived_class_keeps_its_attributes_through_pickling(make_connector, store):
    connector = make_connector(cls=functools.partial(Labelled, ["label"]))
    connector.later = {"step": 1}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pickle.loads(pickle.dumps(connector, protocol)) as again:
            assert type(again) is Labelled
            assert (again.label, again.later) == (["label"], {"step": 1})
            assert again.open(store.uri("text.txt")).read() == store["text.txt"]


def test_unpickling_gives_no_second_warning(make_connector):
    data = pickle.dumps(make_connector())  # signature V1 has warned already
    pickle.loads(data).close()


def test_connector_with_a_credentials_file_pickles(make_connector, store, server, tmp_path):
    path = tmp_path / "keys.json"
    keys = {"AccessKeyId": server.access_key_id, "AccessKeySecret": server.access_key_secret}
    path.write_text(json.dumps(keys))
    data = pickle.dumps(make_connector(cred_provider=None, cred_path=path))
    assert server.access_key_secret.encode() not in data
    with pickle.loads(data) as again:
        assert again.exists(store.uri("text.txt"))


def test_provider_that_cannot_be_pickled_is_named(make_connector):
    for provider in (
        oss2.credentials.EcsRamRoleCredentialsProvider("http://127.0.0.1:1/role"),
        type("Local", (), {"get_credentials": lambda self: None})(),
    ):
        with pytest.raises(TypeError) as caught:
            pickle.dumps(make_connector(cred_provider=provider))
        assert type(provider).__name__ in str(caught.value)
        assert "cred_path" in str(caught.value)


def test_closed_connector_does_not_pickle(make_connector):
    connector = make_connector()
    connector.close()
    with pytest.raises(ValueError, match="closed"):
        pickle.dumps(connector)


def test_reader_does_not_pickle(make_connector, store):
    connector = make_connector()
    reader = connector.open(store.uri("text.txt"))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="reader"):
            pickle.dumps(reader, protocol)
    with pytest.raises(TypeError):
        pickle.dumps(connector.open(store.uri("text.txt"), False))
