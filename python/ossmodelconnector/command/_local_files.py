"""Files in a folder that nothing leads out of: no link in it is followed, no name goes up."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ossmodelconnector import _core
from ossmodelconnector.command._exits import CommandError

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

__all__ = ["UNFINISHED", "Folder", "Unfinished", "crc64_of", "write_all"]

UNFINISHED = re.compile(rb"\.ossmc-([0-9a-f]{16})-[0-9a-f]{16}\.part\Z")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ_BYTES = 4 << 20
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Folder:
    """A local folder, open by its descriptor. For one thread.

    Names in it are given as their parts, in UTF-8. A context manager.
    """

    def __init__(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)  # noqa: PTH103 - any path that os takes
        self.path = path
        self._descriptor = os.open(path, _FOLDER)
        # By folder, and by what the name of an unfinished file says of its file: as of the first
        # look, since a folder may have many.
        self._unfinished: dict[tuple[bytes, ...], dict[bytes, list[bytes]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def free(self) -> tuple[int, int | None]:
        """Bytes that are free, and how many more files there may be; None: that is not known."""
        found = os.fstatvfs(self._descriptor)
        return found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None

    def longest_name(self) -> int:
        """Of a file, in bytes."""
        with contextlib.suppress(OSError, ValueError):
            return os.fpathconf(self._descriptor, "PC_NAME_MAX")
        return 255

    def ignores_case(self) -> bool:
        """Whether two names that differ in case alone are one file here. Looked at by a file."""
        name = f".ossmc-case-{os.getpid()}"
        made = os.open(name, os.O_CREAT | os.O_EXCL, 0o600, dir_fd=self._descriptor)
        try:
            os.stat(name.upper(), dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        finally:
            os.close(made)
            os.unlink(name, dir_fd=self._descriptor)
        return True

    def make(self, parts: tuple[bytes, ...]) -> None:
        """Makes a folder, and those above it."""
        with self.entered((*parts, b""), make=True):
            pass

    def size_of(self, parts: tuple[bytes, ...]) -> int | None:
        """The size of a file; None: there is none.

        Raises:
            CommandError: something else has its name, or a link is on the way.
        """
        try:
            with self.entered(parts) as descriptor:
                found = os.stat(parts[-1], dir_fd=descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if stat.S_ISREG(found.st_mode):
            return found.st_size
        kind = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "no file"
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else kind
        raise self._in_the_way(parts, kind)

    def size_of_unfinished(self, parts: tuple[bytes, ...], version: str) -> int:
        """How many bytes of that version an earlier run has left."""
        return self.size_of((*parts[:-1], _unfinished_name(parts, version))) or 0

    def unfinished(self, folder: int, parts: tuple[bytes, ...]) -> list[bytes]:
        """The names of unfinished files that earlier runs left for that file, in its folder."""
        by_file = self._unfinished.get(parts[:-1])
        if by_file is None:
            by_file = self._unfinished[parts[:-1]] = {}
            with os.scandir(folder) as entries:
                for entry in entries:
                    match = UNFINISHED.match(os.fsencode(entry.name))
                    if match:
                        by_file.setdefault(match[1], []).append(match[0])
        return by_file.get(_digest(parts[-1]), [])

    @contextlib.contextmanager
    def opened(self, parts: tuple[bytes, ...]) -> Iterator[int]:
        """A file's descriptor, for reading."""
        with self.entered(parts) as folder:
            descriptor = os.open(
                parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder
            )
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def entered(self, parts: tuple[bytes, ...], *, make: bool = False) -> Iterator[int]:
        """The descriptor of the folder that holds a file.

        Args:
            parts: the file's name.
            make: whether folders that are missing are made.

        Raises:
            FileNotFoundError: one is missing.
            CommandError: one is no folder, but a link or a file.
        """
        with contextlib.ExitStack() as opened:
            at = self._descriptor
            for depth, name in enumerate(parts[:-1], 1):
                at = self._step(at, name, parts[:depth], make)
                opened.callback(os.close, at)
            yield at

    def _step(self, at: int, name: bytes, path: tuple[bytes, ...], make: bool) -> int:
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=at)
        try:
            return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=at)
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            is_link = stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)
        raise self._in_the_way(path, "a symbolic link" if is_link else "a file, not a folder")

    def _in_the_way(self, parts: tuple[bytes, ...], kind: str) -> CommandError:
        where = self.name_of(parts)
        return CommandError(
            f"{where} is {kind}: nothing is written there, and nothing was lost",
            thing=where,
            next_step="move it away or pull into another folder, then run the same command again",
        )

    def name_of(self, parts: tuple[bytes, ...]) -> str:
        """A path for people."""
        return str(Path(self.path, b"/".join(parts).decode("utf-8", "backslashreplace")))


