"""Folder: where the copies of one user are, and which files in it are trusted."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import weakref
from pathlib import Path
from typing import Any

from ossmodelconnector import _core

__all__ = ["Folder", "open_folder"]

_SHARED_MEMORY = "/dev/shm"
_WAY_OUT = "give node_copy a folder of your own"
# A FIFO in a file's place must not hold up whoever opens it.
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_folder(node_copy: Any, keep: Any) -> Folder | None:
    """Opens the folder that arguments of a user mean, and makes it where there is none.

    Args:
        node_copy: True: in /dev/shm; a path: in that folder; False or None: no copy is wanted.
        keep: whether copies stay when nobody uses them.

    Returns:
        The folder; None: no copy is wanted.

    Raises:
        TypeError, ValueError: an argument does not hold.
        OSError: or a kind of it, such as PermissionError: no copies can be kept there.
    """
    if not isinstance(keep, bool):
        raise TypeError(f"keep must be bool, not {type(keep).__name__}")
    if node_copy is None or node_copy is False:
        if keep:
            raise ValueError("keep=True keeps a node copy: give node_copy=True, or a folder")
        return None
    if node_copy is True:
        return Folder(_SHARED_MEMORY)
    path = os.fspath(node_copy) if isinstance(node_copy, os.PathLike) else node_copy
    if not isinstance(path, str):
        raise TypeError(
            f"node_copy must be True, or the path of a folder, not {type(node_copy).__name__}"
        )
    if not path or "\0" in path or "://" in path:
        raise ValueError(f"node_copy must be True, or a folder of this machine, not {path!r:.200}")
    return Folder(path)


class Folder:
    """An open folder that is ours alone, ``ossmodelconnector-UID`` in one that exists.

    Any thread may use it. It stays open as long as somebody refers to it.
    """

    def __init__(self, top: str) -> None:
        self.top: str = os.path.abspath(top)  # noqa: PTH100  # links on the way are the user's
        name = f"ossmodelconnector-{os.geteuid()}"
        self.path: str = os.path.join(self.top, name)  # noqa: PTH118
        try:
            parent = os.open(self.top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise OSError(
                error.errno, f"node_copy: {error.strerror}: {_hint(error.errno)}", self.top
            ) from None
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=parent)
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            self._fd = os.open(name, flags, dir_fd=parent)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise self._refused(self.path, "is no folder, or a symbolic link") from None
            raise OSError(
                error.errno, f"node_copy: {error.strerror}: {_hint(error.errno)}", self.path
            ) from None
        finally:
            os.close(parent)
        weakref.finalize(self, os.close, self._fd)
        found = os.fstat(self._fd)
        self._is_memory = _is_memory(found.st_dev)
        self._require_own(self.path, found)
        if stat.S_IMODE(found.st_mode) & 0o700 != 0o700:
            raise self._refused(self.path, "is not ours to write")
        if os.fstatvfs(self._fd).f_flag & os.ST_RDONLY:
            raise OSError(
                errno.EROFS, f"node_copy: it cannot be written: {_hint(errno.EROFS)}", self.top
            )

    def open(self, name: str, *, is_made: bool) -> int | None:
        """Opens a file for reading and writing; None: there is none, and none is to be made.

        PermissionError: it is a link, no file, another user's, or others may read or write it.
        """
        flags = os.O_RDWR | _SAFELY | (os.O_CREAT if is_made else 0)
        try:
            fd = os.open(name, flags, 0o600, dir_fd=self._fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise self._refused(self._path(name), "is no file, or a symbolic link") from None
            raise OSError(error.errno, f"node_copy: {error.strerror}", self._path(name)) from None
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise self._refused(self._path(name), "is no file")
            self._require_own(self._path(name), found)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def leads_to(self, name: str, fd: int) -> bool:
        """Whether the name still is that of an open file."""
        try:
            found = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(fd))

    def exists(self, name: str) -> bool:
        """Whether there is something of that name."""
        try:
            os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def rename(self, name: str, to: str) -> None:
        """Gives a file another name. FileNotFoundError: there is none of that name."""
        os.rename(name, to, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def unlink(self, name: str) -> None:
        """Takes a file's name away."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._fd)

    def names(self) -> list[str]:
        """Of all that is in it."""
        return os.listdir(self._fd)  # noqa: PTH208  # pathlib has no descriptors

    def free_bytes(self) -> int:
        """How much more the file system takes."""
        found = os.fstatvfs(self._fd)
        return found.f_bavail * found.f_frsize

    def require_room(self, needed: int) -> None:
        """OSError (ENOSPC): copies of so many more bytes do not fit."""
        if needed > self.free_bytes():
            raise self.too_small(needed)
        if self._is_memory:
            # Past a limit of memory the kernel ends a process, without an error.
            free, source, _ = _core.free_memory()
            if 0 < free < needed:
                raise OSError(
                    errno.ENOSPC,
                    f"node_copy: the copy needs {needed} bytes more, which count as memory, and "
                    f"{source} has {free} free: give it more, or node_copy=PATH, a folder on a "
                    "disk",
                    self.top,
                )

    def too_small(self, needed: int) -> OSError:
        """What to raise where the file system does not take so many more bytes."""
        return OSError(
            errno.ENOSPC,
            f"node_copy: the copy needs {needed} bytes more, and {self.free_bytes()} are free: "
            f"give {_SHARED_MEMORY} more (docker run --shm-size=..., in Kubernetes an emptyDir of "
            "medium: Memory with a sizeLimit), or node_copy=PATH, a folder with room",
            self.top,
        )

    def damaged(self, name: str) -> OSError:
        """What to raise where a file that others use is not as long as it must be."""
        return OSError(errno.EIO, "node_copy: the file was changed: remove it", self._path(name))

    def _path(self, name: str) -> str:
        return os.path.join(self.path, name)  # noqa: PTH118

    def _require_own(self, path: str, found: os.stat_result) -> None:
        if found.st_uid != os.geteuid():
            raise self._refused(path, f"belongs to the user {found.st_uid}")
        if found.st_mode & 0o077:
            raise self._refused(path, f"has mode {stat.S_IMODE(found.st_mode):04o}, so others may")

    def _refused(self, path: str, why: str) -> OSError:
        text = f"node_copy: this {why}, and is not used: remove it, or {_WAY_OUT}"
        return PermissionError(errno.EPERM, text, path)


def _is_memory(device: int) -> bool:
    """Whether a file system keeps its files in memory alone."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    for mount in mounts.splitlines():
        fields, _, kind = mount.partition(" - ")
        if fields.split()[2] == number:
            return kind.split()[0] in ("tmpfs", "ramfs")
    return False


def _hint(number: int | None) -> str:
    if number == errno.ENOENT:
        return "make the folder, or give another one as node_copy"
    return f"{_WAY_OUT} that can be written"
