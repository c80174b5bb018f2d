"""Safetensors files of which the machine has a copy that processes share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ossmodelconnector._node_copy import CopiedFile, Folder, copy_objects
from ossmodelconnector.safetensors._format import PREFIX_BYTES, header_length, parse_header
from ossmodelconnector.safetensors._shard import Part, Shard

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._errors import ChecksumError
    from ossmodelconnector._objects import ObjectInfo

__all__ = ["CopiedShard", "NodeCopy", "open_copied_shards"]


class NodeCopy(NamedTuple):
    """The copy of a model's files that the processes of a user on a machine share.

    Attributes:
        path: the folder that it is in.
        warm: whether all files were there when the model was opened.
        fetched_bytes: what this process received for it; others may have fetched files too.

    Example:
        >>> with open_model("oss://bucket/tiny/", connector=connector, node_copy=True) as model:
        ...     model.node_copy.fetched_bytes > 0
        True
    """

    path: Path
    warm: bool
    fetched_bytes: int


class CopiedShard(Shard):
    """A file that lies whole in a node copy. Every load of it is a new private mapping.

    Owned by its `Model`. Thread-safe.
    """

    is_copied: bool = True

    def __init__(self, connector: OssModelConnector, file: CopiedFile) -> None:
        uri, size = file.reader.uri, file.reader.size
        with memoryview(file.map()) as memory:
            end = header_length(uri, bytes(memory[:PREFIX_BYTES]), size)
            header = parse_header(uri, bytes(memory[PREFIX_BYTES:end]), size)
        super().__init__(connector, file.reader, header, header_crc=0)
        self._file = file
        self._unchanged: Buffer | None = None  # nobody writes to it

    @property
    def verified(self) -> str:
        """What the copy was checked by."""
        return self._file.verified

    def load(self) -> Buffer:
        """Returns the whole file in writable memory of its own, as far as it is written to."""
        return self._file.map()

    def stream(
        self, names: Sequence[str], group_bytes: int = 0, *, is_checked: bool
    ) -> Iterator[tuple[list[str], Buffer, int]]:
        """Yields tensors, each with the memory of the whole file, as `Shard.stream` does."""
        memory = self.load()
        for name in names:
            yield [name], memory, -self.header.data_begin

    def read_into(self, parts: Iterable[Part]) -> None:
        """Fills memory with bytes of the data."""
        if self._unchanged is None:
            self._unchanged = self._file.map()
        data = memoryview(self._unchanged)[self.header.data_begin :]
        for offset, to in parts:
            target = memoryview(to).cast("B")
            target[:] = data[offset : offset + target.nbytes]

    def judge(self, name: str, data: Buffer) -> ChecksumError | None:
        """None: the file was checked when it was fetched."""
        return None

    @property
    def gap_bytes(self) -> int:
        """All bytes of a file are here."""
        return self.size

    def close(self) -> None:
        """Closes the file. Memory that was handed out stays, and the copy as long as that."""
        super().close()
        self._file.close()
        self._unchanged = None


def open_copied_shards(
    connector: OssModelConnector,
    objects: Sequence[str | ObjectInfo],
    folder: Folder,
    *,
    keep: bool,
) -> tuple[list[CopiedShard], NodeCopy]:
    """Opens files by their copies, which are made where there are none.

    Raises:
        HeaderError: a file is no safetensors file.
        OSError: no copies can be kept in the folder.
        OssError: or another of its kinds.
    """
    copies = copy_objects(connector, objects, folder, keep=keep)
    try:
        shards = [CopiedShard(connector, file) for file in copies.files]
    except BaseException:
        for file in copies.files:
            file.reader.close()
            file.close()
        raise
    return shards, NodeCopy(Path(folder.path), copies.is_warm, copies.fetched_bytes)
