"""What a listing gives: ObjectInfo, and ObjectList, a sequence of it."""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar, overload

from ossmodelconnector import _core

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ObjectInfo", "ObjectKeys", "ObjectList"]


_FIELDS = ("bucket", "key", "size", "etag", "last_modified", "storage_class")


# The fields' values are the base class's, which makes most of them when they are asked for.
# field() says that a field has no default: dataclass would take the base's descriptor for one.
@dataclass(frozen=True, init=False)
class ObjectInfo(_core.ObjectRow):
    """One object as the server describes it. Immutable, hashable, picklable.

    Attributes:
        bucket: the bucket's name.
        key: the object's name in the bucket.
        size: in bytes.
        etag: the version's tag, without quotes; in listings ``""`` for a symbolic link.
        last_modified: a datetime in UTC, aware of it; the first second of 1970 where the server
            tells none, or one that cannot be read.
        storage_class: ``"Standard"``, ``"IA"``, ``"Archive"``, ...
        version_id: which version this is of, from `OssModelConnector.stat` in a versioned bucket;
            None elsewhere, and in listings. `OssModelConnector.open` then opens that version.

    Example:
        >>> info = connector.stat("oss://bucket/model.safetensors")
        >>> info.size, info.last_modified.isoformat()
        (4194304, '2024-08-02T15:04:05+00:00')
    """

    __slots__ = ("__weakref__",)

    bucket: str = field()
    key: str = field()
    size: int = field()
    etag: str = field()
    last_modified: datetime = field()
    storage_class: str = field()
    version_id: str | None = field()

    @property
    def uri(self) -> str:
        """``oss://bucket/key``. `OssModelConnector.open` takes it, and the ObjectInfo itself."""
        return f"oss://{self.bucket}/{self.key}"

    @property
    def is_folder_marker(self) -> bool:
        """Whether it only makes a folder show up: it is empty, and its key ends in ``/``.

        OSS has no folders. The console's "new folder", ossutil's ``mkdir`` and mounted buckets
        leave such objects, and listings hold them like others.

        Example:
            >>> objects = connector.list("bucket", "qwen/")
            >>> shards = connector.open_many(o for o in objects if not o.is_folder_marker)
        """
        return self.size == 0 and self.key.endswith("/")

    def __repr__(self) -> str:
        names = _FIELDS if self.version_id is None else (*_FIELDS, "version_id")
        fields = (f"{name}={getattr(self, name)!r}" for name in names)
        return _core.without_secrets(f"{type(self).__qualname__}({', '.join(fields)})")

    def __reduce__(self) -> tuple[Any, ...]:
        # Not by calling the class: one derived from it may take something else.
        attributes = getattr(self, "__dict__", None) or None
        values = tuple(getattr(self, name) for name in _FIELDS)
        # typeshed has neither of the two, which pickle itself names for such classes.
        make: Any = copyreg.__newobj__  # type: ignore[attr-defined]
        if self.version_id is None:
            return make, (type(self), *values), attributes
        make = copyreg.__newobj_ex__  # type: ignore[attr-defined]
        return make, (type(self), values, {"version_id": self.version_id}), attributes


def object_info(bucket: str, row: tuple[str, int, str, float, str, str]) -> ObjectInfo:
    """Makes an ObjectInfo of what the core tells about an object."""
    key, size, etag, modified, storage_class, version_id = row
    last_modified = datetime.fromtimestamp(modified, timezone.utc)
    return ObjectInfo(
        bucket, key, size, etag, last_modified, storage_class, version_id=version_id or None
    )


