"""ObjectsDatasource: objects of OSS as a data source of Ray."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Callable

from ray.data import DataContext, Datasource, ReadTask
from ray.data.block import BlockMetadata

from ossmodelconnector._objects import ObjectInfo
from ossmodelconnector._samples import OnError, checked_on_error
from ossmodelconnector.ray import _objects
from ossmodelconnector.ray._connectors import ConnectorArguments
from ossmodelconnector.ray._rows import COLUMNS, Rows

__all__ = ["ObjectsDatasource"]

# Of a context that sets none: Ray's default.
_BLOCK_BYTES = 128 << 20


class ObjectsDatasource(Datasource):  # type: ignore[misc]  # ray is of type Any
    """Objects of OSS as rows: for ``ray.data.read_datasource``.

    Objects are listed once, here, and read in tasks on all nodes, each by one request, many at
    once. A task has a run of them, by their sizes; its blocks have Ray's target size. A process
    that runs tasks has one connector, however many tasks it runs. A task that was killed is run
    again by Ray, and no row comes twice.

    Args:
        source: a prefix (``oss://bucket/folder/``: all that is under it but folder markers, in the
            order of keys), URIs, an `ObjectList`, `ObjectInfo`s, or the URI of one object. Listed
            objects are read in the version that was listed.
        connector_args: a dict of `OssModelConnector`'s arguments. Each process makes its connector
            of it by `OssModelConnector.from_env`: what is not in it comes from the environment of
            its node. It travels in tasks, so keys that are in it are in Ray's object store; no text
            has them.
        columns: of ``"uri"``, ``"bytes"``, ``"size"`` (bytes), ``"etag"`` and ``"last_modified"``.
            Without ``"bytes"`` no object is read.
        transform: called in the task with (ObjectInfo, bytes). It returns a dict, whose values are
            columns of the row beside `columns`, in place of ``"bytes"``. It must pickle.
        on_error: ``"raise"``, or ``"skip"``: objects that cannot be read have no row, and the log
            of the task says which. A bucket or keys that fail are raised all the same.

    Raises:
        ObjectNotFoundError: there is nothing under that prefix.
        ValueError: an argument does not hold.
        TypeError: an argument of the wrong type, or a key of `connector_args` that is none.
        OssError: the listing failed.

    Tasks raise `ObjectChangedError` for an object that was overwritten since it was listed,
    `ObjectNotFoundError` for one that is gone; Ray passes them on, with the object's name.

    Example:
        >>> import ray
        >>> source = ObjectsDatasource(
        ...     "oss://bucket/qwen/config.json",
        ...     connector_args={"endpoint": "https://oss-cn-hangzhou.aliyuncs.com"},
        ...     transform=lambda sample: {"first": sample[1][:1]},
        ... )
        >>> ray.data.read_datasource(source).take(1)
        [{'uri': 'oss://bucket/qwen/config.json', 'first': b'{'}]
    """

    def __init__(
        self,
        source: str | ObjectInfo | Iterable[str] | Iterable[ObjectInfo],
        *,
        connector_args: Mapping[str, Any],
        columns: Sequence[str] = ("uri", "bytes"),
        transform: Callable[[tuple[ObjectInfo, bytes]], Mapping[str, Any]] | None = None,
        on_error: OnError = "raise",
    ) -> None:
        super().__init__()
        arguments = ConnectorArguments(connector_args)
        if isinstance(columns, str) or not columns or len(set(columns)) < len(columns):
            raise ValueError(f"columns must be a sequence of names, each once, not {columns!r}")
        for name in columns:
            if name not in COLUMNS:
                raise ValueError(f"columns has {name!r}: there are {', '.join(COLUMNS)}")
        if transform is not None and not callable(transform):
            raise TypeError(f"transform must be a function, not {type(transform).__name__}")
        self._rows = Rows(arguments, tuple(columns), transform, checked_on_error(on_error))
        self._objects = _objects.objects_of(arguments.connector(), source)

    def __repr__(self) -> str:
        return f"<ObjectsDatasource: {len(self._objects)} objects>"

    def estimate_inmemory_data_size(self) -> int | None:
        """Returns the bytes of all objects; None of URIs, whose sizes are not known."""
        return self._bytes_of(self._objects)

    def get_read_tasks(
        self,
        parallelism: int,
        per_task_row_limit: int | None = None,
        data_context: DataContext | None = None,
    ) -> list[ReadTask]:
        """Returns the tasks that read the objects, for Ray.

        Args:
            parallelism: how many; fewer where there are fewer objects.
            per_task_row_limit: of rows that each task gives.
            data_context: whose ``target_max_block_size`` blocks have.
        """
        context = data_context or DataContext.get_current()
        block_bytes = context.target_max_block_size or _BLOCK_BYTES
        return [
            self._task(part, block_bytes, per_task_row_limit)
            for part in _objects.parts(self._objects, parallelism)
        ]

    def _task(self, part: _objects.Objects, block_bytes: int, limit: int | None) -> ReadTask:
        rows = self._rows

        # What the function refers to travels with it: not this object, which has all objects.
        def read_objects() -> Iterator[Any]:
            return rows.blocks(part, block_bytes, limit)

        count = None
        if rows.on_error == "raise":
            count = _objects.count(part)
            count = count if limit is None else min(count, limit)
        metadata = BlockMetadata(
            num_rows=count, size_bytes=self._bytes_of(part), exec_stats=None, input_files=None
        )
        return ReadTask(read_objects, metadata, schema=rows.schema, per_task_row_limit=limit)

    def _bytes_of(self, objects: _objects.Objects) -> int | None:
        sizes = _objects.sizes_of(objects)
        if sizes is None:
            return None
        # Beside the bytes a row has a URI and the like: a hundred bytes, say.
        return 100 * len(objects) + (int(sizes.sum()) if self._rows.has_bytes else 0)
