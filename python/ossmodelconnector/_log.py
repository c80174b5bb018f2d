"""Records of the core on their way to `logging` and to the log files.

The core's threads leave their records in a ring and never wait for anybody. One daemon thread of
this process, the drain, takes them out and hands them to ``logging.getLogger("ossmodelconnector")``
and to the files that the configurations name (``logPath``, ``auditPath``). It runs while connectors
are in use.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ossmodelconnector import _core

__all__: list[str] = []

logger = logging.getLogger("ossmodelconnector")

_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
_MAX_FILE_BYTES = 10 * 1024 * 1024
_MAX_FILES = 10
_BATCH = 512
# How long closing a connector waits for handlers that others hold up.
_FLUSH_SECONDS = 0.5
_LOOK_AGAIN_MILLISECONDS = 500


class RotatingFile:
    """A log file of at most `max_bytes`, beside up to `max_files` - 1 older ones: PATH.1, PATH.2...

    Written without a buffer, so that a fork cannot double what is in one. In a child process its
    name ends in ``.PID``, since two processes cannot rotate one file. It never raises after it was
    opened: a full disk must not end a download.
    """

    def __init__(
        self, path: str, max_bytes: int = _MAX_FILE_BYTES, max_files: int = _MAX_FILES
    ) -> None:
        self._base = path
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._fd = -1
        self._size = 0
        self._open()

    @property
    def path(self) -> str:
        """The file's name in this process."""
        return f"{self._base}.{os.getpid()}" if _is_child() else self._base

    def write(self, line: str) -> None:
        """Appends a line."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        with suppress(OSError):
            if self._fd >= 0 and self._size and self._size + len(data) > self._max_bytes:
                self._rotate()
            if self._fd < 0:
                self._open()
            self._size += os.write(self._fd, data)

    def close(self) -> None:
        """Closes the file; the next write opens it again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with suppress(OSError):
                os.close(fd)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(self.path, flags, 0o600)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        self.close()
        path = self.path
        for number in range(self._max_files - 1, 0, -1):
            older = f"{path}.{number}"
            newer = f"{path}.{number - 1}" if number > 1 else path
            with suppress(FileNotFoundError):
                os.replace(newer, older)  # noqa: PTH105 - names, not Path, in this file
        self._open()


class Settings(NamedTuple):
    """What one connector's configuration says about logs; a path is absolute, or ``""``."""

    level: int
    log_path: str
    audit_path: str


