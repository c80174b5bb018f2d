"""Records of DCP's own format: each is what ``torch.save`` wrote, or a value's bytes."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.distributed.checkpoint.planner import LoadItemType

from ossmodelconnector.torch._plan_items import check_within, target_of
from ossmodelconnector.torch._saved_tensor import SavedTensor, parse_head
from ossmodelconnector.torch._transfer import Source, Transfer

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._reader import ObjectReader

__all__ = ["Record", "read_records", "records_of"]

# So much tells where the tensor's bytes are: torch needs less than 1 KiB up to them.
_HEAD_BYTES = 4 << 10
# A record of no more comes as one piece, and is looked at then.
_SMALL_BYTES = 64 << 10


class Record:
    """A stretch of a file, what is wanted of it, and what is known of it by now.

    Owned by one call of `OssStorageReader.read_data`; for one thread.

    Attributes:
        name: the state dict's key, for errors.
        file: the name of its file.
        begin: its first byte there.
        length: in bytes.
        transforms: what its bytes have to go through, as torch names it.
        expected: the tensor as the metadata has it, as if it began at 0; None: it is no tensor, or
            nothing is known of it.
        items: what is to be read of it.
        proved: where its tensor is, by its head; None: not known, or not read from there.
    """

    def __init__(self, name: str, info: Any, expected: SavedTensor | None) -> None:
        self.name = name
        self.file = str(info.relative_path)
        self.begin = int(info.offset)
        self.length = int(info.length)
        # Metadata of older torch has no such field.
        self.transforms: Sequence[str] = getattr(info, "transform_descriptors", None) or ()
        self.expected = expected
        self.items: list[Any] = []
        self._targets: dict[int, torch.Tensor] = {}
        self.proved: SavedTensor | None = None

    @property
    def kind(self) -> tuple[int, int] | None:
        """Records of one writer and one kind have their tensor at the same place."""
        if self.expected is None or self.transforms or self.length <= _SMALL_BYTES:
            return None
        size = self.expected.span_bytes
        return self.length - size, size % 64

    def learn(self, head: Buffer) -> None:
        """Takes the bytes before the tensor's."""
        saved = parse_head(bytes(head))
        if saved is not None and saved.is_contiguous and _lies_in(saved, self):
            self.proved = saved

    def target(self, item: Any, planner: Any) -> torch.Tensor:
        """The tensor that one of its items goes into; the planner is asked once."""
        if id(item) not in self._targets:
            self._targets[id(item)] = target_of(item, planner)
        return self._targets[id(item)]

    def finish(self) -> None:
        """All of it is where it belongs."""
        self.items.clear()
        self._targets.clear()


def records_of(items: Iterable[Any], metadata: Any) -> list[Record]:
    """Returns the records that the items of a plan are in, sorted by file and place.

    Raises:
        ValueError: the metadata has no record for one, or one that cannot be.
    """
    records: dict[Any, Record] = {}
    for item in items:
        index = item.storage_index
        if index not in records:
            info = metadata.storage_data.get(index)
            if info is None:
                raise ValueError(f"the checkpoint's metadata has no record of {index.fqn!r}")
            record = records[index] = Record(index.fqn, info, _expected(index, metadata))
            if record.begin < 0 or record.length < 0:
                raise ValueError(f"the checkpoint's metadata has a wrong record of {index.fqn!r}")
        records[index].items.append(item)
    return sorted(records.values(), key=lambda record: (record.file, record.begin))


def _expected(index: Any, metadata: Any) -> SavedTensor | None:
    stored = metadata.state_dict_metadata.get(index.fqn)
    chunks = getattr(stored, "chunks", None)
    if not chunks or index.offset is None:
        return None
    hint = index.index
    if hint is None or not 0 <= hint < len(chunks) or chunks[hint].offsets != index.offset:
        hint = next((i for i, chunk in enumerate(chunks) if chunk.offsets == index.offset), None)
        if hint is None:
            return None
    shape = tuple(chunks[hint].sizes)
    stride = [math.prod(shape[place + 1 :]) for place in range(len(shape))]
    return SavedTensor(0, stored.properties.dtype, shape, tuple(stride))


def read_records(
    connector: OssModelConnector,
    readers: Mapping[str, ObjectReader],
    records: Sequence[Record],
    planner: Any,
    group_bytes: int,
) -> None:
    """Reads all items of records, and hands them to the planner.

    Args:
        connector: the readers'.
        readers: by the file's name.
        records: in their order.
        planner: of the load.
        group_bytes: so much is received at once.

    Raises:
        ValueError: a record does not lie in its file, or is none.
        OssError: or one of its kinds.
    """
    numbers = {file: number for number, file in enumerate(readers)}
    for record in records:
        reader = readers[record.file]
        if record.begin + record.length > reader.size:
            raise ValueError(
                f"{reader.uri} has {reader.size} bytes, and {record.name!r} should lie there from "
                f"{record.begin} to {record.begin + record.length}: the file is cut short, or of "
                "another checkpoint"
            )
    transfer = Transfer(connector, list(readers.values()), group_bytes)
    places = _learn_places(connector, readers, records)
    for record in records:
        file = numbers[record.file]
        guess = _guess(record, places)
        if guess is None:
            _add_whole(transfer, file, readers[record.file].uri, record, planner)
        else:
            _add_guess(transfer, file, record, guess, planner)
    transfer.receive()
    wrong = [record for record in records if record.items]
    for record in wrong:
        file = numbers[record.file]
        if record.proved is None:
            _add_whole(transfer, file, readers[record.file].uri, record, planner)
        else:
            _add_tensors(transfer, file, record, record.proved, planner, lambda: True)
    transfer.receive()


