"""Records of the core on their way to `logging`, and which files the core writes them to.

The core's threads leave their records in a ring and never wait for anybody. Whoever calls a
connector hands them to ``logging.getLogger("ossmodelconnector")``, in its own thread: when its call
ends and while it waits; closing a connector and the interpreter's end do so too. One at a time does
it, and nobody waits for another's handler but those two, for a moment. The files of the
configurations (``logPath``, ``auditPath``) are written by the core.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from ossmodelconnector import _core

__all__: list[str] = []

logger = logging.getLogger("ossmodelconnector")

_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
# How long closing a connector waits for handlers that others hold up.
_FLUSH_SECONDS = 0.5


def attach(key: int, level: int, log_path: str, audit_path: str) -> None:
    """Adds a connector's settings. OSError if a file of theirs cannot be opened."""
    _core.attach_log(key, level, _in_this_process(log_path), _in_this_process(audit_path), False)


def attach_in_child(key: int, level: int, log_path: str, audit_path: str) -> None:
    """The same after a fork: the child's files are made when there is something to write."""
    _core.attach_log(key, level, _in_this_process(log_path), _in_this_process(audit_path), True)


def detach(key: int) -> None:
    """Hands on and writes what is left, and takes a connector's settings out."""
    flush()
    _core.detach_log(key)


def write(level: int, text: str) -> None:
    """Leaves a record of the Python layer with those of the core."""
    _core.write_log(level, text)


def flush() -> None:
    """Hands on what is in the ring now, unless somebody's handler blocks for too long."""
    global _is_blocked
    end = time.monotonic() + (0 if _is_blocked else _FLUSH_SECONDS)
    while not _core.hand_on_records():
        _is_blocked = time.monotonic() >= end
        if _is_blocked:
            return
        time.sleep(0.005)
    _is_blocked = False


def after_fork_in_child() -> None:
    """Notes that this is a child: its files have names of their own."""
    global _forked, _is_blocked
    _forked, _is_blocked = True, False


def _hand_on() -> None:
    # As many as wait now: a handler that makes records itself must not keep its caller for ever.
    for _ in range(_core.waiting_records()):
        # One by one: where a handler ends this, say by Ctrl-C, the rest stays for the next caller.
        for level, when, text in _core.drain_log(1):
            _emit(_LEVELS[level], when, text)


def _emit(level: int, when: float, text: str) -> None:
    if not logger.isEnabledFor(level):
        return
    record = logger.makeRecord(logger.name, level, "_core", 0, text, (), None)
    record.created = when
    record.msecs = (when - int(when)) * 1000
    # A handler that raises must not end the call; logging reports what handlers catch.
    with suppress(Exception):
        logger.handle(record)


def _in_this_process(path: str) -> bytes:
    if not path:
        return b""
    absolute = Path(path).absolute()
    return os.fsencode(f"{absolute}.{os.getpid()}" if _is_child() else absolute)


def _is_child() -> bool:
    """Whether another Python process started this one, by fork or through multiprocessing."""
    if _forked:
        return True
    module = sys.modules.get("multiprocessing.process")
    return module is not None and module.parent_process() is not None


_forked = False
# The last flush was given up: somebody's handler blocks. The next one does not wait for it.
_is_blocked = False
_core.set_record_handler(_hand_on)