class ObjectKeys(Sequence[str]):
    """The keys of an `ObjectList`, as a read-only sequence of str: `ObjectList.keys`.

    A slice shares the columns. `data` and `offsets` are the keys as they lie in memory, which is
    how Apache Arrow keeps strings, so that an Arrow array of them costs nothing.

    Example:
        >>> keys = objects.keys
        >>> "qwen/config.json" in keys, keys[0]
        (True, 'qwen/config.json')
        >>> arrow = pyarrow.LargeStringArray.from_buffers(
        ...     len(keys), pyarrow.py_buffer(keys.offsets), pyarrow.py_buffer(keys.data)
        ... )
    """

    __slots__ = ("__weakref__", "_columns_and_rows")

    # One attribute, so that _adjacent() replaces both at once.
    _columns_and_rows: tuple[_core.ListColumns, range]

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        """Raises TypeError: `ObjectList.keys` makes them."""
        raise TypeError(f"{cls.__name__} is not constructed: ObjectList.keys is one")

    @classmethod
    def _over(cls, columns: _core.ListColumns, rows: range) -> ObjectKeys:
        keys: ObjectKeys = object.__new__(cls)
        keys._columns_and_rows = columns, rows
        return keys

    def __len__(self) -> int:
        return len(self._columns_and_rows[1])

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> ObjectKeys: ...
    def __getitem__(self, index: int | slice) -> str | ObjectKeys:
        columns, rows = self._columns_and_rows
        if isinstance(index, slice):
            return ObjectKeys._over(columns, rows[index])
        try:
            row = rows[index]
        except IndexError:
            raise IndexError("ObjectKeys index out of range") from None
        return columns.key(row)

    def __iter__(self) -> Iterator[str]:
        columns, rows = self._columns_and_rows
        return columns.iterate_keys(rows)

    def __contains__(self, key: object) -> bool:
        columns, rows = self._columns_and_rows
        return isinstance(key, str) and columns.has_key(key, rows)

    @property
    def data(self) -> memoryview:
        """The keys' UTF-8 bytes, one behind the other: a read-only buffer, not copied.

        Of a slice it is the whole listing's: `offsets` say where the slice's keys lie in it.
        """
        return memoryview(self._adjacent()[0].key_bytes)

    @property
    def offsets(self) -> memoryview:
        """Where in `data` each key begins, and at last where the last one ends.

        A read-only buffer of len(keys) + 1 int64 (format ``"q"``), not copied: key i is
        ``data[offsets[i]:offsets[i + 1]]``. (Of a slice with a step, the keys are copied once.)
        """
        columns, rows = self._adjacent()
        return memoryview(columns.key_offsets)[rows.start : rows.start + len(rows) + 1]

    def _adjacent(self) -> tuple[_core.ListColumns, range]:
        columns, rows = self._columns_and_rows
        if rows.step != 1:
            columns = columns.select(rows)
            rows = range(len(columns))
            self._columns_and_rows = columns, rows
        return columns, rows

    def __repr__(self) -> str:
        return f"<ObjectKeys: {len(self)} keys>"


