"""The objects that are served: written once, kept between runs, held in the page cache."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ossmodelconnector._core import crc64

from bench.server import BUCKET

_BLOCK_BYTES = 1 << 20
# Linux's, which the module mmap does not name in all versions of Python.
_MAP_LOCKED, _MAP_POPULATE = 0x2000, 0x8000


@dataclass(frozen=True)
class Object:
    """A key of the bucket and what it holds."""

    key: str
    size: int
    crc64: int


class Store:
    """The bucket's folder. Objects of the same name and size are not written again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._bucket = folder / BUCKET
        self._bucket.mkdir(parents=True, exist_ok=True)
        self._index = folder / "index.json"
        self._known: dict[str, Object] = {}
        if self._index.exists():
            rows = [Object(**row) for row in json.loads(self._index.read_text())]
            self._known = {row.key: row for row in rows if self._has(row)}

    def path(self, key: str) -> Path:
        return self._bucket / key

    def random(self, stem: str, count: int, size: int) -> list[Object]:
        """`count` objects of `size` bytes in which no two blocks are alike."""
        rows = [self._random(f"{stem}-{size}-{number:02d}", size) for number in range(count)]
        self._write_index()  # once: it is as long as all that was ever written
        return rows

    def add(self, key: str, written: Path) -> Object:
        """Takes a file that somebody wrote to `path(key)` or elsewhere."""
        if written != self.path(key):
            os.replace(written, self.path(key))
        crc = 0
        with self.path(key).open("rb") as file:
            while data := file.read(_BLOCK_BYTES):
                crc = crc64(data, crc)
        row = self._remember(Object(key, self.path(key).stat().st_size, crc))
        self._write_index()
        return row

    def known(self, key: str) -> Object | None:
        return self._known.get(key)

    def checksums(self) -> dict[Path, int]:
        """The CRC-64 of each object, by its path."""
        return {self.path(row.key): row.crc64 for row in self._known.values()}

    def _random(self, key: str, size: int) -> Object:
        known = self._known.get(key)
        if known is not None and known.size == size:
            return known
        # One block of noise, marked with its place: the disk's speed, and no block like another.
        noise = os.urandom(_BLOCK_BYTES)
        crc = 0
        partial = self.path(key + ".partial")
        with partial.open("wb") as file:
            for at in range(0, size, _BLOCK_BYTES):
                block = (f"{key} {at}\n".encode() + noise)[: min(_BLOCK_BYTES, size - at)]
                file.write(block)
                crc = crc64(block, crc)
        os.replace(partial, self.path(key))
        return self._remember(Object(key, size, crc))

    def _remember(self, row: Object) -> Object:
        self._known[row.key] = row
        return row

    def _write_index(self) -> None:
        rows = [asdict(known) for known in self._known.values()]
        self._index.write_text(json.dumps(rows, indent=1) + "\n")

    def _has(self, row: Object) -> bool:
        path = self.path(row.key)
        return path.exists() and path.stat().st_size == row.size

    @contextmanager
    def in_page_cache(self, objects: Sequence[Object]) -> Iterator[None]:
        """Brings them into the page cache and keeps them there while the context lasts."""
        with ExitStack() as held:
            for row in objects:
                held.enter_context(_hold(self.path(row.key)))
            yield


def _hold(path: Path) -> mmap.mmap:
    # Some machines give the page cache away within seconds, and then it is the disk that is
    # measured. Locked pages stay; where this user may not lock so much, mapped ones stay longer
    # than others.
    with path.open("rb") as file:
        for lock in (_MAP_LOCKED, 0):
            try:
                return mmap.mmap(
                    file.fileno(),
                    0,
                    flags=mmap.MAP_SHARED | _MAP_POPULATE | lock,
                    prot=mmap.PROT_READ,
                )
            except OSError:
                if not lock:
                    raise
    raise AssertionError("one of the two returned or raised")
