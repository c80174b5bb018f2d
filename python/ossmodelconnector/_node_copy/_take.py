"""The protocol by which processes agree on who fetches a file, and when it goes."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NamedTuple, Union

from ossmodelconnector._node_copy._locks import (
    FetchLock,
    Pin,
    lock_alone,
    lock_shared,
    unlink_if_unused,
)
from ossmodelconnector._node_copy._names import parse_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ossmodelconnector._node_copy._folder import Folder
    from ossmodelconnector._node_copy._names import Key, Name

__all__ = [
    "Life",
    "Mine",
    "Taken",
    "Theirs",
    "Whole",
    "life_of_fetcher",
    "publish",
    "sweep",
    "take",
]


class Whole(NamedTuple):
    """The file is there; what it was checked by: one of `CHECKED`."""

    pin: Pin
    checked: str


class Mine(NamedTuple):
    """The file is ours to fill."""

    pin: Pin
    lock: FetchLock


class Theirs(NamedTuple):
    """Another one fills the file."""

    pin: Pin


class Life(NamedTuple):
    """Who fills a file, and a number that changes as long as he runs."""

    process: str
    sign: int


Taken = Union[Whole, Mine, Theirs]


def take(folder: Folder, key: Key, size: int, *, keep: bool) -> Taken | None:
    """Takes a file as it is now; None: that changes right now, so ask again soon.

    Args:
        folder: where it is.
        key: whose copy it is.
        size: of the object, in bytes.
        keep: whether the file is to stay when nobody uses it.
    """
    for name in key.wholes():
        fd = folder.open(name.text, is_made=False)
        if fd is not None:
            return _take_whole(folder, name, fd, size, keep=keep)
    fd = folder.open(key.fetch, is_made=True)
    if fd is None:
        return None
    if not _locked(lock_alone, fd):
        pin = _pin_part(folder, key, is_made=False)
        return None if pin is None else Theirs(pin)
    lock = FetchLock(folder, key.fetch, fd)
    try:
        is_missing = folder.leads_to(key.fetch, fd) and not any(
            folder.exists(name.text) for name in key.wholes()
        )
        pin = _pin_part(folder, key, is_made=True) if is_missing else None
    except BaseException:
        lock.release()
        raise
    if pin is None:
        lock.release()
        return None
    return Mine(pin, lock)


def _take_whole(folder: Folder, name: Name, fd: int, size: int, *, keep: bool) -> Whole | None:
    try:
        is_right = os.fstat(fd).st_size == size
        if lock_alone(fd):  # nobody uses it
            if not folder.leads_to(name.text, fd):
                return None
            if not (name.is_kept and is_right):  # a crash left it
                folder.unlink(name.text)
                return None
        if not (lock_shared(fd) and folder.leads_to(name.text, fd)):
            return None
        if not is_right:
            raise folder.damaged(name.text)
        if keep and not name.is_kept:
            os.fsync(fd)
            with contextlib.suppress(FileNotFoundError):  # another one did so
                folder.rename(name.text, name.key.whole(name.state, is_kept=True))
        pin, fd = Pin(folder, name.key, fd), -1
        return Whole(pin, name.state)
    finally:
        if fd >= 0:
            os.close(fd)


def _pin_part(folder: Folder, key: Key, *, is_made: bool) -> Pin | None:
    fd = folder.open(key.part, is_made=is_made)
    if fd is None:
        return None
    if not _locked(lock_shared, fd):
        return None
    pin = Pin(folder, key, fd)
    if not folder.leads_to(key.part, fd):
        pin.release()
        return None
    return pin


def _locked(lock: Callable[[int], bool], fd: int) -> bool:
    """Locks an open file, or closes it."""
    is_locked = False
    try:
        is_locked = lock(fd)
    finally:
        if not is_locked:
            os.close(fd)
    return is_locked


def life_of_fetcher(folder: Folder, key: Key) -> Life | None:
    """Tells who fills a file now; None: nobody, or he has just begun."""
    fd = folder.open(key.fetch, is_made=False)
    if fd is None:
        return None
    try:
        if lock_alone(fd):
            return None
        process = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
        return Life(process, os.fstat(fd).st_mtime_ns)
    finally:
        os.close(fd)


def publish(folder: Folder, key: Key, mine: Mine, checked: str, *, keep: bool) -> Whole:
    """Gives a file that was filled, and checked, its name."""
    if keep:
        os.fsync(mine.pin.fd)
    folder.rename(key.part, key.whole(checked, is_kept=keep))
    mine.lock.release()
    return Whole(mine.pin, checked)


def sweep(folder: Folder, wanted: Iterable[Key]) -> None:
    """Removes what nobody uses: what crashes left, and kept files of other versions of objects.

    Args:
        folder: where.
        wanted: files that are taken next.
    """
    versions = {key.object: key.version for key in wanted}
    for text in folder.names():
        name = parse_name(text)
        if name is None:
            continue
        if name.is_kept and versions.get(name.key.object, name.key.version) == name.key.version:
            continue
        with contextlib.suppress(OSError):  # not ours: whoever takes it hears of it
            unlink_if_unused(folder, text)
