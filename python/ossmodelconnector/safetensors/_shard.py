"""Shard: one safetensors file, and the ways its bytes come."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ossmodelconnector import _core
from ossmodelconnector._errors import ChecksumError, MemoryBudgetError
from ossmodelconnector.safetensors._file_crc import FileCrc
from ossmodelconnector.safetensors._format import (
    PREFIX_BYTES,
    Header,
    header_length,
    parse_header,
)
from ossmodelconnector.safetensors._frameworks import allocate

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._objects import ObjectInfo
    from ossmodelconnector._reader import ObjectReader

__all__ = ["Shard", "Verify", "begin_loads", "open_shards"]

Verify = Literal["early", "late", "off"]

# Of every file at once; longer headers cost one more round trip.
_PROBE_BYTES = 128 << 10
# Bytes of neighbouring tensors are received together up to so many.
_GROUP_BYTES = 32 << 20


class Part(NamedTuple):
    """Where bytes of a shard are to go: an offset in the file, and writable memory for them."""

    offset: int
    to: Buffer


class Shard:
    """A safetensors file of one version.

    Owned by its `Model`. Thread-safe. Its reader for parts is open from the start and fetches
    nothing by itself; a second one brings the whole file.
    """

    # Whether the whole file is here already.
    is_copied: bool = False

    def __init__(
        self, connector: OssModelConnector, reader: ObjectReader, header: Header, header_crc: int
    ) -> None:
        self.header = header
        self._crc = FileCrc(header_crc, header)
        self._is_judged = False  # by that
        self._connector = connector
        self._parts = reader
        self._verified: str | None = None
        # Guarded by _lock: fetches the whole file until somebody takes it; those that were taken.
        self._whole: ObjectReader | None = None
        self._taken: set[ObjectReader] = set()
        self._closed = False
        self.renew_locks()

    def renew_locks(self) -> None:
        """Makes its locks anew: in a forked child, where nobody is left to unlock them."""
        # For the model: held while it loads the whole file.
        self.loading: threading.Lock = threading.Lock()
        self._lock = threading.Lock()
        self._crc.renew_lock()

    @property
    def uri(self) -> str:
        """Its address."""
        return self._parts.uri

    @property
    def reader(self) -> ObjectReader:
        """Its reader for parts, which closes with it."""
        return self._parts

    @property
    def size(self) -> int:
        """In bytes, the header included."""
        return self._parts.size

    @property
    def verified(self) -> str:
        """What its bytes were checked by so far, as `ObjectReader.verified` has it."""
        return self._verified or self._parts.verified

    def load(self) -> Buffer:
        """Returns the whole file in writable memory, after its CRC-64 was compared.

        It lies in memory of the budget, without a copy; where other tensors hold too much of that,
        in memory of its own.

        Raises:
            MemoryBudgetError: the file is larger than the budget.
            ChecksumError: its bytes are not what was uploaded.
        """
        limit = self._connector.stats().memory_limit_bytes
        if self.size > limit:
            raise MemoryBudgetError(
                f"{self.uri}: to check all of its {self.size} bytes before a tensor is handed out, "
                f"they must fit into prefetch.memoryBytes, which is {limit}: give it more, or use "
                'verify="late"'
            )
        with self._whole_file() as reader:
            try:
                memory: Buffer = reader._core.take_buffer()
            except MemoryBudgetError:
                memory = allocate(self.size)
                reader.readinto(memory)
            self._verified = reader.verified
        return memory

    def stream(
        self, names: Sequence[str], group_bytes: int = _GROUP_BYTES, *, is_checked: bool
    ) -> Iterator[tuple[list[str], Buffer, int]]:
        """Receives the whole file in the order of its bytes, into memory of its own.

        Args:
            names: tensors, in the order of their bytes.
            group_bytes: neighbours that have no more together share a piece of memory.
            is_checked: False: what the CRC-64 says is no error.

        Yields:
            Of those, the ones that have come, with the memory that they lie in, and which byte of
            the data it begins with. At the end of the file its CRC-64 is compared.
        """
        with self._whole_file() as reader:
            if is_checked:
                reader.read(self.header.data_begin)
            header = self.header.tensors
            for group in _groups(header, names, group_bytes):
                begin = header[group[0]].data_offsets[0]
                memory = allocate(header[group[-1]].data_offsets[1] - begin)
                reader.seek(self.header.data_begin + begin)
                try:
                    reader.readinto(memory)
                except ChecksumError:
                    if is_checked:
                        raise
                    self.read_into([Part(begin, memory)])
                yield group, memory, begin
            self._verified = reader.verified

    def read_into(self, parts: Iterable[Part]) -> None:
        """Fills memory with bytes of the data, all asked for at once.

        Args:
            parts: their offsets count from the end of the header.
        """
        begin = self.header.data_begin
        self._parts._core.read_into([(begin + offset, to) for offset, to in parts])

    def judge(self, name: str, data: Buffer) -> ChecksumError | None:
        """Takes note of a whole tensor that came by itself, before it is handed out.

        Returns:
            What is wrong: with the last one that was missing, the CRC-64 of the file; with one that
            came before, that it was another one.
        """
        if not self._crc.note(name, data):
            return ChecksumError(
                f"{self.uri}: tensor {name!r:.200} came twice, and not the same: load it again",
                uri=self.uri,
            )
        if self._is_judged or (crc := self._crc.whole()) is None:
            return None
        self._is_judged = True
        expected = self._parts._core.crc64
        if expected is None:
            return None
        if crc != expected:
            return ChecksumError(
                f"{self.uri}: the bytes of its tensors, and of its header, do not match the "
                f"object's CRC-64 ({expected}): load it again",
                uri=self.uri,
            )
        self._verified = "crc64"
        return None

    @property
    def gap_bytes(self) -> int:
        """So many bytes cost less to receive in vain than one more request."""
        return self._connector._core.bytes_per_round_trip

    def close(self) -> None:
        """Closes its readers. Memory that was handed out stays."""
        with self._lock:
            self._closed = True
            readers = [self._parts, *self._taken]
            if self._whole is not None:
                readers.append(self._whole)
        for reader in readers:
            reader.close()

    @contextmanager
    def _whole_file(self) -> Iterator[ObjectReader]:
        with self._lock:
            reader, self._whole = self._whole, None
        if reader is None:
            reader = self._connector.open(self._parts)
        with self._lock:
            self._taken.add(reader)
            is_closed = self._closed
        try:
            with reader:
                if is_closed:
                    raise ValueError("the model is closed: open it again")
                yield reader
        finally:
            with self._lock:
                self._taken.discard(reader)


def begin_loads(shards: Iterable[Shard]) -> None:
    """Has whole files fetched into memory, in this order, as far as there is room.

    One round trip, however many they are: each tells with its first bytes that it has not changed.
    """
    waiting = [shard for shard in shards if shard._whole is None and not shard.is_copied]
    if not waiting:
        return
    readers = waiting[0]._connector.open_many(shard._parts for shard in waiting)
    for shard, reader in zip(waiting, readers):
        with shard._lock:
            if shard._whole is None and not shard._closed:
                shard._whole = reader
                continue
        reader.close()


def _groups(tensors: Mapping[str, Any], names: Sequence[str], most: int) -> Iterator[list[str]]:
    """Runs of names whose bytes lie behind each other, of at most so many bytes, or of one name.

    None has more than came before it, so that the first tensor is there as soon as it can be.
    """
    group: list[str] = []
    came = 0
    for name in names:
        begin, end = tensors[name].data_offsets
        if group:
            first, last = tensors[group[0]].data_offsets[0], tensors[group[-1]].data_offsets[1]
            if begin != last or end - first > min(most, came):
                yield group
                came += last - first
                group = []
        group.append(name)
    if group:
        yield group


def open_shards(connector: OssModelConnector, objects: Sequence[str | ObjectInfo]) -> list[Shard]:
    """Opens files and reads their headers, all at once.

    Two round trips; one where all objects are ObjectInfos of a listing. A header of more than
    128 KiB costs one more.

    Raises:
        HeaderError: a file is no safetensors file.
        OssError: or another of its kinds.
    """
    readers = connector.open_many(objects, prefetch=False)
    try:
        probes = connector.read_ranges((reader, 0, _PROBE_BYTES) for reader in readers)
        ends = [
            header_length(reader.uri, probe, reader.size) for reader, probe in zip(readers, probes)
        ]
        rests = iter(
            connector.read_ranges(
                (reader, len(probe), end - len(probe))
                for reader, probe, end in zip(readers, probes, ends)
                if end > len(probe)
            )
        )
        shards = []
        for reader, probe, end in zip(readers, probes, ends):
            text = (probe if end <= len(probe) else probe + next(rests))[:end]
            header = parse_header(reader.uri, text[PREFIX_BYTES:], reader.size)
            shards.append(Shard(connector, reader, header, _core.crc64(text)))
    except BaseException:
        for reader in readers:
            reader.close()
        raise
    return shards
