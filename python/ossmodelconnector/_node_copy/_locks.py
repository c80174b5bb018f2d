"""Locks on files of the folder. Those of a process that dies are gone with it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING

from ossmodelconnector._process import register_lock_holder

if TYPE_CHECKING:
    from ossmodelconnector._node_copy._folder import Folder
    from ossmodelconnector._node_copy._names import Key

__all__ = ["FetchLock", "Pin", "lock_alone", "lock_shared", "unlink_if_unused"]


def lock_alone(fd: int) -> bool:
    """Locks an open file exclusively, at once; False: somebody else has it locked.

    A shared lock of the same open file is given up first, and is gone then too.
    """
    return _lock(fd, fcntl.LOCK_EX)


def lock_shared(fd: int) -> bool:
    """Locks an open file together with others, at once; False: somebody has it alone."""
    return _lock(fd, fcntl.LOCK_SH)


def _lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL):
            raise OSError(
                error.errno,
                f"node_copy: the file system has no locks (flock: {error.strerror}): give "
                "node_copy a folder of another one",
            ) from None
        raise
    return True


def unlink_if_unused(folder: Folder, name: str) -> None:
    """Removes a file that nobody has locked."""
    fd = folder.open(name, is_made=False)
    if fd is None:
        return
    try:
        if lock_alone(fd) and folder.leads_to(name, fd):
            folder.unlink(name)
    finally:
        os.close(fd)


class Pin:
    """A file that we use, wait for, or fill: open, and locked together with others who do.

    It is let go by `release`, or when nobody refers to it, or at the end of the process. The last
    one to do so unlinks the file, unless it is kept. Owned by whoever called for it and by
    mappings of the file. Any thread may use it.
    """

    def __init__(self, folder: Folder, key: Key, fd: int) -> None:
        """Takes over the descriptor, which has the lock."""
        self.fd = fd
        self._end = weakref.finalize(self, _leave, folder, key, fd, os.getpid())
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            # Its children end without Python's own end. In others, after their children.
            util.Finalize(self, self._end, exitpriority=-1)

    def release(self) -> None:
        """Lets the file go; a second call does nothing."""
        self._end()


def _leave(folder: Folder, key: Key, fd: int, process: int) -> None:
    try:
        if os.getpid() == process:  # in a forked child the lock is the parent's
            with contextlib.suppress(OSError):  # nobody can be told, and the next start sweeps
                _unlink_as_last(folder, key, fd)
            # A forked child may have the same open file, so that closing ours leaves the lock.
            fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)


def _unlink_as_last(folder: Folder, key: Key, fd: int) -> None:
    if not lock_alone(fd):
        return
    name = next((one for one in key.wholes() if folder.leads_to(one.text, fd)), None)
    if name is not None and not name.is_kept:
        folder.unlink(name.text)
    if name is None and folder.leads_to(key.part, fd):
        folder.unlink(key.part)
    unlink_if_unused(folder, key.fetch)  # a fetcher who was killed left it


class FetchLock:
    """The right to fill a file, which one at a time has. Owned by whoever got it.

    It is given back by `release`, or when nobody refers to it. Any thread may use it. In a forked
    child it is closed: it is the parent's, and ends with it.
    """

    def __init__(self, folder: Folder, name: str, fd: int) -> None:
        """Takes over the descriptor, which has the lock."""
        self._fd = fd  # guarded by _lock: whether it is open is what _end.alive says
        self._lock = threading.Lock()
        self._end = weakref.finalize(self, _give_back, folder, name, fd)
        os.pwrite(fd, b"%-20d" % os.getpid(), 0)  # for who waits
        register_lock_holder(self)

    def show_life(self) -> None:
        """Tells those who wait that this process runs."""
        with self._lock:
            if self._end.alive:
                os.utime(self._fd)

    def release(self) -> None:
        """Lets others fill the file, if it is not whole; a second call does nothing."""
        with self._lock:
            self._end()

    def _after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        if self._end.detach() is not None:
            os.close(self._fd)


def _give_back(folder: Folder, name: str, fd: int) -> None:
    try:
        if folder.leads_to(name, fd):
            folder.unlink(name)
        fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)
