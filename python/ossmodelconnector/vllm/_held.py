"""A node copy outlives the load by a while, for ranks that begin theirs later.

The last process that uses a copy removes it. Where one rank were done before another begins, the
other would fetch everything again. They do not wait for each other: that would be a collective.
"""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import ExitStack

__all__ = ["hold", "release"]

# Ranks begin within seconds of each other, for they have set up their groups together before.
SECONDS = 60.0

_lock = threading.Lock()
_held: list[ExitStack] = []  # guarded by _lock


def _after_fork_in_child() -> None:
    # A thread that is not here may hold it; and what is held is the parent's.
    global _lock
    _lock = threading.Lock()
    _held.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)


def hold(stack: ExitStack) -> None:
    """Closes it in a while, in a thread of its own, or at the next `release`."""
    with _lock:
        _held.append(stack)
    timer = threading.Timer(SECONDS, release)
    timer.daemon = True
    timer.start()


def release() -> None:
    """Closes what is held: at the next load, or when the time is up."""
    with _lock:
        stacks, _held[:] = list(_held), []
    for stack in stacks:
        stack.close()


atexit.register(release)
