"""The budget that a process's connectors share: in small containers, beside others, in workers."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ossmodelconnector import AnonymousCredentialsProvider, OssModelConnector
from ossmodelconnector.local import DEFAULT_CREDENTIAL, LocalServer
from support.fault_server import FaultServer
from support.tensor_files import Raw, tensor_file
from support.tries import HANG_SECONDS

MiB = 1 << 20
PROGRAM = Path(__file__).parent / "programs" / "small_container.py"
CGROUPS = Path("/sys/fs/cgroup/memory")  # version 1; version 2 is the C++ tests', by files


# A shell, since nothing of ours runs in the group before it is this process's.
MOVED = ["/bin/sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"']


def default_connector(server):
    # No memoryBytes: that is what is tested.
    return OssModelConnector(server.endpoint, cred_provider=AnonymousCredentialsProvider())


@pytest.fixture
def container():
    """A memory control group of 1 GiB."""
    group = CGROUPS / f"ossmc-test-{os.getpid()}-{time.monotonic_ns()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(1 << 30))
    except OSError as error:
        pytest.skip(f"no memory control group of version 1 can be made here: {error}")
    yield group
    deadline = time.monotonic() + HANG_SECONDS
    while group.exists() and time.monotonic() < deadline:
        try:
            group.rmdir()
        except OSError:  # what ran in it is about to be gone
            time.sleep(0.1)


def run(command, server, **environ):
    known = {"OSS_ENDPOINT": server.endpoint, "OSS_REGION": "cn-test"}
    known |= {"OSS_ACCESS_KEY_ID": "id", "OSS_ACCESS_KEY_SECRET": "secret"}
    return subprocess.run(
        command, env=os.environ | known | environ, capture_output=True, text=True, timeout=100
    )


def run_in(group, server, how, uris, **environ):
    """What the program printed, and the most that the group was charged with, in MiB."""
    ended = run([*MOVED, str(group), sys.executable, str(PROGRAM), how, *uris], server, **environ)
    peak = int((group / "memory.max_usage_in_bytes").read_text()) // MiB
    text = f"{how}: ended with {ended.returncode}, peak {peak} MiB: {ended.stderr}"
    print(text)
    assert ended.returncode == 0, text
    return json.loads(ended.stdout), peak


def test_a_model_that_fits_was_killed_in_a_small_container(container):
    with FaultServer(data=bytes(80 * MiB)) as server:
        uris = [f"oss://bucket/{i}" for i in range(8)]
        read, peak = run_in(container, server, "shards", uris)
    assert read == 640 * MiB
    assert peak <= 900


def test_forked_workers_were_killed_in_a_small_container(container):
    with FaultServer(data=bytes(400 * MiB)) as server:
        uris = [f"oss://bucket/{i}" for i in range(4)]
        result, peak = run_in(container, server, "forked", uris)
    assert result["statuses"] == [0] * 4
    assert peak <= 900


def test_eight_spawned_processes_fit_in_a_small_container(container):
    with FaultServer(data=bytes(40 * MiB)) as server:
        uris = [f"oss://bucket/{i}" for i in range(8)]
        result, peak = run_in(container, server, "spawned", uris)
    assert result == [320 * MiB] * 8
    assert peak <= 900


@pytest.fixture(scope="module")
def model_server():
    """512 MiB in 8 files, each tensor all of its own number."""
    with LocalServer() as server:
        server.create_bucket("model")
        for i in range(8):
            numbers = range(4 * i, 4 * i + 4)
            raws = {str(j): Raw("U8", (16, MiB), bytes([j]) * 16 * MiB) for j in numbers}
            server.put_object("model", f"{i}.safetensors", tensor_file(raws))
        yield server


@pytest.mark.long
@pytest.mark.parametrize(
    "how", ["early-get", "late-get", "early-prefetch", "late-prefetch", "early-checked"]
)
def test_tensors_of_a_model_load_in_a_container_that_has_a_third_more(container, model_server, how):
    (container / "memory.limit_in_bytes").write_text(str(700 * MiB))
    uris = [f"oss://model/{i}.safetensors" for i in range(8)]
    environ = {
        "OSS_REGION": "cn-hangzhou",
        "OSS_ACCESS_KEY_ID": DEFAULT_CREDENTIAL.access_key_id,
        "OSS_ACCESS_KEY_SECRET": DEFAULT_CREDENTIAL.access_key_secret,
    }
    result, peak = run_in(container, model_server, f"tensors-{how}", uris, **environ)
    assert result == {"bytes": 512 * MiB, "wrong": []}
    assert peak <= 650


def test_a_process_beside_ours_was_killed(container):
    with FaultServer(data=bytes(80 * MiB)) as server:
        uris = [f"oss://bucket/{i}" for i in range(8)]
        result, _ = run_in(container, server, "beside", uris)
    assert result == {"other": 0, "bytes": 640 * MiB}


def test_each_connector_had_a_whole_budget_of_its_own():
    with FaultServer(data=bytes(96 * MiB)) as server:
        # So many processes: the budget is as small as it gets.
        command = [sys.executable, str(PROGRAM), "three", "oss://bucket/a"]
        ended = run(command, server, LOCAL_WORLD_SIZE="1000000")
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert len(set(result["limits"])) == 1
    assert 0 < result["held"] <= max(result["limits"])


def test_a_budget_that_is_given_is_the_connectors_own():
    with FaultServer() as server:
        three = [default_connector(server) for _ in range(3)]
        own = OssModelConnector(
            server.endpoint,
            cred_provider=AnonymousCredentialsProvider(),
            region="cn-test",
            config={"prefetch.memoryBytes": "64 MiB"},
        )
        assert len({connector.stats().memory_limit_bytes for connector in three}) == 1
        assert own.stats().memory_limit_bytes == 64 * MiB
        for connector in [*three, own]:
            with connector, connector.open("oss://bucket/a") as reader:
                assert reader.read() == server.data
                assert connector.stats().memory_bytes > 0


def _in_worker(connection, connector):
    with connector, connector.open("oss://bucket/a") as reader:
        size = len(reader.read())
        connection.send((connector.stats().memory_limit_bytes, size))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_start_small(method):
    context = multiprocessing.get_context(method)
    with FaultServer() as server, default_connector(server) as connector:
        connector.open("oss://bucket/a").read(1)
        receive, send = context.Pipe(duplex=False)
        worker = context.Process(target=_in_worker, args=(send, connector))
        worker.start()
        try:
            assert receive.poll(HANG_SECONDS)
            limit, size = receive.recv()
        finally:
            worker.join(HANG_SECONDS)
        assert size == len(server.data)
        assert limit <= 1 << 30
        assert connector.stats().memory_limit_bytes >= limit


def test_nothing_is_used_after_a_fork():
    with FaultServer() as server, default_connector(server) as connector:
        reader = connector.open("oss://bucket/a")
        reader.read()
        assert connector.stats().memory_bytes > 0
        child = os.fork()
        if child == 0:
            os._exit(0 if connector.stats().memory_bytes == 0 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        reader.close()
