"""No Python threads of ours: callers ask providers and hand log records on, whatever they are."""

from __future__ import annotations

import concurrent.futures
import hashlib
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone

import alibabacloud_oss_v2
import pytest
from ossmodelconnector import CredentialsError, OssError
from support.forked_child import in_child
from support.run_program import PROGRAMS, run_program
from support.tries import HANG_SECONDS, once_within

EXITS = int(os.environ.get("OSSMC_EXITS", "40"))


def digest(data):
    return hashlib.sha256(data).hexdigest()


def skip_unless_installed(library):
    # Not imported here: eventlet warns of each fork of a process that has imported it.
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} has no wheel for this Python")


class Provider:
    """Gives the server's keys, after it has done `what`."""

    def __init__(self, server, what=lambda: None, seconds=None):
        self.keys = (server.access_key_id, server.access_key_secret)
        self.what = what
        self.seconds = seconds
        self.calls = 0

    def get_credentials(self):
        self.calls += 1
        self.what()
        given = alibabacloud_oss_v2.credentials.Credentials(*self.keys)
        if self.seconds is not None:
            given.expiration = datetime.now(timezone.utc) + timedelta(seconds=self.seconds)
        return given


# Providers in the threads of their callers


def test_no_thread_of_ours_is_there_before_and_after_a_log_line(make_connector, store, server):
    before = set(threading.enumerate())
    connector = make_connector(cred_provider=Provider(server), config={"logLevel": 0})
    with connector.open(store.uri("large.bin")) as reader:
        reader.read()
    assert set(threading.enumerate()) == before


def test_a_caller_who_needs_keys_asks_at_once(make_connector, store, server):
    def first_call():
        connector = make_connector(cred_provider=Provider(server))
        begin = time.monotonic()
        assert connector.exists(store.uri("text.txt"))
        return time.monotonic() - begin

    once_within(0.09, first_call, because="a caller that waits looks around every 100 ms")


def test_one_caller_asks_and_the_others_wait_for_the_answer(make_connector, store, server):
    provider = Provider(server, lambda: time.sleep(0.3))
    connector = make_connector(cred_provider=provider)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(connector.exists, [store.uri("text.txt")] * 8))
    assert found == [True] * 8
    assert provider.calls == 1


def test_a_bad_argument_is_told_before_the_provider_is_asked(make_connector, server):
    provider = Provider(server)
    connector = make_connector(cred_provider=provider)
    with pytest.raises(ValueError, match="oss://"):
        connector.open("oss://bucket-without-a-key")
    assert provider.calls == 0


def test_a_provider_that_uses_its_own_connector_is_told_so(make_connector, store, server):
    connector = make_connector(
        cred_provider=Provider(server, lambda: connector.exists(store.uri("text.txt")))
    )

    def ask():
        begin = time.monotonic()
        with pytest.raises(CredentialsError, match=r"Provider uses the connector.*of its own"):
            connector.exists(store.uri("text.txt"))
        return time.monotonic() - begin

    once_within(5, ask, because="it does not wait for itself, which would take 10 s")


def test_a_provider_that_uses_its_own_connector_while_keys_are_good_may(
    make_connector, store, server
):
    found = []

    def use():
        if provider.calls > 1:
            found.append(connector.exists(store.uri("text.txt")))

    provider = Provider(server, use, seconds=8)  # to be renewed after 6.8 s
    connector = make_connector(cred_provider=provider)
    connector.exists(store.uri("text.txt"))
    deadline = time.monotonic() + HANG_SECONDS
    while provider.calls < 2 and time.monotonic() < deadline:
        assert connector.exists(store.uri("text.txt"))
        time.sleep(0.05)
    assert all(found)
    assert found


class GreenletExit(BaseException):
    """As greenlet's, which comes where a greenlet is killed."""


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GreenletExit])
def test_what_ends_a_caller_in_its_provider_reaches_it(make_connector, store, server, kind):
    def end():
        if provider.calls == 1:
            raise kind

    provider = Provider(server, end)
    connector = make_connector(cred_provider=provider)
    with pytest.raises(kind):
        connector.exists(store.uri("text.txt"))
    assert connector.exists(store.uri("text.txt"))  # the next one asks again, at once
    assert provider.calls == 2


def test_ctrl_c_ends_a_provider_that_hangs(make_connector, store, server):
    provider = Provider(server, lambda: threading.Event().wait(HANG_SECONDS))
    connector = make_connector(cred_provider=provider)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        connector.exists(store.uri("text.txt"))
    assert time.monotonic() - begin < HANG_SECONDS / 2
    timer.join()


