"""Asks for what must not wait, while a call starts an engine and does not get on with it.

argv: how ("first call" of the process, or "forked", of its child), a folder, a URI. OSS_* name the
server. Says "done" at the end.

The call does not get on because the file of certificate authorities, which an engine looks at when
it starts, has become a FIFO: it can be opened when somebody opens it for writing.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from ossmodelconnector import OssModelConnector, _core

_TIMES = 1000
_HANG_SECONDS = 30  # then the kernel ends the process, whoever has the GIL
warnings.simplefilter("ignore")  # Python's, of forks


class Counter(threading.Thread):
    """Counts how often it got on, until the end of a with."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0
        self._is_over = False

    def run(self) -> None:
        while not self._is_over:
            self.turns += 1
            time.sleep(0)

    def __enter__(self) -> Counter:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over = True
        self.join()


def while_an_engine_starts(call: Callable[[], object], ask: Callable[[], object]) -> None:
    caller = threading.Thread(target=call)
    caller.start()
    state = Path(f"/proc/self/task/{caller.native_id}/stat")
    while _core.calls_without_gil() == 0 or state.read_text().rpartition(")")[2].split()[0] != "S":
        time.sleep(0.001)
    with Counter() as counter:
        turns = counter.turns
        for _ in range(_TIMES):
            ask()
        while counter.turns == turns:
            ask()
    assert caller.is_alive()
    os.close(os.open(roots, os.O_WRONLY | os.O_NONBLOCK))  # the call gets on
    caller.join()


def open_one() -> None:
    global reader
    reader = connector.open(uri)


def ask_connector() -> None:
    stats = connector.stats()
    assert (stats.requests, connector.closed) == (0, False)
    assert "closed" not in repr(connector)


def ask_reader() -> None:
    assert (reader.closed, reader.verified) == (False, "length+etag")
    assert "closed" not in repr(reader)
    ask_connector()


signal.alarm(_HANG_SECONDS)
how, folder, uri = sys.argv[1:]
roots = Path(folder, "roots.pem")
roots.touch()
connector = OssModelConnector.from_env(config={"tls.caFile": str(roots)}, region="cn-hangzhou")
if how == "forked":
    open_one()
roots.unlink()
os.mkfifo(roots)
if how == "first call":
    while_an_engine_starts(open_one, ask_connector)
else:
    child = os.fork()
    if child == 0:
        signal.alarm(_HANG_SECONDS)
        while_an_engine_starts(reader.read, ask_reader)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
print('"done"')
