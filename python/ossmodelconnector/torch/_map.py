"""ObjectDataset: objects by number."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable

import torch.utils.data

from ossmodelconnector._default import connector_or_default
from ossmodelconnector._samples import OnError, checked_on_error, skip_or_raise, transformed
from ossmodelconnector.torch._reading import samples_of
from ossmodelconnector.torch._sources import Source, objects_of

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector

__all__ = ["ObjectDataset"]


class ObjectDataset(torch.utils.data.Dataset[Any]):  # type: ignore[misc]  # torch is of type Any
    """Objects of OSS as a map-style data set: for samplers, random access, or a few thousand files.

    A batch of a ``DataLoader`` costs one round trip: all its objects are asked for at once. A
    sample is (ObjectInfo, bytes), or what `transform` makes of it; from a manifest with other
    columns than ``uri`` it is (ObjectInfo, bytes, dict of those columns).

    Args:
        source: a prefix (``oss://bucket/folder/``: all that is under it, but folder markers, in the
            order of keys), URIs, an `ObjectList`, the URI of one object; or a manifest, on OSS or a
            local path: ``.jsonl``, ``.csv`` or ``.parquet`` with a column ``uri``. It is listed or
            read now.
        transform: called with each sample; what it returns is the sample.
        connector: None: one for each process, made by `OssModelConnector.from_env` at first use.
        on_error: ``"raise"``, or ``"skip"``: a batch is without the objects that cannot be read,
            and the log says which. ``dataset[i]`` raises all the same.

    Raises:
        ValueError: an argument, or a row of the manifest, does not hold.
        ObjectNotFoundError: there is nothing under that prefix.
        OssError: or another of its kinds.

    It forks, and pickles if `transform` and `connector` do.

    Example:
        >>> dataset = ObjectDataset("oss://bucket/qwen/", connector=connector)
        >>> info, data = dataset[0]
        >>> len(dataset), info.key, data[:10]
        (5, 'qwen/config.json', b'{"layers":')
    """

    def __init__(
        self,
        source: Source,
        *,
        transform: Callable[[Any], Any] | None = None,
        connector: OssModelConnector | None = None,
        on_error: OnError = "raise",
    ) -> None:
        self._on_error = checked_on_error(on_error)
        self._transform = transform
        self._connector = connector
        self._objects = objects_of(connector, source)

    def __len__(self) -> int:
        return len(self._objects)

    def __getitem__(self, index: int) -> Any:
        return self._read([index], "raise")[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Returns the samples of a batch, read all at once; ``DataLoader`` calls it."""
        return self._read(indices, self._on_error)

    def _read(self, indices: Sequence[int], on_error: OnError) -> list[Any]:
        numbers = [self._number(index) for index in indices]
        if not numbers:
            return []
        connector = connector_or_default(self._connector)
        samples = samples_of(
            connector,
            self._objects,
            numbers,
            functools.partial(skip_or_raise, on_error),
            read_ahead_objects=len(numbers),
        )
        # One after the other: what `transform` makes of them may be smaller than all their bytes.
        return [
            transformed(self._transform, sample, sample[0].uri)
            for sample in samples
            if sample is not None
        ]

    def _number(self, index: int) -> int:
        try:
            return range(len(self))[operator.index(index)]
        except IndexError:
            raise IndexError(f"index {index} is out of range: {len(self)} objects") from None

    def __repr__(self) -> str:
        return f"<ObjectDataset: {len(self)} objects>"
