"""The buckets and objects that the server shows: a folder, and objects in memory laid over it."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from heapq import merge
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Union

from ossmodelconnector.local._checksum import crc64
from ossmodelconnector.local._directory import DirectoryTree
from ossmodelconnector.local._errors import ServiceError
from ossmodelconnector.local._file_metadata import (
    SMALL_FILE_BYTES,
    FileMetadata,
    md5_etag,
    multipart_etag,
)
from ossmodelconnector.local._target import check_key, is_bucket_name
from ossmodelconnector.local._versions import Version, VersionHistory

DEFAULT_CONTENT_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class ObjectVersion:
    """What the service says about one version of an object.

    Attributes:
        size: bytes.
        etag: without quotes.
        last_modified: Unix time.
        object_type: ``"Normal"``, ``"Multipart"``, ``"Appendable"`` or ``"Symlink"``.
        storage_class: ``"Standard"``, ``"IA"``, ``"Archive"``, ``"ColdArchive"``, ...
        content_type: value of the Content-Type header.
    """

    size: int
    etag: str
    last_modified: float
    object_type: str
    storage_class: str = "Standard"
    content_type: str = DEFAULT_CONTENT_TYPE


class ListedObject(NamedTuple):
    """A row of a listing; the key as bytes, since these sort as the service does."""

    key: bytes
    version: ObjectVersion


class OpenObject:
    """One version of an object with its content; close it after use.

    Attributes:
        version: what the service says about it.
        checksum: its CRC-64 to come, None where it has none.
        data: the content, or None if it is behind `fd`.
        fd: a descriptor to read the content from by offset, -1 if it is in `data`.
        version_id: None where the object has no versions.
    """

    def __init__(
        self,
        version: ObjectVersion,
        checksum: Future[int | None],
        data: bytes | None,
        fd: int,
        version_id: str | None = None,
    ) -> None:
        self.version = version
        self.checksum = checksum
        self.data = data
        self.fd = fd
        self.version_id = version_id

    def close(self) -> None:
        """Closes the descriptor, if there is one."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> OpenObject:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Spool:
    """Bytes in an anonymous file in memory: sendfile sends them without a copy."""

    def __init__(self, data: bytes) -> None:
        if hasattr(os, "memfd_create"):
            self._file = os.fdopen(os.memfd_create("ossmodelconnector"), "wb", buffering=0)
        else:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - close() closes it
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def open(self) -> int:
        """Returns a descriptor of its own for the caller to close."""
        return os.dup(self._file.fileno())

    def close(self) -> None:
        self._file.close()


_Content = Union[bytes, _Spool, Path]


@dataclass(frozen=True)
class _Entry:
    """An object of the overlay.

    Attributes:
        content: where its bytes are.
        version: None for a `Path`, whose version is read off the file at every request.
        checksum: as `put` was told; True only with a `Path`.
        overrides: what to change in the version read off the file.
    """

    content: _Content
    version: ObjectVersion | None
    checksum: int | bool | None
    overrides: dict[str, Any]


class _Overlay:
    """The objects of one bucket that are not files of the folder."""

    def __init__(self) -> None:
        self.entries: dict[str, _Entry] = {}
        self.hidden: set[str] = set()
        self.created = time.time()
        self.sorted_keys: list[bytes] | None = []