class Hub:
    """The process's drain and all that it writes to. One instance, `hub`. Thread-safe."""

    def __init__(self) -> None:
        self._settings: dict[int, Settings] = {}  # by the connector's id
        self._files: dict[str, RotatingFile] = {}  # by path; connectors may share one
        self._reset()

    def _reset(self) -> None:
        # Reentrant: a handler, or the garbage collector under it, may close a connector.
        self._emit_lock = threading.RLock()
        self._lock = threading.RLock()
        self._drain: _Drain | None = None

    def attach(self, key: int, level: int, log_path: str, audit_path: str) -> None:
        """Adds a connector's settings. OSError if a file of theirs cannot be opened."""
        settings = Settings(level, _absolute(log_path), _absolute(audit_path))
        with self._lock:
            opened: dict[str, RotatingFile] = {}
            try:
                for path in {settings.log_path, settings.audit_path} - {"", *self._files}:
                    opened[path] = RotatingFile(path)
            except OSError:
                for file in opened.values():
                    file.close()
                raise
            self._files.update(opened)
            self._settings[key] = settings
            self._tell_core()

    def detach(self, key: int) -> None:
        """Writes what is left in the ring and takes the connector's settings out."""
        if key not in self._settings:
            return
        self.flush()
        with self._lock:
            settings = self._settings.pop(key, None)
            if settings is None:
                return
            self._tell_core()
            for path in {settings.log_path, settings.audit_path} - self._paths_in_use():
                self._files.pop(path).close()
            drain = None
            if not self._settings:
                drain, self._drain = self._drain, None
        if drain is not None:
            drain.stop()

    def ensure_started(self) -> None:
        """Starts the drain if it does not run yet."""
        if self._drain is None:
            self._start_drain()

    def flush(self) -> None:
        """Hands out what is in the ring now, unless somebody's handler blocks for too long."""
        if not self._emit_lock.acquire(timeout=_FLUSH_SECONDS):
            return
        try:
            while records := _core.drain_log(_BATCH):
                for record in records:
                    self._emit(*record)
        finally:
            self._emit_lock.release()

    def write(self, level: int, text: str) -> None:
        """Emits a record of the Python layer. For its own threads, not for a caller's."""
        with self._lock:
            wanted = any(level >= settings.level for settings in self._settings.values())
        if wanted and self._emit_lock.acquire(timeout=_FLUSH_SECONDS):
            try:
                self._emit(level, False, time.time(), text)
            finally:
                self._emit_lock.release()

    def after_fork_in_child(self) -> None:
        """Starts afresh: no thread, no lock held, files under the child's own name."""
        global _forked
        _forked = True
        self._reset()
        for file in self._files.values():
            file.close()

    def _start_drain(self) -> None:
        with self._lock:
            if self._drain is not None or not self._settings:
                return
            self._drain = drain = _Drain(self)
        # Without the lock: start() waits for the new thread, in which the garbage collector may
        # close a connector first.
        try:
            drain.start()
        except RuntimeError:
            # Without a thread (the interpreter ends, or a limit), closing flushes all the same.
            with self._lock:
                if self._drain is drain:
                    self._drain = None

    def _emit(self, level: int, is_audit: bool, when: float, text: str) -> None:
        settings = list(self._settings.values())
        name = "AUDIT" if is_audit else logging.getLevelName(_LEVELS[level])
        if is_audit:
            paths = {one.audit_path for one in settings}
        else:
            paths = {one.log_path for one in settings if level >= one.level}
        for path in paths - {""}:
            file = self._files.get(path)
            if file is not None:
                file.write(f"{_timestamp(when)} {name} [{os.getpid()}] {text}")
        if not is_audit and logger.isEnabledFor(_LEVELS[level]):
            record = logger.makeRecord(logger.name, _LEVELS[level], "_core", 0, text, (), None)
            record.created = when
            record.msecs = (when - int(when)) * 1000
            # A handler that raises must not end the drain; logging reports what handlers catch.
            with suppress(Exception):
                logger.handle(record)

    def _paths_in_use(self) -> set[str]:
        used = {""}
        for settings in self._settings.values():
            used.update((settings.log_path, settings.audit_path))
        return used

    def _tell_core(self) -> None:
        settings = self._settings.values()
        level = min((one.level for one in settings), default=1)
        _core.set_log(level, any(one.audit_path for one in settings))


class _Drain:
    """The drain's thread. Waits in Python's own poll(), where the interpreter may end it."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._event_fd = _core.log_event_fd()
        self._stopped = False

    def start(self) -> None:
        """Starts the thread. RuntimeError where none can be had."""
        threading.Thread(target=self._run, name="ossmodelconnector-log", daemon=True).start()

    def stop(self) -> None:
        self._stopped = True
        # The ring's eventfd is never closed. Whoever flushes next clears it, maybe before the
        # thread has seen it, which therefore looks again by itself.
        with suppress(OSError):
            os.write(self._event_fd, (1).to_bytes(8, sys.byteorder))

    def _run(self) -> None:
        poller = select.poll()
        poller.register(self._event_fd, select.POLLIN)
        while not self._stopped:
            if poller.poll(_LOOK_AGAIN_MILLISECONDS) and not self._stopped:
                self._hub.flush()


_forked = False


def _is_child() -> bool:
    """Whether another Python process started this one, by fork or through multiprocessing."""
    if _forked:
        return True
    module = sys.modules.get("multiprocessing.process")
    return module is not None and module.parent_process() is not None


def _absolute(path: str) -> str:
    return str(Path(path).absolute()) if path else ""


def _timestamp(when: float) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when))
    return f"{seconds}.{int(when % 1 * 1000):03d}Z"


hub = Hub()
