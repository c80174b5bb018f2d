"""What a listing gives: ObjectInfo, and ObjectList, a sequence of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from ossmodelconnector import _core

__all__ = ["ObjectInfo", "ObjectList"]


@dataclass(frozen=True)
class ObjectInfo:
    """One object as the server describes it. Immutable, hashable, picklable.

    Attributes:
        bucket: the bucket's name.
        key: the object's name in the bucket.
        size: in bytes.
        etag: the version's tag, without quotes.
        last_modified: a datetime in UTC, aware of it.
        storage_class: ``"Standard"``, ``"IA"``, ``"Archive"``, ...

    Example:
        >>> info = connector.stat("oss://bucket/model.safetensors")
        >>> info.size, info.last_modified.isoformat()
        (4294967296, '2024-08-02T15:04:05+00:00')
    """

    # Written out, since dataclass(slots=True) needs Python 3.10.
    __slots__ = ("bucket", "etag", "key", "last_modified", "size", "storage_class")

    bucket: str
    key: str
    size: int
    etag: str
    last_modified: datetime
    storage_class: str

    @property
    def uri(self) -> str:
        """``oss://bucket/key``. `OssModelConnector.open` takes it, and the ObjectInfo itself."""
        return f"oss://{self.bucket}/{self.key}"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (
            self.bucket,
            self.key,
            self.size,
            self.etag,
            self.last_modified,
            self.storage_class,
        )


def object_info(bucket: str, row: tuple[str, int, str, float, str]) -> ObjectInfo:
    """Makes an ObjectInfo of what the core tells about an object."""
    key, size, etag, modified, storage_class = row
    last_modified = datetime.fromtimestamp(modified, timezone.utc)
    return ObjectInfo(bucket, key, size, etag, last_modified, storage_class)


class ObjectList(Sequence[ObjectInfo]):
    """The objects of one listing, as a read-only sequence of `ObjectInfo`.

    It holds compact columns and makes each ObjectInfo when it is asked for, so that a listing of
    millions takes little memory; a slice shares the columns. It pickles, and it compares equal to
    another ObjectList of the same objects in the same order.

    Example:
        >>> objects = connector.list("bucket", "qwen/")
        >>> len(objects), sum(obj.size for obj in objects), objects[-1].key
        (38, 144383672320, 'qwen/model-00038-of-00038.safetensors')
    """

    __slots__ = ("_columns", "_rows")

    def __init__(self, columns: _core.ListColumns, rows: range | None = None) -> None:
        self._columns = columns
        self._rows = range(len(columns)) if rows is None else rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> ObjectInfo: ...
    @overload
    def __getitem__(self, index: slice) -> ObjectList: ...
    def __getitem__(self, index: int | slice) -> ObjectInfo | ObjectList:
        if isinstance(index, slice):
            return ObjectList(self._columns, self._rows[index])
        try:
            row = self._rows[index]
        except IndexError:
            raise IndexError("ObjectList index out of range") from None
        return object_info(self._columns.bucket, self._columns.row(row))

    def __iter__(self) -> Iterator[ObjectInfo]:
        bucket, row = self._columns.bucket, self._columns.row
        return (object_info(bucket, row(i)) for i in self._rows)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ObjectList):
            return NotImplemented
        if len(self) != len(other):
            return False
        return all(mine == theirs for mine, theirs in zip(self, other))

    # Comparing walks all of it, hashing would have to as well. (typeshed knows None for no method.)
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<ObjectList: {len(self)} objects of bucket {self._columns.bucket!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._columns, self._rows)