class Store:
    """Finds, lists and changes objects. Any thread may call anything.

    Args:
        directory: folder whose sub-folders are buckets, None for a store in memory only.
        buckets: names of further buckets.
    """

    def __init__(self, directory: Path | None, buckets: Iterable[str]) -> None:
        self._tree = None if directory is None else DirectoryTree(directory)
        self._files = FileMetadata()
        self._overlays: dict[str, _Overlay] = {}
        self._versions: VersionHistory[_Entry] = VersionHistory()
        self._lock = threading.Lock()
        self._puts = 0
        for bucket in buckets:
            self.create_bucket(bucket)
        if self._tree is not None:
            self._files.precompute(_all_paths(self._tree))

    def create_bucket(self, bucket: str) -> None:
        """Makes an empty bucket; one that is there stays as it is.

        Raises:
            ValueError: the service allows no such name.
        """
        if not is_bucket_name(bucket):
            raise ValueError(f"not a bucket name: {bucket!r} (3 to 63 of a-z, 0-9 and inner -)")
        with self._lock:
            self._overlays.setdefault(bucket, _Overlay())

    def buckets(self) -> list[tuple[str, float]]:
        """Returns (name, creation time) of every bucket, in order."""
        with self._lock:
            found = {name: overlay.created for name, overlay in self._overlays.items()}
        if self._tree is not None:
            found.update((name, 0.0) for name in self._tree.buckets() if name not in found)
        return sorted(found.items())

    def has_bucket(self, bucket: str) -> bool:
        """Whether there is such a bucket."""
        return bucket in self._overlays or (
            self._tree is not None and self._tree.has_bucket(bucket)
        )

    def put(
        self,
        bucket: str,
        key: str,
        data: bytes | Path,
        *,
        storage_class: str,
        object_type: str | None,
        content_type: str,
        last_modified: float | None,
        etag: str | None,
        checksum: int | bool,
    ) -> None:
        """Lays an object over what the folder holds; see `LocalServer.put_object`."""
        self._require_name(bucket, key)
        overrides: dict[str, Any] = {
            "storage_class": storage_class,
            "content_type": content_type,
        }
        if object_type is not None:
            overrides["object_type"] = object_type
        if last_modified is not None:
            overrides["last_modified"] = last_modified
        if etag is not None:
            overrides["etag"] = etag.strip('"')
        if isinstance(data, Path):
            # A later change of the working directory must not change which file this is.
            entry = _Entry(data.absolute(), None, checksum, overrides)
        else:
            entry = self._entry_in_memory(bytes(data), checksum, overrides)
        self._versions.forget(bucket, key)
        self._lay_over(bucket, key, entry)

    def put_version(self, bucket: str, key: str, data: bytes, *, checksum: int | bool) -> str:
        """Makes a version the current one, and returns its id; see `LocalServer.put_version`."""
        self._require_name(bucket, key)
        # Not spooled: older versions are still to be had when another is current.
        entry = self._entry_in_memory(data, checksum, {}, spool=False)
        self._lay_over(bucket, key, entry)
        return self._versions.add(bucket, key, entry)

    def delete_version(self, bucket: str, key: str) -> str:
        """Makes a delete marker the latest version, and returns its id."""
        self._require_name(bucket, key)
        self._hide(bucket, key)
        return self._versions.add(bucket, key, None)

    def delete(self, bucket: str, key: str) -> None:
        """Makes an object disappear; a file of the folder stays, but is not shown any more."""
        self._versions.forget(bucket, key)
        self._hide(bucket, key)

    def open(self, bucket: str, key: str, version_id: str | None = None) -> OpenObject:
        """Opens an object: its current version, or that of `version_id`.

        Raises:
            ServiceError: there is none, or it may not be read.
        """
        latest = self._versions.latest(bucket, key)
        if version_id is not None and not (version_id == "null" and latest is None):
            version = self._versions.find(bucket, key, version_id)
            if version is None:
                self._require_bucket(bucket)
                details = [("Key", key), ("VersionId", version_id)]
                raise ServiceError("NoSuchVersion", details=details)
            return _open_version(key, version, "MethodNotAllowed")
        if latest is not None:
            return _open_version(key, latest, "NoSuchKey")
        with self._lock:
            overlay = self._overlays.get(bucket)
            entry = None if overlay is None else overlay.entries.get(key)
            hidden = overlay is not None and key in overlay.hidden
            # Under the lock, lest a replaced object's descriptor is closed before it is copied.
            spooled = (
                entry.content.open()
                if entry is not None and isinstance(entry.content, _Spool)
                else -1
            )
        if entry is not None:
            return self._open_entry(key, entry, spooled)
        found = None
        if self._tree is not None and not hidden:
            found = self._tree.open(bucket, key)
        if found is None:
            self._require_bucket(bucket)
            raise ServiceError("NoSuchKey", details=[("Key", key)])
        return self._open_file(*found, {}, True)

    def list_objects(self, bucket: str, prefix: bytes, start: bytes) -> Iterator[ListedObject]:
        """Yields the objects whose keys begin with `prefix` and are not less than `start`."""
        with self._lock:
            overlay = self._overlays.get(bucket)
            entries: dict[str, _Entry] = {}
            keys: list[bytes] = []
            hidden: frozenset[bytes] = frozenset()
            if overlay is not None:
                if overlay.sorted_keys is None:
                    overlay.sorted_keys = sorted(key.encode() for key in overlay.entries)
                entries, keys = overlay.entries, overlay.sorted_keys
                hidden = frozenset(key.encode() for key in overlay.hidden)
        in_memory = self._list_overlay(entries, keys, prefix, start)
        if self._tree is None:
            yield from in_memory
            return
        in_folder = (
            ListedObject(key, _file_version(status, self._files.etag_of_path(path, status), {}))
            for key, path, status in self._tree.walk(bucket, prefix, start)
            if key not in hidden
        )
        previous = b""
        # Of equal keys merge yields those of the first iterator first: memory hides the folder.
        for listed in merge(in_memory, in_folder, key=lambda item: item.key):
            if listed.key != previous:
                yield listed
            previous = listed.key

    def wait_until_precomputed(self, timeout: float | None) -> bool:
        """Waits until the CRC-64 of all files that were there at the start is known."""
        return self._files.wait_until_precomputed(timeout)

    def close(self) -> None:
        """Forgets the objects in memory and ends the threads."""
        self._files.close()
        with self._lock:
            for overlay in self._overlays.values():
                for entry in overlay.entries.values():
                    if isinstance(entry.content, _Spool):
                        entry.content.close()
            self._overlays.clear()

    def _require_name(self, bucket: str, key: str) -> None:
        if not self.has_bucket(bucket):
            raise LookupError(f"no such bucket: {bucket!r}; create_bucket() makes it")
        try:
            check_key(key)
        except ServiceError as error:
            raise ValueError(f"not an object key: {key!r} ({error.message})") from None

    def _require_bucket(self, bucket: str) -> None:
        if not self.has_bucket(bucket):
            raise ServiceError("NoSuchBucket", details=[("BucketName", bucket)])

    def _lay_over(self, bucket: str, key: str, entry: _Entry) -> None:
        with self._lock:
            overlay = self._overlays.setdefault(bucket, _Overlay())
            overlay.hidden.discard(key)
            replaced = overlay.entries.get(key)
            overlay.entries[key] = entry
            if replaced is None:
                overlay.sorted_keys = None
            elif isinstance(replaced.content, _Spool):
                replaced.content.close()

    def _hide(self, bucket: str, key: str) -> None:
        with self._lock:
            overlay = self._overlays.setdefault(bucket, _Overlay())
            overlay.hidden.add(key)
            entry = overlay.entries.pop(key, None)
            if entry is not None:
                overlay.sorted_keys = None
                if isinstance(entry.content, _Spool):
                    entry.content.close()

    def _entry_in_memory(
        self, data: bytes, checksum: int | bool, overrides: dict[str, Any], *, spool: bool = True
    ) -> _Entry:
        small = len(data) <= SMALL_FILE_BYTES
        with self._lock:
            self._puts += 1
            name = f"put {self._puts}"
        version = ObjectVersion(
            size=len(data),
            etag=md5_etag(data) if small else multipart_etag(name, len(data)),
            last_modified=float(int(time.time())),
            object_type="Normal" if small else "Multipart",
        )
        known = crc64(data) if checksum is True else _given(checksum)
        content = data if small or not spool else _Spool(data)
        return _Entry(content, replace(version, **overrides), known, {})

    def _open_entry(self, key: str, entry: _Entry, spooled: int) -> OpenObject:
        if isinstance(entry.content, Path):
            try:
                fd = os.open(entry.content, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                raise ServiceError("NoSuchKey", details=[("Key", key)]) from None
            return self._open_file(fd, os.fstat(fd), entry.overrides, entry.checksum)
        assert entry.version is not None
        data = entry.content if isinstance(entry.content, bytes) else None
        return OpenObject(entry.version, _known(entry.checksum), data, spooled)

    def _open_file(
        self,
        fd: int,
        status: os.stat_result,
        overrides: dict[str, Any],
        checksum: int | bool | None,
    ) -> OpenObject:
        try:
            version = _file_version(status, self._files.etag(fd, status), overrides)
            if checksum is True:
                return OpenObject(version, self._files.checksum(fd, status), None, fd)
            return OpenObject(version, _known(_given(checksum)), None, fd)
        except BaseException:
            os.close(fd)
            raise

    def _list_overlay(
        self, entries: dict[str, _Entry], keys: list[bytes], prefix: bytes, start: bytes
    ) -> Iterator[ListedObject]:
        for index in range(bisect_left(keys, max(prefix, start)), len(keys)):
            key = keys[index]
            if not key.startswith(prefix):
                return
            entry = entries.get(key.decode())
            if entry is None:
                continue
            if entry.version is not None:
                yield ListedObject(key, entry.version)
            else:
                path = os.fsencode(str(entry.content))
                try:
                    status = os.stat(path)  # noqa: PTH116 - paths are bytes here
                except OSError:
                    continue
                etag = self._files.etag_of_path(path, status)
                yield ListedObject(key, _file_version(status, etag, entry.overrides))


def _all_paths(tree: DirectoryTree) -> Iterator[bytes]:
    for bucket in tree.buckets():
        for _, path, _ in tree.walk(bucket, b"", b""):
            yield path


def _open_version(key: str, version: Version[_Entry], error_of_marker: str) -> OpenObject:
    entry = version.content
    if entry is None:
        headers = {"x-oss-delete-marker": "true", "x-oss-version-id": version.version_id}
        raise ServiceError(error_of_marker, details=[("Key", key)], headers=headers)
    assert isinstance(entry.content, bytes)
    assert entry.version is not None
    checksum = _known(_given(entry.checksum))
    return OpenObject(entry.version, checksum, entry.content, -1, version.version_id)


def _file_version(status: os.stat_result, etag: str, overrides: dict[str, Any]) -> ObjectVersion:
    version = ObjectVersion(
        size=status.st_size,
        etag=etag,
        last_modified=float(int(status.st_mtime)),
        object_type="Normal" if "-" not in etag else "Multipart",
    )
    return replace(version, **overrides) if overrides else version


def _given(checksum: int | bool | None) -> int | None:
    return None if checksum is False else checksum


def _known(checksum: int | None) -> Future[int | None]:
    future: Future[int | None] = Future()
    future.set_result(checksum)
    return future
