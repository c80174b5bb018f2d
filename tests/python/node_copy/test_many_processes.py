"""Several processes open a model with one node copy: what they receive and hold, and who dies."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import oss2.credentials
import pytest
from ossmodelconnector._node_copy import _copies, open_folder
from ossmodelconnector._node_copy._names import Key
from ossmodelconnector._node_copy._take import Mine, take
from ossmodelconnector.local import Credential, LocalServer
from ossmodelconnector.safetensors import open_model
from support.copy_users import highest, model_files, users
from support.forked_child import in_child
from support.tries import wait_until

KiB, MiB, GiB = 1 << 10, 1 << 20, 1 << 30
KEYS = ("node-copy-tests", "their-secret")


@pytest.fixture
def shared_memory():
    """A folder in /dev/shm."""
    top = Path(tempfile.mkdtemp(prefix="ossmc-test-", dir="/dev/shm"))
    yield top
    shutil.rmtree(top)


def names_in(top):
    return sorted(path.name for path in top.glob("*/*"))


def serve(files, **options):
    server = LocalServer(credentials=(Credential(*KEYS),), buckets=["models"], **options)
    with_server = server.__enter__()
    for i, data in enumerate(files):
        with_server.put_object("models", f"llama/{i}.safetensors", data)
    return server


@pytest.fixture
def serving():
    """serving(files, **options): a server with a model of these files; it ends with the test."""
    made = []

    def serving(files, **options):
        made.append(serve(files, **options))
        return made[-1]

    yield serving
    for server in made:
        server.__exit__(None, None, None)


def sent(server):
    return sum(one.bytes_sent for one in server.requests)


def measure(server, total, top, seconds):
    """Four processes at once; what the server sent and they held, in multiples of the model."""
    arguments = {"node_copy": top}
    with users(4, server.endpoint, KEYS, "oss://models/llama/", **arguments) as made:
        before = sum(user.held_bytes() for user in made)
        answers = []

        def ask(user):
            answers.append(user.answer(seconds))

        for user in made:
            user.tell("open")
        asking = [threading.Thread(target=ask, args=(user,)) for user in made]
        for thread in asking:
            thread.start()
        held = highest(
            lambda: sum(user.held_bytes() for user in made) - before,
            lambda: not any(thread.is_alive() for thread in asking),
            seconds,
        )
        held = max(held, sum(user.held_bytes() for user in made) - before)
        assert len(set(answers)) == 1
        assert len(answers) == 4
        changed = made[2].ask("change")
        assert changed != answers[0]
        assert [user.ask("digest") for user in (made[0], made[1], made[3])] == answers[:1] * 3
        for user in made:
            user.end()
    assert names_in(top) == []
    return sent(server) / total, held / total


def test_four_processes_receive_and_hold_a_model_once(serving, shared_memory):
    files = model_files(files=8, elements=MiB // 2)  # 80 MiB
    total = sum(map(len, files))
    received, held = measure(serving(files), total, shared_memory, 60)
    assert received < 1.02
    # What each process has of its own, with its connector, is as much for a model of 1 GiB.
    assert held < 1.1 + 40 * MiB / total


@pytest.mark.long
@pytest.mark.timeout(600)
def test_four_processes_receive_and_hold_a_gigabyte_once(serving, shared_memory):
    if os.statvfs("/dev/shm").f_bavail * os.statvfs("/dev/shm").f_frsize < 2 * GiB:
        pytest.skip("/dev/shm has no room for the model")
    block = random.Random(1).randbytes(4 * MiB)
    files = gigabyte(block)
    total = sum(map(len, files))
    received, held = measure(serving(files), total, shared_memory, 400)
    print(f"received {received:.4f}, held {held:.4f} of {total} bytes")
    assert received <= 1.02
    assert held <= 1.1


def gigabyte(block):
    """8 files of 128 MiB."""
    from support.tensor_files import Raw, tensor_file

    data = block * 8
    return [
        tensor_file({f"{i}.{j}": Raw("I32", (len(data) // 4,), data) for j in range(4)})
        for i in range(8)
    ]


def kill_one(server, top, chance, seconds):
    """A round of four processes, of which one is killed; the others must not notice."""
    arguments = {"node_copy": top, "config": {"prefetch.chunkBytes": 256 * KiB}}
    with users(4, server.endpoint, KEYS, "oss://models/llama/", **arguments) as made:
        for user in made:
            user.tell("open")
        time.sleep(chance.random() * seconds)
        killed = chance.choice(made)
        killed.kill()
        others = [user for user in made if user is not killed]
        answers = {user.answer() for user in others}
        for user in chance.sample(others, 3):
            user.end()
    return answers, names_in(top)


def kills(serving, top, rounds, seed):
    files = model_files(files=4, elements=100_000)  # 8 MB, in about half a second
    server = serving(files, rate_per_connection=600_000)
    with users(1, server.endpoint, KEYS, "oss://models/llama/") as (plain,):
        began = time.monotonic()
        right = plain.ask("open")
        seconds = 1.3 * (time.monotonic() - began)
        plain.end()
    chance = random.Random(seed)
    for number in range(rounds):
        answers, left = kill_one(server, top, chance, seconds)
        assert answers == {right}, f"round {number} of seed {seed}"
        assert left == [], f"round {number} of seed {seed}"


def test_death_of_any_process_does_others_no_harm(serving, shared_memory):
    kills(serving, shared_memory, 4, seed=int(time.time()))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_fifty_deaths_do_others_no_harm(serving, shared_memory):
    kills(serving, shared_memory, 50, seed=int(time.time()))


def test_next_start_removes_what_a_killed_process_left(serving, shared_memory):
    server = serving(model_files())
    with users(2, server.endpoint, KEYS, "oss://models/llama/", node_copy=shared_memory) as made:
        first, second = made
        first.ask("open")
        first.kill()
        assert len(names_in(shared_memory)) == 2
        left = {path.stat().st_ino for path in shared_memory.glob("*/*")}
        second.ask("open")
        assert left & {path.stat().st_ino for path in shared_memory.glob("*/*")} == set()
        second.end()
    assert names_in(shared_memory) == []


def test_who_waits_takes_over_from_who_fails(serving, shared_memory, make_connector):
    """The first one has the wrong keys, and finds that out when it fetches."""
    server = serving(model_files(), latency=1)
    keys = oss2.credentials.StaticCredentialsProvider(*KEYS)
    reading = make_connector(endpoint=server.endpoint, cred_provider=keys)
    listed = list(reading.list("models", "llama/"))
    wrong = ("somebody", "else")
    with (
        users(1, server.endpoint, wrong, listed, node_copy=shared_memory) as (stranger,),
        users(2, server.endpoint, KEYS, listed, node_copy=shared_memory) as made,
    ):
        stranger.tell("open")
        wait_until(lambda: len(names_in(shared_memory)) == 4)  # it fetches both
        for user in made:
            user.tell("open")
        with pytest.raises(PermissionError):
            stranger.answer()
        assert len({user.answer() for user in made}) == 1
        for user in made:
            user.end()
    assert names_in(shared_memory) == []


@pytest.fixture
def one_file(model, connector, copies):
    """A file of a model that somebody else fetches, for as long as the test wants."""
    uri = f"{model}0.safetensors"
    info = connector.stat(uri)
    folder = open_folder(copies.top, False)
    key = Key.of(connector.endpoint, uri, info.etag, info.size)
    taken = take(folder, key, info.size, keep=False)
    assert isinstance(taken, Mine)
    yield uri, folder, key, taken
    taken.pin.release()
    taken.lock.release()


def test_wait_for_a_process_that_does_not_run_ends_with_an_error(
    one_file, connector, copies, monkeypatch
):
    monkeypatch.setattr(_copies, "LIMIT_SECONDS", 0.3)
    uri, _, _, _ = one_file
    with pytest.raises(TimeoutError, match=f"the process {os.getpid()}, which fetches {uri}, has"):
        open_model(uri, "np", connector=connector, node_copy=copies.top)


def test_wait_goes_on_as_long_as_who_fetches_runs(one_file, connector, copies, monkeypatch):
    monkeypatch.setattr(_copies, "LIMIT_SECONDS", 0.5)
    uri, _, _, taken = one_file
    ends = time.monotonic() + 1.5

    def run():
        while time.monotonic() < ends:
            taken.lock.show_life()
            time.sleep(0.05)
        taken.pin.release()
        taken.lock.release()

    thread = threading.Thread(target=run)
    thread.start()
    with open_model(uri, "np", connector=connector, node_copy=copies.top) as opened:
        assert time.monotonic() >= ends
        assert opened.node_copy.fetched_bytes > 0
    thread.join()


@contextmanager
def interrupted_in(seconds):
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        timer.cancel()


def test_ctrl_c_ends_a_wait(one_file, connector, copies):
    uri, _, _, _ = one_file
    with interrupted_in(0.3):
        open_model(uri, "np", connector=connector, node_copy=copies.top)
    assert copies.states() == ["fetch", "part"]  # those of who fetches


def test_ctrl_c_ends_a_fetch_and_leaves_nothing(serving, make_connector, copies):
    server = serving(model_files(elements=100_000), rate_per_connection=1000)
    keys = oss2.credentials.StaticCredentialsProvider(*KEYS)
    connector = make_connector(endpoint=server.endpoint, cred_provider=keys)
    with interrupted_in(0.5):  # of minutes
        open_model("oss://models/llama/", "np", connector=connector, node_copy=copies.top)
    assert copies.names() == []


def test_forked_child_does_not_keep_the_lock_of_a_parent_that_fetches(one_file, copies):
    """Else its parent's death would leave everybody waiting until the child's end."""

    def locks_of_child():
        links = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
        return [str(link) for link in links if str(link).endswith(".fetch")]

    assert in_child(locks_of_child) == []
    assert len(locks_of_child()) == 1


def test_locks_are_those_that_tools_see(one_file, copies):
    _, folder, key, _ = one_file
    with (copies.folder / key.fetch).open("r+") as again, pytest.raises(BlockingIOError):
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert folder.exists(key.part)
