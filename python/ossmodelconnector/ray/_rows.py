"""What a task does: reads objects, and makes blocks of rows of them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Callable, NamedTuple

import pyarrow as pa
from ray.data.block import BlockAccessor

from ossmodelconnector._errors import OssError
from ossmodelconnector._objects import ObjectInfo
from ossmodelconnector._samples import OnError, skip_or_raise, transformed
from ossmodelconnector.ray._connectors import ConnectorArguments
from ossmodelconnector.ray._objects import Objects, without_markers

__all__ = ["COLUMNS", "Rows"]

# "bytes" has room for more than 2 GiB in a block.
COLUMNS = {
    "uri": pa.string(),
    "bytes": pa.large_binary(),
    "size": pa.int64(),
    "etag": pa.string(),
    "last_modified": pa.timestamp("us", tz="UTC"),
}


class Rows(NamedTuple):
    """How objects become rows. It is the same in all tasks of a data set, and pickles.

    Attributes:
        connector_args: of which each process makes its connector.
        columns: which of `COLUMNS` a row has.
        transform: makes the row of (ObjectInfo, bytes); None: it is `columns` alone.
        on_error: ``"raise"`` or ``"skip"``.
    """

    connector_args: ConnectorArguments
    columns: tuple[str, ...]
    transform: Callable[[tuple[ObjectInfo, bytes]], Mapping[str, Any]] | None
    on_error: OnError

    @property
    def has_bytes(self) -> bool:
        """Whether objects are read at all."""
        return "bytes" in self.columns or self.transform is not None

    @property
    def schema(self) -> pa.Schema | None:
        """The schema of blocks; None where `transform` makes it."""
        if self.transform is not None:
            return None
        return pa.schema([(name, COLUMNS[name]) for name in self.columns])

    def blocks(self, objects: Objects, block_bytes: int, limit: int | None) -> Iterator[Any]:
        """Reads objects, and gives blocks of them, in their order.

        Args:
            objects: which ones; folder markers are left out.
            block_bytes: a block ends with the row by which it has so many bytes.
            limit: of rows; None: all.

        Raises:
            OssError: of the first object that cannot be read, unless it is skipped.
            TypeError: `transform` made no mapping.
        """
        rows: list[Mapping[str, Any]] = []
        filled = 0
        with contextlib.closing(self._samples(objects, limit)) as samples:
            for info, data in islice(samples, limit):
                row = self._row(info, data)
                rows.append(row)
                filled += sum(map(_size_of, row.values()))
                if filled >= block_bytes:
                    yield self._block(rows)
                    rows, filled = [], 0
        if rows:
            yield self._block(rows)

    def _samples(
        self, objects: Objects, limit: int | None
    ) -> Generator[tuple[ObjectInfo, bytes], None, None]:
        connector = self.connector_args.connector()
        wanted = without_markers(objects)
        if self.on_error == "raise":
            wanted = islice(wanted, limit)
        if not self.has_bytes:
            for one in wanted:
                try:
                    yield (one if isinstance(one, ObjectInfo) else connector.stat(one)), b""
                except OssError as error:
                    self._skip_or_raise(one, error)
            return
        pairs: Any = connector.read_objects(wanted, on_error="return")
        # Closed when this iterator is: requests in flight are given up then.
        with contextlib.closing(pairs):
            for one, data in pairs:
                if isinstance(data, OssError):
                    self._skip_or_raise(one, data)
                else:
                    yield one, data

    def _skip_or_raise(self, one: str | ObjectInfo, error: OssError) -> None:
        skip_or_raise(self.on_error, one if isinstance(one, str) else one.uri, error)

    def _row(self, info: ObjectInfo, data: bytes) -> Mapping[str, Any]:
        row = {name: data if name == "bytes" else getattr(info, name) for name in self.columns}
        if self.transform is None:
            return row
        row.pop("bytes", None)
        made = transformed(self.transform, (info, data), info.uri)
        if not isinstance(made, Mapping):
            raise TypeError(
                f"transform must return a dict, of columns and values, not {type(made).__name__}, "
                f"as it did of {info.uri}"
            )
        return {**row, **made}

    def _block(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        names = dict.fromkeys(name for row in rows for name in row)
        columns = {name: [row.get(name) for row in rows] for name in names}
        if self.transform is not None:
            return BlockAccessor.batch_to_block(columns)
        return pa.table(columns, schema=self.schema)


def _size_of(value: Any) -> int:
    """About how many bytes it has in a block."""
    if isinstance(value, (bytes, str)):
        return len(value)
    size = getattr(value, "nbytes", None)
    return size if isinstance(size, int) else sys.getsizeof(value)
