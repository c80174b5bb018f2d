"""Life of the process: what happens to connectors at fork and at the interpreter's end.

A forked child has none of its parent's threads, and must not touch its sockets or locks that were
held. So after a fork each connector of the child gets a fresh start in place, and goes on at its
next use; its readers go on at the same version and position.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from ossmodelconnector import _core, _log

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._reader import ObjectReader

    class _LockHolder(Protocol):
        """Has locks that a thread of the parent may hold when the process forks."""

        def _after_fork_in_child(self) -> None: ...

    class _Watcher(Protocol):
        """Has a thread that looks at a connector now and then."""

        def end(self) -> None: ...


__all__: list[str] = []

# How long a fork waits for provider calls that run: their locks would stay locked in the child.
_FORK_WAIT_SECONDS = 1.0
_FORK_LOOK_SECONDS = 0.002
# How long the interpreter's end waits for threads that are in the core.
_EXIT_WAIT_SECONDS = 0.5

# By id(). One atomic step lists them, whatever other threads do, which WeakSet cannot.
_connectors: weakref.WeakValueDictionary[int, OssModelConnector] = weakref.WeakValueDictionary()
_readers: weakref.WeakValueDictionary[int, ObjectReader] = weakref.WeakValueDictionary()
_lock_holders: weakref.WeakValueDictionary[int, _LockHolder] = weakref.WeakValueDictionary()
_watchers: weakref.WeakValueDictionary[int, _Watcher] = weakref.WeakValueDictionary()


def register_connector(connector: OssModelConnector) -> None:
    """Has the connector told about forks, and closed at exit."""
    _connectors[id(connector)] = connector


def register_reader(reader: ObjectReader) -> None:
    """Has the reader told about forks."""
    _readers[id(reader)] = reader


def register_lock_holder(holder: _LockHolder) -> None:
    """Has it told about forks, after connectors and readers."""
    _lock_holders[id(holder)] = holder


def register_watcher(watcher: _Watcher) -> None:
    """Has it ended at exit, before connectors are closed."""
    _watchers[id(watcher)] = watcher


def note_if_worker() -> None:
    """Tells the core when this process is a child of multiprocessing: its memory starts small.

    Forked children it knows by itself.
    """
    process = sys.modules.get("multiprocessing.process")
    if process is None:
        return
    # While a spawned child unpickles what it was given, it does not have its parent yet.
    inherits = getattr(process.current_process(), "_inheriting", False)
    if inherits or process.parent_process() is not None:
        _core.note_worker()


class ProviderCalls:
    """Counts the provider calls that run, so that a fork can wait until none does.

    A context manager around each call. While a fork is near, no call begins. Without a lock: other
    threads see each step whole, and greenlets of one thread do not wait for each other.
    """

    def __init__(self) -> None:
        # By native thread ids, which gevent and eventlet leave alone: greenlets share one.
        self._running: dict[int, int] = {}
        self._forking: set[int] = set()

    def __enter__(self) -> None:
        me = threading.get_native_id()
        end = time.monotonic() + _FORK_WAIT_SECONDS
        while self._forking and time.monotonic() < end:
            time.sleep(_FORK_LOOK_SECONDS)
        self._running[me] = self._running.get(me, 0) + 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        me = threading.get_native_id()
        left = self._running.pop(me, 1) - 1
        if left > 0:
            self._running[me] = left

    def hold(self) -> None:
        """Waits until no call runs, for a limited time, and keeps new ones from beginning."""
        # A provider may fork itself: its own call is not waited for.
        me = threading.get_native_id()
        self._forking.add(me)
        end = time.monotonic() + _FORK_WAIT_SECONDS
        while self._running.keys() - {me} and time.monotonic() < end:
            time.sleep(_FORK_LOOK_SECONDS)

    def resume(self) -> None:
        """Lets calls begin again."""
        self._forking.discard(threading.get_native_id())


provider_calls = ProviderCalls()


def _before_fork() -> None:
    provider_calls.hold()


def _after_fork_in_parent() -> None:
    provider_calls.resume()


def _after_fork_in_child() -> None:
    # First the locks, which a thread that is not here may hold, then who uses them.
    global provider_calls
    provider_calls = ProviderCalls()
    _core.forget_threads()
    _log.after_fork_in_child()
    # Connectors before their readers.
    refs: list[weakref.ref[Any]] = []
    refs += [*_connectors.valuerefs(), *_readers.valuerefs(), *_lock_holders.valuerefs()]
    for ref in refs:
        try:
            live = ref()
            if live is not None:
                live._after_fork_in_child()
        except Exception as error:
            # The others must have their turn; this one will say at its next use what it lacks.
            _log.write(3, f"after fork: {type(error).__name__}: {error}")


def _close_all() -> None:
    for watcher_ref in _watchers.valuerefs():
        watcher = watcher_ref()
        if watcher is not None:
            watcher.end()
    for connector_ref in _connectors.valuerefs():
        connector = connector_ref()
        if connector is not None:
            connector._close_silently()
    _log.flush()
    # Daemon threads whose reads have just been ended must leave the core while there is still an
    # interpreter: one that asks for the GIL later is ended by force, and C++ may abort on that.
    deadline = time.monotonic() + _EXIT_WAIT_SECONDS
    while _core.calls_without_gil() > 0 and time.monotonic() < deadline:
        time.sleep(0.002)


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
atexit.register(_close_all)
