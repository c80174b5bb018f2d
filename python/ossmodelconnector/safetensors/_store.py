"""TensorStore: where a model's tensors are, and how each of them comes."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from ossmodelconnector._errors import ChecksumError
from ossmodelconnector._process import register_lock_holder
from ossmodelconnector.safetensors._format import HeaderError, TensorMeta
from ossmodelconnector.safetensors._frameworks import (
    Framework,
    allocate,
    stored_as,
    tensor_over,
)
from ossmodelconnector.safetensors._partial import read_index, wanted_bytes
from ossmodelconnector.safetensors._shard import Part, Shard, Verify, begin_loads

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ossmodelconnector.safetensors._source import Files

__all__ = ["Place", "TensorStore"]


class Place(NamedTuple):
    """Where a tensor is."""

    shard: Shard
    meta: TensorMeta


class TensorStore:
    """The files of a model that is open, and those of them that lie in memory.

    Owned by its `Model`; lazy tensors and loaders of the model refer to it. Thread-safe. Of a file
    that was received whole each tensor is handed out once: whoever has it may change it. When all
    of them are, the memory is theirs alone.
    """

    def __init__(
        self, shards: Sequence[Shard], files: Files, framework: Framework, verify: Verify
    ) -> None:
        """Takes over the open files; the store's close closes them."""
        self.framework = framework
        self._verify = verify
        self.shards: list[Shard] = list(shards)
        with ExitStack() as opened:
            opened.callback(self._close_shards)
            owners = _owners(self.shards, files.shard_of, files.index_uri)
            opened.pop_all()
        self.places: dict[str, Place] = {
            name: Place(shard, shard.header.tensors[name]) for name, shard in owners.items()
        }
        self._names: dict[Shard, list[str]] = {}
        for name, place in self.places.items():
            self._names.setdefault(place.shard, []).append(name)
        # Guarded by _lock: whole files with the names of tensors that nobody was given yet.
        self._loaded: dict[Shard, tuple[Buffer, set[str]]] = {}
        self._late: ChecksumError | None = None
        self.closed: bool = False
        self._lock = threading.Lock()
        register_lock_holder(self)

    def _after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        for shard in self.shards:
            shard.renew_locks()

    def part(self, name: str, index: Any) -> Any:
        """What the index takes of a tensor, in memory of its own."""
        shard, meta = self.place(name)
        if index is Ellipsis:
            return self.whole_tensor(name) if shard.is_copied else self._own_tensor(name)
        dtype, shape = stored_as(self.framework, meta)
        begin = meta.data_offsets[0]
        return read_index(self.framework, shard, begin, dtype, shape, index)

    def wanted_bytes(self, name: str, index: Any) -> int:
        """How many bytes `part` receives at least; index None: of the whole tensor."""
        meta = self.place(name).meta
        if index is None:
            return meta.nbytes
        dtype, shape = stored_as(self.framework, meta)
        return wanted_bytes(shape, self.framework.itemsize(dtype), index)

    def check(self) -> None:
        """ValueError once closed; ChecksumError, once, for bytes that were handed out and wrong.

        For calls of whoever was given them: not in threads that load ahead.
        """
        self._require_open()
        self.tell_late()

    def tell_late(self) -> None:
        """Raises the ChecksumError that nobody was told of yet."""
        with self._lock:
            late, self._late = self._late, None
        if late is not None:
            raise late

    def _require_open(self) -> None:
        if self.closed:
            raise ValueError("the model is closed: open it again")

    def place(self, name: str) -> Place:
        """Where the tensor of that name is; HeaderError: there is none."""
        self._require_open()
        place = self.places.get(name)
        if place is None:
            where = self.shards[0].uri if len(self.shards) == 1 else f"{len(self.shards)} files"
            raise HeaderError(f"File does not contain tensor {name} ({where})")
        return place

    def by_shard(self, names: Iterable[str] | None) -> dict[Shard, list[str]]:
        """Names of tensors by their file, both in their order."""
        self.check()
        if names is None:
            wanted = set(self.places)
        else:
            if isinstance(names, str):
                raise TypeError("names must be an iterable of names, not one: [name]")
            wanted = set(names)
            for name in wanted:
                self.place(name)
        grouped: dict[Shard, list[str]] = {}
        for name, place in self.places.items():
            if name in wanted:
                grouped.setdefault(place.shard, []).append(name)
        return grouped

    def begin_loads(self, by_shard: Mapping[Shard, list[str]]) -> None:
        """Has files fetched that are to be whole before a tensor of them is handed out."""
        if self._verify != "early":
            return
        with self._lock:
            missing = [shard for shard in by_shard if shard not in self._loaded]
        begin_loads(missing)

    def iterate(self, by_shard: Mapping[Shard, list[str]]) -> Iterator[tuple[str, Any]]:
        """Tensors with their names, one file after the other."""
        self.begin_loads(by_shard)
        for shard, names in by_shard.items():
            tensors: Iterator[tuple[str, Any]]
            if self._verify == "early":
                tensors = ((name, self.whole_tensor(name)) for name in names)
            elif len(names) == len(self._names[shard]):
                tensors = self._streamed(shard, names)
            else:
                tensors = ((name, self._own_tensor(name)) for name in names)
            for name, tensor in tensors:
                yield name, tensor
                del tensor  # its memory is the caller's alone
                self.check()

    def _streamed(self, shard: Shard, names: list[str]) -> Iterator[tuple[str, Any]]:
        """The tensors of a file as they come; whether they were right is known at its end."""
        try:
            for group, memory, begin in shard.stream(names, is_checked=self._verify == "late"):
                for name in group:
                    meta = shard.header.tensors[name]
                    first = meta.data_offsets[0] - begin
                    self._judge(shard, name, memoryview(memory)[first : first + meta.nbytes])
                for name in group:
                    meta = shard.header.tensors[name]
                    yield name, self._over(memory, meta.data_offsets[0] - begin, meta)
        except ChecksumError as error:
            with self._lock:
                self._late = error
            self.check()

    def _judge(self, shard: Shard, name: str, data: Buffer) -> None:
        """With "late": what comes by itself is part of a file that may be whole by now."""
        error = shard.judge(name, data) if self._verify == "late" else None
        if error is not None:
            with self._lock:
                self._late = error

    def stream_alone(self, shard: Shard, names: list[str]) -> Iterator[tuple[str, Any]]:
        """The tensors of a file as they come, in memory of their own; its end is checked."""
        for (name,), memory, begin in shard.stream(names, group_bytes=0, is_checked=True):
            meta = shard.header.tensors[name]
            yield name, self._over(memory, meta.data_offsets[0] - begin, meta)
            del memory
            self.check()

    def whole_tensor(self, name: str) -> Any:
        """A tensor of a file that was received whole and checked; or only its bytes, see verify."""
        if self._verify != "early":
            return self._own_tensor(name)
        place = self.place(name)
        with self._lock:
            loaded = self._loaded.get(place.shard)
        if loaded is None:
            loaded = self._load(place.shard)
        memory, left = loaded
        with self._lock:
            was_taken = name not in left
            left.discard(name)
            if (was_taken or not left) and self._loaded.get(place.shard) is loaded:
                del self._loaded[place.shard]
        if was_taken:  # somebody has it, and may have changed it: it comes again
            return self.whole_tensor(name)
        return self._over(
            memory, place.shard.header.data_begin + place.meta.data_offsets[0], place.meta
        )

    def _load(self, shard: Shard) -> tuple[Buffer, set[str]]:
        with shard.loading:
            with self._lock:
                loaded = self._loaded.get(shard)
            if loaded is not None:
                return loaded
            loaded = (shard.load(), set(self._names[shard]))
            with self._lock:
                if not self.closed:
                    self._loaded[shard] = loaded
        return loaded

    def _own_tensor(self, name: str) -> Any:
        """A tensor of which alone the bytes were received."""
        shard, meta = self.place(name)
        memory = allocate(meta.nbytes)
        shard.read_into([Part(meta.data_offsets[0], memory)])
        self._judge(shard, name, memory)
        return self._over(memory, 0, meta)

    def _over(self, memory: Buffer, offset: int, meta: TensorMeta) -> Any:
        return tensor_over(self.framework, memory, offset, *stored_as(self.framework, meta))

    def close(self) -> None:
        """Closes the files. Raises ChecksumError where bytes that were handed out were wrong."""
        with self._lock:
            self.closed = True
            self._loaded.clear()
        self._close_shards()
        self.tell_late()

    def _close_shards(self) -> None:
        for shard in self.shards:
            shard.close()


def _owners(
    shards: list[Shard], shard_of: Mapping[str, int] | None, index: str
) -> dict[str, Shard]:
    """By a tensor's name, the file that it is read from, in the order of files and bytes."""
    owners: dict[str, Shard] = {}
    for place, shard in enumerate(shards):
        for name in shard.header.tensors:
            if shard_of is not None:
                if shard_of.get(name) == place:
                    owners[name] = shard
            elif name in owners:
                raise HeaderError(
                    f"tensor {name!r:.200} stands in {owners[name].uri} and in {shard.uri}: name "
                    "the files of one model, or choose by variant="
                )
            else:
                owners[name] = shard
    for name, place in (shard_of or {}).items():
        if name not in owners:
            raise HeaderError(
                f"{index}: tensor {name!r:.200} should be in {shards[place].uri}, which has none "
                "of that name"
            )
    return owners
