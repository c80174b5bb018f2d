"""Copies of objects: found in the folder, waited for, or fetched."""

from __future__ import annotations

import errno
import mmap
import time
from typing import TYPE_CHECKING, Literal, NamedTuple

from ossmodelconnector import _core
from ossmodelconnector._errors import OssError
from ossmodelconnector._node_copy._fetch import Job, fetch, require_room
from ossmodelconnector._node_copy._mapping import map_file
from ossmodelconnector._node_copy._names import Key
from ossmodelconnector._node_copy._take import (
    Life,
    Mine,
    Theirs,
    Whole,
    life_of_fetcher,
    publish,
    sweep,
    take,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._node_copy._folder import Folder
    from ossmodelconnector._node_copy._locks import Pin
    from ossmodelconnector._objects import ObjectInfo
    from ossmodelconnector._reader import ObjectReader

__all__ = ["CopiedFile", "Copies", "copy_objects"]

_LOOK_SECONDS = 0.02
# The fetching process shows every second that it runs.
LIMIT_SECONDS = 120.0


class _Mapping(mmap.mmap):
    """A private mapping; whoever has it, such as a tensor, uses the file."""

    pin: Pin


class CopiedFile:
    """The copy of an object. It is in use until `close`, and while a mapping of it lives.

    Owned by whoever called for it. Any thread may use it.
    """

    def __init__(self, reader: ObjectReader, whole: Whole) -> None:
        self.reader = reader
        self._pin: Pin | None = whole.pin
        self.verified: Literal["crc64", "length+etag"] = (
            "crc64" if whole.checked == "crc64" else "length+etag"
        )

    def map(self) -> Buffer:
        """Returns its bytes in memory that is shared, until a page of it is written to.

        ValueError: it is closed.
        """
        pin = self._pin
        if pin is None:
            raise ValueError("the node copy is closed")
        if not self.reader.size:
            return bytearray()
        mapping = map_file(_Mapping, pin.fd, self.reader.size, mmap.MAP_PRIVATE)
        mapping.pin = pin
        return mapping

    def close(self) -> None:
        """Ends the use, but for mappings. A second close does nothing."""
        self._pin = None


class Copies(NamedTuple):
    """Copies of several objects, in the order of these.

    Attributes:
        files: the copies.
        fetched_bytes: what this process received for them.
        is_warm: all of them were there.
    """

    files: list[CopiedFile]
    fetched_bytes: int
    is_warm: bool


def copy_objects(
    connector: OssModelConnector,
    objects: Sequence[str | ObjectInfo],
    folder: Folder,
    *,
    keep: bool,
) -> Copies:
    """Returns copies of objects; waits for those that other processes fetch, and fetches the rest.

    Args:
        connector: reads them.
        objects: which.
        folder: where the copies are.
        keep: whether they stay when nobody uses them.

    Raises:
        OSError: there is no room for them; a file in the folder is not ours; the folder cannot
            be written.
        TimeoutError: a process that fetches one of them does not run.
        ChecksumError: the bytes of one are not what was uploaded.
        OssError: or another of its kinds.
    """
    readers = connector.open_many(objects, prefetch=False)
    try:
        readers = [_of_known_version(connector, reader) for reader in readers]
        copying = _Copying(connector.endpoint, readers, folder, keep=keep)
        try:
            return copying.run()
        except BaseException:
            copying.release()
            raise
    except BaseException:
        for reader in readers:
            reader.close()
        raise


def _of_known_version(connector: OssModelConnector, reader: ObjectReader) -> ObjectReader:
    if _core.tells_versions(reader.etag):
        return reader
    reader.close()  # a listing told no ETag of it
    reader = connector.open(reader.uri, prefetch=False)
    if not _core.tells_versions(reader.etag):
        raise OssError(
            f"{reader.uri}: the server tells no ETag (but {reader.etag!r:.100}) that a node copy "
            "could be known by: open it without node_copy",
            uri=reader.uri,
        )
    return reader


class _Copying:
    """One call of `copy_objects`, which owns it."""

    def __init__(
        self, endpoint: str, readers: Sequence[ObjectReader], folder: Folder, *, keep: bool
    ) -> None:
        self._readers = readers
        self._folder = folder
        self._keep = keep
        self._keys = [Key.of(endpoint, one.uri, one.etag, one.size) for one in readers]
        self._found: dict[int, Whole] = {}
        self._waited_for: dict[int, Pin] = {}
        self._fetched_bytes = 0
        # What the fetcher of a file showed last, and since when that is all.
        self._sign: tuple[int, Life | None] | None = None
        self._sign_seconds = 0.0

    def run(self) -> Copies:
        sweep(self._folder, self._keys)
        self._look()
        is_warm = len(self._found) == len(self._keys) and not self._fetched_bytes
        while len(self._found) < len(self._keys):
            self._wait()
            self._look()
        files = [CopiedFile(one, self._found[place]) for place, one in enumerate(self._readers)]
        return Copies(files, self._fetched_bytes, is_warm)

    def _look(self) -> None:
        """Takes what is there, and fetches what nobody does."""
        jobs = []
        try:
            for place in range(len(self._keys)):
                if place in self._found:
                    continue
                is_waited_for = place in self._waited_for
                mine = self._take(place)
                if mine is not None:
                    jobs.append(Job(place, mine, self._readers[place]))
                elif is_waited_for and place not in self._found and not jobs:
                    break  # whoever fetches goes in the same order
            if jobs:
                require_room(self._folder, jobs)
                fetch(self._folder, jobs, self._publish)
                self._fetched_bytes += sum(job.reader.size for job in jobs)
        finally:
            for job in jobs:
                if job.place not in self._found:
                    job.mine.pin.release()
                job.mine.lock.release()

    def _take(self, place: int) -> Mine | None:
        size = self._readers[place].size
        taken = take(self._folder, self._keys[place], size, keep=self._keep)
        if isinstance(taken, Whole):
            self._found[place] = taken
            self._waited_for.pop(place, None)
        elif isinstance(taken, Theirs):
            self._waited_for.setdefault(place, taken.pin)
        return taken if isinstance(taken, Mine) else None

    def _publish(self, job: Job, checked: str) -> None:
        key = self._keys[job.place]
        self._found[job.place] = publish(self._folder, key, job.mine, checked, keep=self._keep)

    def release(self) -> None:
        """Lets all files go."""
        for whole in self._found.values():
            whole.pin.release()
        for pin in self._waited_for.values():
            pin.release()

    def _wait(self) -> None:
        """Until the first one of those that others fetch is there, or may be ours."""
        place = next(place for place in range(len(self._keys)) if place not in self._found)
        while True:
            time.sleep(_LOOK_SECONDS)
            life = life_of_fetcher(self._folder, self._keys[place])
            sign = (place, life)
            now = time.monotonic()
            if sign != self._sign:
                self._sign, self._sign_seconds = sign, now
            elif now - self._sign_seconds > LIMIT_SECONDS:
                raise self._too_late(place, life)
            if life is None:
                return

    def _too_late(self, place: int, life: Life | None) -> TimeoutError:
        uri = self._readers[place].uri
        if life is None:
            text = f"{uri} cannot be locked: is the file system sound?"
        else:
            text = (
                f"the process {life.process}, which fetches {uri}, has shown no sign of life for "
                f"{LIMIT_SECONDS:.0f} s: end it, and try again, or open without node_copy"
            )
        return TimeoutError(
            errno.ETIMEDOUT,
            f"node_copy: {text}",
            self._folder.path,
        )
