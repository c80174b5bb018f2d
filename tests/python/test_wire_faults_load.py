"""Little memory for many readers; ends and forks while 100 chunks are in flight.

Their numbers are those of the faults in docs/reliability.md.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ossmodelconnector import (
    AnonymousCredentialsProvider,
    OssModelConnector,
    TransferTimeoutError,
)
from support.faults import BUCKET, CHUNK, CONFIG, URI, list_page
from support.tries import HANG_SECONDS, once, once_within, tasks, wait_until, wait_until_it_waits

PROGRAMS = Path(__file__).parent / "programs"
READERS = 64
BUDGET = 16 * CHUNK
CHUNKS = 100
IN_FLIGHT = {"prefetch.workers": CHUNKS, "timeout.stallSeconds": 60}
BOUND_27 = "the bound of fault 27 is 1 s; what is in flight never ends"
# "dup thread with used id": it takes the parent's threads for the child's.
NOT_UNDER_TSAN = pytest.mark.skipif(
    os.environ.get("OSSMC_SANITIZED") == "thread",
    reason="the libtsan of GCC 12 ends a forked child that starts threads",
)


@pytest.mark.fault(
    26,
    "64 readers, memory for 16 chunks",
    "right bytes; nobody starves; a budget below 4 chunks is refused",
    "the budget; 5 s without a byte",
    also=[
        "tests/python/test_memory_contention.py",
        "tests/csrc/prefetch/scheduler_invariants_test.cc",
    ],
)
def test_fault_26_many_readers_and_little_memory(faults, connect):
    faults.put(random.Random(10).randbytes(10 * CHUNK + 77))

    def read_all():
        connector = connect({"prefetch.memoryBytes": BUDGET, "timeout.readSeconds": 5})
        outcomes = []

        def read(number):
            pieces = []
            try:
                with connector.open(f"oss://{BUCKET}/{number}.bin") as reader:
                    while piece := reader.read(50_000):
                        pieces.append(piece)
            except TransferTimeoutError:  # it waited for 5 s
                outcomes.append(None)
            else:
                outcomes.append(b"".join(pieces) == faults.data)

        threads = [threading.Thread(target=read, args=(number,)) for number in range(READERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(outcomes) == READERS
        assert False not in outcomes
        assert connector.stats().memory_peak_bytes <= BUDGET
        return None not in outcomes

    once(read_all, because="a busy machine keeps one of 64 threads waiting for 5 s")


@pytest.mark.fault(26)
def test_fault_26_a_budget_below_4_chunks_is_refused(connect):
    with pytest.raises(ValueError, match=r"prefetch\.memoryBytes"):
        connect({"prefetch.memoryBytes": 4 * CHUNK - 1})


def hold_all(faults):
    """From now on `faults` answers for the beginning of an object alone; the requests it holds."""
    faults.put(random.Random(11).randbytes((CHUNKS + 1) * CHUNK))
    held = []

    def hold(request, reply):
        if request.begin > 0:
            reply.hold = threading.Event()
            held.append(request)

    faults.script = hold
    return held


def wait_for_all(held):
    wait_until(lambda: len(held) >= CHUNKS)


@pytest.mark.fault(
    27,
    "close, garbage collection, Ctrl-C, exit with 100 chunks in flight",
    "waiting reads get `ValueError`; nothing is left",
    "1 s, no request more",
    also=["tests/python/test_lifecycle.py"],
)
@pytest.mark.parametrize("what", ["connector", "reader"])
def test_fault_27_close_with_100_chunks_in_flight(faults, connect, what):
    def close():
        held = hold_all(faults)
        connector = connect(IN_FLIGHT)
        reader = connector.open(URI)
        outcomes = []

        def read():
            try:
                outcomes.append(reader.read())
            except ValueError as error:
                outcomes.append(error)

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        wait_for_all(held)
        requests = len(faults.requests)
        begin = time.monotonic()
        (connector if what == "connector" else reader).close()
        for thread in threads:
            thread.join(HANG_SECONDS)
        seconds = time.monotonic() - begin
        assert [type(outcome) for outcome in outcomes] == [ValueError] * 8
        wait_until(lambda: connector.stats().memory_bytes == 0)
        assert len(faults.requests) == requests
        return seconds

    once_within(1, close, because=BOUND_27)


@pytest.mark.fault(27)
def test_fault_27_garbage_collection_with_100_chunks_in_flight(faults):
    def collect():
        held = hold_all(faults)
        others = tasks("ossmc-")
        connector = OssModelConnector(
            faults.endpoint,
            cred_provider=AnonymousCredentialsProvider(),
            config={**CONFIG, **IN_FLIGHT, "prefetch.chunkBytes": CHUNK, "prefetch.vcpus": 1},
        )
        cycle = [connector, connector.open(URI)]
        cycle.append(cycle)
        del connector
        wait_for_all(held)
        assert tasks("ossmc-") - others
        begin = time.monotonic()
        del cycle
        gc.collect()
        wait_until(lambda: not tasks("ossmc-") - others)
        return time.monotonic() - begin

    once_within(1, collect, because=BOUND_27)


@pytest.fixture
def run_program(faults, server):
    """run_program(name, *arguments): starts it, with `faults` as its server; ends it afterwards."""
    programs = []

    def run(name, *arguments):
        environ = {**server.environ(), "OSS_ENDPOINT": faults.endpoint}
        programs.append(
            subprocess.Popen(
                [sys.executable, PROGRAMS / name, *arguments],
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return programs[-1]

    yield run
    for program in programs:
        program.kill()
        program.communicate()


@pytest.mark.fault(27)
@pytest.mark.parametrize("how", ["exit", "daemon threads"])
def test_fault_27_interpreter_exit_with_100_chunks_in_flight(faults, run_program, how):
    def end():
        held = hold_all(faults)
        program = run_program("in_flight.py", how, URI)
        wait_for_all(held)
        output, errors = program.communicate("\n", timeout=HANG_SECONDS)
        ended = time.monotonic()
        assert (program.returncode, errors) == (0, "")
        return ended - float(output)

    once_within(1, end, because=BOUND_27)


@pytest.mark.fault(27)
def test_fault_27_ctrl_c_with_100_chunks_in_flight(faults, run_program):
    def interrupt():
        held = hold_all(faults)
        program = run_program("in_flight.py", "interrupt", URI)
        wait_for_all(held)
        program.stdin.write("\n")
        program.stdin.flush()
        assert program.stdout.readline() == "waiting\n"
        wait_until_it_waits(program.pid)
        begin = time.monotonic()
        program.send_signal(signal.SIGINT)
        output, errors = program.communicate(timeout=HANG_SECONDS)
        assert (program.returncode, errors) == (0, "")
        closing, ended = map(float, output.split())
        return max(closing, ended - begin)

    once_within(1, interrupt, because=BOUND_27)


@pytest.mark.fault(
    28,
    "fork, forkserver, spawn with connectors in use",
    "both processes go on, the child on connections of its own",
    "60 s for all of it, no connection shared",
    also=["tests/python/test_processes.py"],
)
@pytest.mark.parametrize(
    "method", [pytest.param("fork", marks=NOT_UNDER_TSAN), "forkserver", "spawn"]
)
def test_fault_28_start_methods(faults, run_program, method):
    faults.put(b"".join(b"line %06d\n" % number for number in range(50_000)))
    keys = [f"{number}.txt" for number in range(4)]

    def script(request, reply):
        if "list-type=2" in request.target:
            reply.body = list_page(keys)
            reply.headers["Content-Length"] = str(len(reply.body))

    faults.script = script
    uris = [f"oss://{BUCKET}/{key}" for key in keys]
    program = run_program("start_methods.py", method, *uris)
    output, errors = program.communicate(timeout=60)
    assert (program.returncode, errors) == (0, "")
    output = json.loads(output)
    whole = hashlib.sha256(faults.data).hexdigest()
    assert output["parent"] == [whole] * len(keys)
    assert [child["digests"] for child in output["children"]] == [[whole] * len(keys)] * 2
    assert [child["listed"] for child in output["children"]] == [len(keys)] * 2
    assert set(output["exit codes"]) == {0}
    assert output["rest of parent"] == whole


@pytest.mark.fault(28)
@NOT_UNDER_TSAN
def test_fault_28_a_forked_child_shares_no_connection(faults, run_program):
    program = run_program("forked.py", f"oss://{BUCKET}/parent", f"oss://{BUCKET}/child")
    output, errors = program.communicate(timeout=60)
    assert (program.returncode, errors) == (0, "")
    assert output.split() == [hashlib.sha256(faults.data).hexdigest()] * 2
    used = {
        name: {one.connection for one in faults.requests if one.target.endswith(name)}
        for name in ("parent", "child")
    }
    assert used["parent"]
    assert used["child"]
    assert not used["parent"] & used["child"]
