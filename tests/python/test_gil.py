"""Small reads of bytes in memory make no system call and keep the GIL; large ones let it go.

And nothing waits with the GIL held: not even for the first call, which starts threads.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

KiB, MiB = 1 << 10, 1 << 20

_READS = 100_000
_SIZE = 64
_PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture(scope="module")
def one_chunk(new_bucket: Callable[..., Any]) -> Any:
    store = new_bucket("one-chunk")
    store.put("large.bin", bytes(range(256)) * (_READS * _SIZE // 256 + 1))
    return store


class Spinner:
    """A thread that counts how often it got the GIL.

    It lets it go at once and waits for it again. Nobody is made to give it: what it gets, somebody
    gave by himself.
    """

    def __init__(self) -> None:
        self.turns = 0
        self._stop = False
        self._thread = threading.Thread(target=self._spin)

    def _spin(self) -> None:
        while not self._stop:
            self.turns += 1
            time.sleep(0)

    def __enter__(self) -> Spinner:
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(1000)
        self._thread.start()
        while self.turns == 0:
            time.sleep(0)
        return self

    def __exit__(self, *_error: object) -> None:
        sys.setswitchinterval(self._interval)
        self._stop = True
        self._thread.join()


@pytest.fixture
def spinner() -> Iterator[Spinner]:
    with Spinner() as spinner:
        yield spinner


def test_small_reads_keep_the_gil_and_large_ones_do_not(
    make_connector: Callable[..., Any], one_chunk: Any, spinner: Spinner
) -> None:
    connector = make_connector(config={"prefetch.chunkBytes": 16 * MiB})
    with connector.open(one_chunk.uri("large.bin")) as reader:
        buffer = bytearray(_READS * _SIZE)
        small = memoryview(buffer)[:_SIZE]
        assert reader.readinto(buffer) == len(buffer)
        for read in (lambda: reader.read(_SIZE), lambda: reader.readinto(small)):
            reader.seek(0)
            turns = spinner.turns
            for _ in range(_READS):
                read()
            assert spinner.turns == turns
            assert reader.tell() == _READS * _SIZE
        # It has to be there in time, too: somewhen it is.
        turns = spinner.turns
        for _ in range(10_000):
            reader.seek(0)
            reader.readinto(buffer)
            if spinner.turns != turns:
                return
        pytest.fail("a large read keeps the GIL")


@pytest.mark.skipif("OSSMC_SANITIZED" in os.environ, reason="the sanitizers make some")
@pytest.mark.parametrize("canary", [False, True])
def test_small_reads_make_no_system_call(one_chunk: Any, canary: bool) -> None:
    words = [one_chunk.uri("large.bin"), str(_READS - 1), *(["sleep"] if canary else [])]
    done = subprocess.run(
        [sys.executable, str(_PROGRAMS / "ready_reads.py"), *words],
        capture_output=True,
        text=True,
        check=False,
        env=one_chunk.served.environ(),
    )
    expected = (-signal.SIGSYS, "") if canary else (0, "done")
    assert (done.returncode, done.stdout) == expected, done.stderr


def test_all_threads_stood_still_while_an_engine_started(store: Any, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            str(_PROGRAMS / "engine_start.py"),
            "first call",
            str(tmp_path),
            store.uri("text.txt"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=store.served.environ(),
    )
    assert (done.returncode, done.stdout) == (0, '"done"\n'), done.stderr