class Unfinished:
    """A file that is being written, under another name until it is whole.

    Owned by one thread; other processes are kept out by a lock on the file. A context manager:
    what is left at its end stays for the next run, unless `remove` was called.

    Attributes:
        size: how many bytes are in it.
    """

    def __init__(self, folder: Folder, parts: tuple[bytes, ...], version: str) -> None:
        self._folder = folder
        self._parts = parts
        self._name = _unfinished_name(parts, version)
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            self._at = stack.enter_context(folder.entered(parts, make=True))
            for name in folder.unfinished(self._at, parts):
                if name != self._name:  # of another version
                    with contextlib.suppress(OSError):
                        os.unlink(name, dir_fd=self._at)
            self._file = self._open()
            stack.callback(os.close, self._file)
            self._stack = stack.pop_all()
        self.size = os.fstat(self._file).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def crc64(self) -> int:
        """Of what is in it."""
        return crc64_of(self._file)

    def write(self, data: Buffer) -> None:
        """Appends bytes.

        Raises:
            CommandError: the disk is full; the file is gone then.
        """
        try:
            os.lseek(self._file, self.size, os.SEEK_SET)
            write_all(self._file, data)
        except OSError as error:
            if error.errno not in _NO_SPACE:
                raise
            self.remove()
            raise CommandError(
                f"no space left in {self._folder.path}: "
                f"{self._folder.name_of(self._parts)} could not be written ({error.strerror})",
                thing=self._folder.name_of(self._parts),
                next_step=f"df -h {self._folder.path}",
            ) from None
        self.size += memoryview(data).nbytes

    def begin_anew(self) -> None:
        """Drops what is in it."""
        os.ftruncate(self._file, 0)
        self.size = 0

    def finish(self) -> None:
        """Gives it its name; what had the name before is replaced."""
        os.rename(self._name, self._parts[-1], src_dir_fd=self._at, dst_dir_fd=self._at)

    def remove(self) -> None:
        """Removes it."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._name, dir_fd=self._at)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            try:
                file = os.open(self._name, flags, 0o666, dir_fd=self._at)
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                os.unlink(self._name, dir_fd=self._at)  # a link: nobody of us made it
                continue
            try:
                self._lock(file)
                found = os.fstat(file)
                # Another run may have finished it meanwhile. Two names: a file of somebody else.
                if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
                    return file
                if found.st_nlink > 1:
                    self.remove()
            except BaseException:
                os.close(file)
                raise
            os.close(file)

    def _lock(self, file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            where = self._folder.name_of(self._parts)
            raise CommandError(
                f"another process is writing {where}",
                thing=where,
                next_step="wait for it, or end it, then run the same command again",
            ) from None
        except OSError:
            pass  # a file system without locks


def write_all(file: int, data: Buffer) -> None:
    """Writes all of it; os.write may take less."""
    with memoryview(data) as view, view.cast("B") as left:
        at = 0
        while at < len(left):
            at += os.write(file, left[at:])


def crc64_of(file: int) -> int:
    """The CRC-64 of a file, from its beginning on."""
    crc = offset = 0
    buffer = bytearray(_READ_BYTES)
    view: Any = memoryview(buffer)
    while count := os.preadv(file, [buffer], offset):
        crc = _core.crc64(view[:count], crc)
        offset += count
    return crc


def _unfinished_name(parts: tuple[bytes, ...], version: str) -> bytes:
    of_version = _digest(version.encode("utf-8", "surrogatepass"))
    return b".ossmc-%s-%s.part" % (_digest(parts[-1]), of_version)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest()[:16].encode()
