"""Folders of small files, keyed by the ETags of the objects that they are copies of."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._objects import ObjectInfo

__all__ = ["folder_with", "root_of_cache", "write_files"]

# A process may hold the path of a folder, and read more files of it, long after it asked.
_KEPT_SECONDS = 7 * 24 * 3600
# Of a process that was killed while it wrote.
_UNFINISHED_SECONDS = 24 * 3600
_COPY_BYTES = 4 << 20
_UNFINISHED = "unfinished-"


def root_of_cache(given: str | os.PathLike[str] | None) -> Path:
    """Where the folders are."""
    if given is not None:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    # The specification has it that a relative path is ignored.
    top = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return top / "ossmodelconnector"


def folder_with(
    connector: OssModelConnector, root: Path, uri: str, files: Mapping[str, ObjectInfo]
) -> Path:
    """Returns a folder with copies of these objects, and makes it where there is none.

    Args:
        connector: reads them.
        root: where such folders are.
        uri: whose files they are; folders of other versions of them that nobody uses go.
        files: by names below the folder.
    """
    versions = {
        name: (info.size, info.etag or connector.stat(info.uri).etag)  # a symbolic link tells none
        for name, info in sorted(files.items())
    }
    parent = root / _digest([connector.endpoint, uri])
    folder = parent / _digest(versions)
    if not _is_whole(folder, files):
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=parent))
        try:
            write_files(connector, made, files)
            _publish(made, folder, files)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        _remove_unused(parent, folder)
    with contextlib.suppress(OSError):  # a cache that others filled, and that only they may write
        os.utime(folder)
    return folder


def write_files(
    connector: OssModelConnector, folder: Path, files: Mapping[str, ObjectInfo]
) -> None:
    """Writes copies of objects, checked by their CRC-64, below a folder.

    Raises:
        ChecksumError: the bytes of one are not what was uploaded.
        OssError: or another of its kinds.
        OSError: the folder cannot be written.
    """
    readers = connector.open_many(files.values())
    with contextlib.ExitStack() as opened:
        for reader in readers:
            opened.callback(reader.close)
        for name, reader in zip(files, readers):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with reader, path.open("wb") as file:
                shutil.copyfileobj(reader, file, _COPY_BYTES)


def _digest(fields: object) -> str:
    text = json.dumps(fields, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _is_whole(folder: Path, files: Mapping[str, ObjectInfo]) -> bool:
    """False too where somebody removed a file: programs that clean up do so, one by one."""
    try:
        return folder.is_dir() and all(
            (folder / name).stat().st_size == info.size for name, info in files.items()
        )
    except OSError:
        return False


def _publish(made: Path, folder: Path, files: Mapping[str, ObjectInfo]) -> None:
    """Gives a folder its name; one that another process made meanwhile stays."""
    for _ in range(10):
        try:
            made.rename(folder)
            return
        except OSError:
            if not folder.is_dir():
                raise
        if _is_whole(folder, files):
            return
        # It lacks files. A name of its own first, so that nobody finds it half removed.
        aside = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder.parent))
        with contextlib.suppress(OSError):
            folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
    raise OSError(f"{folder} lacks files and cannot be replaced: remove it")


def _remove_unused(parent: Path, folder: Path) -> None:
    now = time.time()
    for other in parent.iterdir():
        kept = _UNFINISHED_SECONDS if other.name.startswith(_UNFINISHED) else _KEPT_SECONDS
        with contextlib.suppress(OSError):
            if other != folder and now - other.stat().st_mtime > kept:
                shutil.rmtree(other, ignore_errors=True)