def test_prefetch_with_keys_that_ended_goes_on_with_the_next_call(make_connector, store, server):
    provider = Provider(server, seconds=1)
    config = {"prefetch": {"chunkBytes": "64 KiB", "memoryBytes": "256 KiB"}}
    connector = make_connector(cred_provider=provider, config=config)
    reader = connector.open(store.uri("large.bin"))
    head = reader.read(10)
    calls = provider.calls
    time.sleep(1.2)
    assert provider.calls == calls  # nobody calls: nobody asks
    assert digest(head + reader.read()) == digest(store["large.bin"])
    assert provider.calls > calls


def test_a_provider_that_forks_goes_on_in_the_parent_and_ends_its_call_in_the_child(
    make_connector, store, server
):
    read_end, write_end = os.pipe()
    me = os.getpid()
    connector = make_connector(cred_provider=Provider(server, lambda: os.fork()))
    try:
        assert connector.exists(store.uri("text.txt")) or os.getpid() != me
    except RuntimeError as error:
        if os.getpid() == me:
            raise
        os.write(write_end, str(error).encode())
    except BaseException as error:
        os.write(write_end, repr(error).encode())
    if os.getpid() != me:
        os._exit(0)
    os.close(write_end)
    with open(read_end) as pipe:
        assert "call again" in pipe.read()
    os.wait()


def test_fork_at_any_moment(make_connector, store, server):
    """While callers ask, wait, read and hand records on."""
    expected = digest(store["large.bin"])
    stop = threading.Event()
    faults = []

    def work():
        while not stop.is_set():
            provider = Provider(server, lambda: time.sleep(0.002), seconds=60)
            connector = make_connector(cred_provider=provider, config={"logLevel": 0})
            try:
                with connector.open(store.uri("large.bin")) as reader:
                    if digest(reader.read()) != expected:
                        faults.append("wrong bytes")
            except OssError as error:
                faults.append(error)
            connector.close()

    shared = make_connector(cred_provider=Provider(server))
    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(12):
            assert in_child(lambda: digest(shared.open(store.uri("large.bin")).read())) == expected
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert not faults


# Programs of other kinds


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_greenlets(server, store, library, when):
    skip_unless_installed(library)
    keys = ["large.bin", "text.txt"] * 4
    said = run_program("greenlets.py", [library, when, *map(store.uri, keys)], server)
    assert said["digests"] == [digest(store[key]) for key in keys]
    assert said["calls"] == 1
    assert said["records"] > 0
    assert said["seconds"] < HANG_SECONDS / 3  # 10 s: a caller that waited for its own thread
    before, after = said["threads"]
    # logging itself makes gevent's greenlets known as threads.
    assert [name for name in after if not name.startswith("Dummy")] == before


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("where", ["in child", "here"])
def test_descriptors_closed_by_others(server, https_server, new_bucket, tmp_path, scheme, where):
    served = server if scheme == "http" else https_server
    store = new_bucket(f"closed-{scheme}-{where.replace(' ', '-')}", served)
    store.put("object", bytes(range(256)) * 8192)
    arguments = [where, str(tmp_path), store.uri("object"), str(served.ca_file or "")]
    said = run_program("closed_descriptors.py", arguments, served)
    assert said["digests"] == [digest(store["object"])] * 3
    assert said["listed"] == 1
    assert said["written"] == []  # into files and sockets that got our numbers
    assert said["lines"] > 0
    assert said["cpu"] < 0.2
    assert said["seconds"] < HANG_SECONDS / 3


@pytest.mark.parametrize("how", ["uvloop", "expired", "plain"])
def test_at_rest_it_takes_less_than_a_hundredth_of_a_core(server, store, how):
    if how == "uvloop":
        skip_unless_installed("uvloop")
    loads = []

    def is_idle():
        said = run_program("at_rest.py", [how, "5", store.uri("large.bin")], server)
        assert set(said["digests"]) == {digest(store["large.bin"])}
        before, after = said["threads"]
        assert after == before
        loads.append(said["load"])
        return loads[-1] < 0.01

    assert is_idle() or is_idle(), loads  # a busy machine makes each wake-up dearer


def test_exits_at_random_moments_are_silent_and_end(server, store, tmp_path):
    """OSSMC_EXITS=1000 for a long run."""
    uri = store.uri("large.bin")

    def run(seed):
        command = [
            sys.executable,
            str(PROGRAMS / "exit_at_random.py"),
            str(seed),
            str(tmp_path),
            uri,
        ]
        try:
            done = subprocess.run(
                command, env=server.environ(), capture_output=True, text=True, timeout=HANG_SECONDS
            )
        except subprocess.TimeoutExpired:
            return (seed, "hung")
        is_good = done.returncode in (0, 1) and not done.stdout and not done.stderr
        return None if is_good else (seed, done.returncode, done.stdout, done.stderr[-2000:])

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        faults = [fault for fault in pool.map(run, range(EXITS)) if fault]
    assert not faults
