"""Transfer: parts of tensors in files, received together into the tensors that want them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ossmodelconnector._arguments import object_to_open
from ossmodelconnector._errors import OssError
from ossmodelconnector.safetensors._frameworks import allocate
from ossmodelconnector.safetensors._index import Box, runs_of
from ossmodelconnector.safetensors._partial import widened

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._reader import ObjectReader

__all__ = ["Source", "Transfer", "read_for"]

# So much of a group is copied on from memory of our own.
_STAGING_BYTES = 256 << 20
# A part that is to be copied on comes in blocks of no more, so that it fits.
_BLOCK_BYTES = 64 << 20
# Of a piece of staging memory: enough for any type.
_ALIGNMENT = 64


class Source(NamedTuple):
    """A tensor in a file, its elements behind each other in their order.

    Attributes:
        file: the number of the file.
        begin: where its bytes begin.
        dtype: its type.
        shape: its extents.
    """

    file: int
    begin: int
    dtype: torch.dtype
    shape: tuple[int, ...]


class Transfer:
    """Collects what is wanted, and receives it in groups.

    Owned by one call of `OssStorageReader.read_data`; for one thread. What follows once bytes are
    there is done by `receive`, in the order in which it was added.
    """

    def __init__(
        self, connector: OssModelConnector, files: Sequence[ObjectReader], group_bytes: int
    ) -> None:
        """Refers to open files.

        Args:
            connector: theirs.
            files: by their numbers.
            group_bytes: so much is received at once.
        """
        self._connector = connector
        self._files = files
        self._gap_bytes = connector._core.bytes_per_round_trip
        self._group_bytes = group_bytes
        limit = min(_STAGING_BYTES, connector.stats().memory_limit_bytes, group_bytes)
        self._staging = _Staging(limit)
        self._block_bytes = min(_BLOCK_BYTES, limit)
        # Of the group: (file, offset, where to), the tensors of each file, and what follows.
        self._parts: list[tuple[int, int, Buffer]] = []
        self._names: dict[int, list[str]] = {}
        self._bytes = 0
        self._then: list[Callable[[], object]] = []

    def add_bytes(
        self, name: str, file: int, begin: int, length: int, then: Callable[[Buffer], None]
    ) -> None:
        """Wants bytes of a file for `then`, in memory of their own.

        Args:
            name: whose they are, for errors.
            file: its number.
            begin: the first one's place.
            length: how many.
            then: takes them.
        """
        self._make_room(length)
        memory = allocate(length)
        self._add_part(name, file, begin, memory, length)
        self._then.append(lambda: then(memory))

    def add_tensor(
        self,
        name: str,
        source: Source,
        offsets: Sequence[int],
        target: torch.Tensor,
        is_right: Callable[[], bool],
    ) -> None:
        """Wants a part of a tensor in another tensor.

        Args:
            name: whose it is, for errors.
            source: where it is.
            offsets: where the part begins along each dimension.
            target: as large as the part.
            is_right: asked when bytes have come: whether they are what they should be. Others are
                not copied on; where they were received in place, they are there.
        """
        if target.numel() == 0:
            return
        spans = tuple((low, low + size) for low, size in zip(offsets, target.shape))
        box = Box(spans, (), True)
        itemsize = source.dtype.itemsize
        wide = widened(source.shape, itemsize, box, self._gap_bytes)
        if wide == box and target.dtype == source.dtype and _is_plain_memory(target):
            self._make_room(target.numel() * itemsize)
            self._add_runs(name, source, box, _bytes_of(target))
            self._then.append(lambda: _note_write(target))
            return
        for part, rows in _blocks(wide, itemsize, self._block_bytes):
            self._add_copy(name, source, part, box, target[rows] if spans else target, is_right)

    def then(self, act: Callable[[], object]) -> None:
        """Has that done when all is there that was added so far."""
        self._then.append(act)

    def receive(self) -> None:
        """Receives what was added, and does what follows.

        Raises:
            OssError: or one of its kinds; it names tensors that were to come.
        """
        places = {file: place for place, file in enumerate(self._names)}
        if places:
            try:
                self._connector._core.read_into(
                    [object_to_open(self._files[file]) for file in places],
                    [(places[file], offset, to) for file, offset, to in self._parts],
                )
            except OssError as error:
                self._name_tensors(error)
                raise
        then, self._then = self._then, []
        self._parts.clear()
        self._names.clear()
        self._bytes = 0
        for act in then:
            act()
        self._staging.clear()

    def _name_tensors(self, error: OssError) -> None:
        for file, names in self._names.items():
            if self._files[file].uri == error.uri:
                error.args = (f"{error}; {read_for(names)}", *error.args[1:])
                error.strerror = str(error)

    def _make_room(self, length: int) -> None:
        if self._bytes and self._bytes + length > self._group_bytes:
            self.receive()

    def _add_part(self, name: str, file: int, begin: int, to: Buffer, length: int) -> None:
        if length:
            self._parts.append((file, begin, to))
            self._names.setdefault(file, []).append(name)
            self._bytes += length

    def _add_runs(self, name: str, source: Source, box: Box, memory: memoryview) -> None:
        size = source.dtype.itemsize
        for run in runs_of(source.shape, box):
            to = memory[run.place * size : (run.place + run.length) * size]
            self._add_part(name, source.file, source.begin + run.begin * size, to, len(to))

    def _add_copy(
        self,
        name: str,
        source: Source,
        wide: Box,
        box: Box,
        target: torch.Tensor,
        is_right: Callable[[], bool],
    ) -> None:
        """Wants rows of `box`, and what `wide` has beside them, by way of staging memory."""
        length = math.prod(wide.shape) * source.dtype.itemsize
        self._make_room(length)
        memory = self._staging.take(length, target.device)
        if memory is None:
            self.receive()
            memory = self._staging.take(length, target.device)
        self._add_runs(name, source, wide, _bytes_of(memory))
        narrow = tuple(
            slice(inner[0] - outer[0], inner[1] - outer[0])
            for inner, outer in zip(box.spans[1:], wide.spans[1:])
        )

        def copy(memory: Any = memory) -> None:
            if is_right():
                rows = memory.view(source.dtype).view(wide.shape)
                target.copy_(rows[(slice(None), *narrow)] if narrow else rows)

        self._then.append(copy)


class _Staging:
    """Memory for what is copied on, used again by each group. For one thread."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._memory: Any = None

    def take(self, length: int, device: Any) -> Any:
        """So many bytes of it; None: no more are free. As many as one wants, if nobody has any."""
        if self._used == 0:
            # The driver of such a device copies out of pinned memory alone.
            is_pinned = device.type == "cuda"
            memory = self._memory
            if memory is None or len(memory) < length or (is_pinned and not memory.is_pinned()):
                self._memory = None
                size = max(length, self._size)
                self._memory = (
                    torch.empty(size, dtype=torch.uint8, pin_memory=True)
                    if is_pinned
                    else torch.frombuffer(allocate(size), dtype=torch.uint8)
                )
        begin = -(-self._used // _ALIGNMENT) * _ALIGNMENT
        if begin + length > len(self._memory):
            return None
        self._used = begin + length
        return self._memory[begin : self._used]

    def clear(self) -> None:
        """Nobody has any more."""
        self._used = 0


def _blocks(wide: Box, itemsize: int, block_bytes: int) -> Iterator[tuple[Box, slice]]:
    """Parts of a box of no more bytes, where its rows have no more; and which rows each is."""
    if not wide.spans:
        yield wide, slice(None)
        return
    (first, last), *inner = wide.spans
    step = max(1, block_bytes // (math.prod(wide.shape[1:]) * itemsize))
    for low in range(first, last, step):
        high = min(last, low + step)
        yield wide._replace(spans=((low, high), *inner)), slice(low - first, high - first)


def _is_plain_memory(target: torch.Tensor) -> bool:
    """Whether its elements lie in memory of this process as they are, in their order."""
    return (
        type(target) is torch.Tensor
        and target.device.type == "cpu"
        and target.layout == torch.strided
        and target.is_contiguous()
        and not target.is_conj()
        and not target.is_neg()
    )


def _bytes_of(tensor: torch.Tensor) -> memoryview:
    return memoryview(tensor.view(-1).view(torch.uint8).numpy())


def _note_write(target: torch.Tensor) -> None:
    """Autograd then sees the change, as that by ``copy_``."""
    if not target.is_inference():
        torch.autograd.graph.increment_version(target)


def read_for(names: Sequence[str]) -> str:
    """Names some tensors, for an error."""
    names = list(dict.fromkeys(names))
    others = f" and {len(names) - 1} others" if len(names) > 1 else ""
    return f"it is read for {names[0]!r:.200}{others}"