def _learn_places(
    connector: OssModelConnector, readers: Mapping[str, ObjectReader], records: Iterable[Record]
) -> dict[tuple[int, int], int]:
    """Where in a record of each kind the tensor's bytes begin, by the head of one of them."""
    first: dict[tuple[int, int], Record] = {}
    for record in records:
        if record.kind is not None:
            first.setdefault(record.kind, record)
    heads = connector.read_ranges(
        (readers[record.file], record.begin, _HEAD_BYTES) for record in first.values()
    )
    places = {}
    for (kind, record), head in zip(first.items(), heads):
        saved = parse_head(head)
        if saved is not None and _lies_in(saved, record):
            places[kind] = saved.begin
    return places


def _lies_in(saved: SavedTensor, record: Record) -> bool:
    return saved.begin + saved.span_bytes <= record.length


def _guess(record: Record, places: Mapping[tuple[int, int], int]) -> SavedTensor | None:
    """Where a record should have its tensor; None: nobody knows."""
    begin = None if record.kind is None else places.get(record.kind)
    if record.expected is None or begin is None:
        return None
    guess = record.expected._replace(begin=begin)
    return guess if _lies_in(guess, record) else None


def _add_guess(
    transfer: Transfer, file: int, record: Record, guess: SavedTensor, planner: Any
) -> None:
    """Wants the tensor's bytes where they should be, and the head that says where they are."""
    transfer.add_bytes(record.name, file, record.begin, guess.begin, record.learn)
    _add_tensors(transfer, file, record, guess, planner, lambda: record.proved == guess)


def _add_tensors(
    transfer: Transfer,
    file: int,
    record: Record,
    saved: SavedTensor,
    planner: Any,
    is_right: Callable[[], bool],
) -> None:
    source = Source(file, record.begin + saved.begin, saved.dtype, saved.shape)
    for item in record.items:
        check_within(item, saved.shape)
        target = record.target(item, planner)
        transfer.add_tensor(record.name, source, item.storage_offsets, target, is_right)
        transfer.then(functools.partial(_commit, planner, item, target, is_right))

    def finish() -> None:
        if is_right():
            record.finish()

    transfer.then(finish)


def _commit(planner: Any, item: Any, target: torch.Tensor, is_right: Callable[[], bool]) -> None:
    if is_right():
        planner.commit_tensor(item, target)


def _add_whole(transfer: Transfer, file: int, uri: str, record: Record, planner: Any) -> None:
    """Wants all of a record, to be looked at then."""

    def take(memory: Buffer) -> None:
        for item in record.items:
            if item.type == LoadItemType.BYTE_IO:
                planner.load_bytes(item, _stream(record, uri, memory))
                continue
            tensor = _tensor_in(record, uri, memory)
            check_within(item, tensor.shape)
            target = record.target(item, planner)
            spans = zip(item.storage_offsets, item.lengths)
            target.copy_(tensor[tuple(slice(low, low + size) for low, size in spans)])
            planner.commit_tensor(item, target)
        record.finish()

    transfer.add_bytes(record.name, file, record.begin, record.length, take)


def _tensor_in(record: Record, uri: str, memory: Any) -> torch.Tensor:
    """The tensor of a record that is there as a whole."""
    if not record.transforms:
        saved = parse_head(bytes(memoryview(memory)[:_SMALL_BYTES]))
        if saved is not None and _lies_in(saved, record):
            if 0 in saved.shape:
                return torch.empty(saved.shape, dtype=saved.dtype)
            if saved.begin % saved.dtype.itemsize == 0:
                span = slice(saved.begin, saved.begin + saved.span_bytes)
                flat = torch.frombuffer(memory, dtype=torch.uint8)[span].view(saved.dtype)
                return flat.as_strided(saved.shape, saved.stride)
    try:
        tensor = torch.load(_stream(record, uri, memory), map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"{uri}: the record of {record.name!r} from {record.begin} on, of {record.length} "
            f"bytes, is no tensor that torch.load takes: {error}"
        ) from error
    if not isinstance(tensor, torch.Tensor):
        raise ValueError(f"{uri}: the record of {record.name!r} holds a {type(tensor).__name__}")
    return tensor


def _stream(record: Record, uri: str, memory: Any) -> io.BytesIO:
    """The bytes of a record as they were before they were compressed, or whatever was done."""
    stream = io.BytesIO(memory)
    if not record.transforms:
        return stream
    # Where it says so, there is this module.
    from torch.distributed.checkpoint._extension import ExtensionRegistry

    plain: Any = stream
    try:
        for extension in ExtensionRegistry().from_descriptor_list(record.transforms):
            plain = extension.transform_from(plain)
        return io.BytesIO(plain.read(-1))
    except Exception as error:
        raise ValueError(
            f"{uri}: the record of {record.name!r} went through {', '.join(record.transforms)}, "
            f"which cannot be undone here: {error}"
        ) from error