class ObjectList(Sequence[ObjectInfo]):
    """The objects of one listing, as a sequence of `ObjectInfo` that only `sort` changes.

    It holds compact columns and makes each ObjectInfo when it is asked for, so that a listing of
    millions takes little memory: about 50 bytes an object besides its key. A slice shares the
    columns, an ObjectInfo does not. It pickles, a slice as its own objects alone, and it compares
    equal to another ObjectList of the same objects in the same order.

    It is no `list`: nothing can be added, removed or assigned, ``+`` and ``*`` are not there
    (``list(objects)`` is one), it equals no list, an object that is asked for twice is made twice,
    so ``objects[0] is objects[0]`` is False, and `keys` is a property.

    Example:
        >>> objects = connector.list("bucket", "qwen/")
        >>> len(objects), sum(objects.sizes), objects[-1].key
        (5, 4194318, 'qwen/model-00004-of-00004.safetensors')
    """

    __slots__ = ("__weakref__", "_columns_and_rows", "_common_prefixes")

    # One attribute, so that sort() replaces both at once.
    _columns_and_rows: tuple[_core.ListColumns, range]
    _common_prefixes: tuple[str, ...]

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        """Raises TypeError: `OssModelConnector.list` makes them."""
        raise TypeError(f"{cls.__name__} is not constructed: OssModelConnector.list returns one")

    @classmethod
    def _over(
        cls,
        columns: _core.ListColumns,
        rows: range | None = None,
        common_prefixes: tuple[str, ...] = (),
    ) -> ObjectList:
        objects: ObjectList = object.__new__(cls)
        objects._columns_and_rows = columns, range(len(columns)) if rows is None else rows
        objects._common_prefixes = common_prefixes
        return objects

    def __len__(self) -> int:
        return len(self._columns_and_rows[1])

    @overload
    def __getitem__(self, index: int) -> ObjectInfo: ...
    @overload
    def __getitem__(self, index: slice) -> ObjectList: ...
    def __getitem__(self, index: int | slice) -> ObjectInfo | ObjectList:
        columns, rows = self._columns_and_rows
        if isinstance(index, slice):
            return ObjectList._over(columns, rows[index])
        try:
            row = rows[index]
        except IndexError:
            raise IndexError("ObjectList index out of range") from None
        return columns.row(ObjectInfo, row)

    def __iter__(self) -> Iterator[ObjectInfo]:
        columns, rows = self._columns_and_rows
        return columns.iterate(ObjectInfo, rows)

    def __reversed__(self) -> Iterator[ObjectInfo]:
        return iter(self[::-1])

    @property
    def keys(self) -> ObjectKeys:
        """The keys, as an `ObjectKeys`: a sequence of str, and buffers of all of them.

        Example:
            >>> objects.keys[0]
            'qwen/config.json'
        """
        return ObjectKeys._over(*self._columns_and_rows)

    @property
    def common_prefixes(self) -> tuple[str, ...]:
        """Of a listing with `delimiter`: what stands for the keys that have it behind the prefix.

        Each ends in the delimiter. They are in the order of their UTF-8 bytes, and a slice has
        none.

        Example:
            >>> connector.list("bucket", delimiter="/").common_prefixes
            ('model/', 'qwen/', 'run/', 'shards/', 'tiny/', 'train/')
        """
        return self._common_prefixes

    @property
    def sizes(self) -> memoryview:
        """The sizes in bytes, as a read-only buffer of int64 (format ``"q"``), not copied.

        ``numpy.asarray(objects.sizes)`` is an array of them, at once. Of a slice with a step the
        buffer has that step (strides) too. It stays valid when the list is gone or sorted.

        Example:
            >>> sum(objects.sizes)
            4194318
        """
        columns, rows = self._columns_and_rows
        sizes = memoryview(columns.sizes)
        if not rows:
            return sizes[:0]
        # The end of a range that goes down to row 0 is -1, which in a slice is the last row.
        end = rows.stop if rows.step > 0 or rows.stop >= 0 else None
        return sizes[rows.start : end : rows.step]

    def sort(
        self, *, key: Callable[[ObjectInfo], Any] | None = None, reverse: bool = False
    ) -> None:
        """Sorts in place, as `list.sort` does: stable, and equal objects keep their order.

        Without `key` the order is that of the keys' UTF-8 bytes, which takes no call into Python.
        A listing with ``fast=True`` is in no order before. Slices, `keys` and `sizes` taken before
        keep theirs; while it sorts, memory for a second listing is needed.

        Args:
            key: makes of an `ObjectInfo` what it is sorted by; called once for each.
            reverse: the greatest first.

        Example:
            >>> objects = connector.list("bucket", "qwen/", fast=True)
            >>> objects.sort()
            >>> objects.sort(key=lambda obj: obj.size, reverse=True)
        """
        columns, rows = self._columns_and_rows
        if key is not None:
            by = [key(obj) for obj in self]
            order = sorted(range(len(by)), key=by.__getitem__, reverse=reverse)
            columns = columns.gather(rows[place] for place in order)
        else:
            # Sorted from its end, then read from its end: so equal keys keep their order.
            columns = columns.sorted(rows[::-1] if reverse else rows)
        rows = range(len(columns))
        self._columns_and_rows = columns, rows[::-1] if reverse and key is None else rows

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ObjectList):
            return NotImplemented
        columns, rows = self._columns_and_rows
        other_columns, other_rows = other._columns_and_rows
        same_prefixes = self._common_prefixes == other._common_prefixes
        return same_prefixes and columns.same_rows(rows, other_columns, other_rows)

    # Comparing walks all of it, hashing would have to as well. (typeshed knows None for no method.)
    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        columns, rows = self._columns_and_rows
        count = len(self._common_prefixes)
        prefixes = f" and {count} common prefixes" if count else ""
        return f"<ObjectList: {len(rows)} objects{prefixes} of bucket {columns.bucket!r}>"

    def __copy__(self) -> ObjectList:
        return ObjectList._over(*self._columns_and_rows, self._common_prefixes)

    def __reduce__(self) -> tuple[Any, ...]:
        columns, rows = self._columns_and_rows
        if rows != range(len(columns)):
            columns = columns.select(rows)
        state = columns.bucket, columns.parts()
        return self._restore, (*state, self._common_prefixes) if self._common_prefixes else state

    # A method, not a function: a pickle names it by the class, and no private module.
    @classmethod
    def _restore(cls, bucket: Any, parts: Any, common_prefixes: Any = ()) -> ObjectList:
        columns = _core.ListColumns.restore(bucket, parts)
        if not isinstance(common_prefixes, tuple) or {type(one) for one in common_prefixes} - {str}:
            raise ValueError("not the state of a listing")
        return cls._over(columns, common_prefixes=common_prefixes)
