"""What a call that waits leaves alone: the GIL, and buffers that it cannot write to."""

from __future__ import annotations

import ctypes
import io
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from ossmodelconnector import _core

MiB = 1 << 20
CHUNK = 64 << 10

SERVER = """
import sys
from ossmodelconnector.local import Credential, LocalServer
with LocalServer(credentials=(Credential(*sys.argv[1:]),)) as server:
    server.create_bucket("models")
    server.put_object("models", "large", b"\\1" * (8 << 20))
    print(server.endpoint, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_process(server):
    """A server in another process, which holds its own GIL: (process, endpoint)."""
    command = [sys.executable, "-c", SERVER, server.access_key_id, server.access_key_secret]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process, process.stdout.readline().strip()
        process.send_signal(signal.SIGCONT)
        process.stdin.close()
        assert process.wait() == 0


def test_a_thread_that_waits_for_bytes_does_not_wait_for_the_gil(make_connector, other_process):
    process, endpoint = other_process
    # So little memory that the object's end is not fetched before it is asked for.
    connector = make_connector(endpoint=endpoint, config={"prefetch.memoryBytes": 2 * MiB})
    reader = connector.open("oss://models/large")
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)  # it may answer still before it stands
    buffer = bytearray(CHUNK)
    thread = threading.Thread(target=reader.read_at, args=(7 * MiB, buffer))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)  # nobody makes this thread give up the GIL
    try:
        thread.start()
        while _core.calls_without_gil() == 0:
            time.sleep(0.001)
        # The reply comes when the read has waited for several times 100 ms, after each of which it
        # looks for signals.
        awakener = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -CONT {process.pid}"])
        before = connector.stats().bytes_read
        hold_the_gil = ctypes.PyDLL(None).usleep
        # Nothing below gives the GIL up, as stats() would, for the thread to return meanwhile.
        for _ in range(100):
            hold_the_gil(50_000)
            if buffer[-1] != 0:
                break
        hold_the_gil(50_000)  # the bytes are there; now they are counted
        assert thread.is_alive()  # it needs the GIL to return
        assert connector.stats().bytes_read - before == CHUNK
    finally:
        sys.setswitchinterval(interval)
    thread.join()
    assert awakener.wait() == 0


def test_a_signal_ends_a_wait_in_the_child_of_a_thread_that_forked(make_connector, silent_endpoint):
    # The thread that forked is the child's main thread, and Python runs signal handlers there.
    connector = make_connector(endpoint=silent_endpoint, config={"timeout.readSeconds": 100})
    statuses = []

    def fork():
        child = os.fork()
        if child == 0:
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            try:
                with pytest.raises(ZeroDivisionError):
                    connector.open("oss://models/none")
                os._exit(7)
            finally:
                os._exit(1)
        deadline = time.monotonic() + 15
        while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.01)
        statuses.append(ended[1])

    before = signal.signal(signal.SIGALRM, lambda *_: 1 // 0)
    try:
        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert [os.waitstatus_to_exitcode(status) for status in statuses] == [7]


def _frozen() -> np.ndarray:
    array = np.zeros(16, np.uint8)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "target",
    [_frozen(), np.zeros(32, np.uint8)[::2], np.zeros((4, 4), np.uint8).T, b"bytes", 7],
    ids=["read-only", "strided", "transposed", "bytes", "no buffer"],
)
def test_a_buffer_that_cannot_be_filled_is_a_type_error_as_with_bytesio(
    make_connector, store, target
):
    reader = make_connector().open(store.uri("text.txt"))
    with pytest.raises(TypeError) as expected:
        io.BytesIO(b"x" * 100).readinto(target)
    with pytest.raises(TypeError) as caught:
        reader.readinto(target)
    assert str(caught.value) == str(expected.value)
    with pytest.raises(TypeError, match=r"read_at\(\) argument must be read-write"):
        reader.read_at(0, target)
