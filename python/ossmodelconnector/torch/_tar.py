"""TarDataset: the samples of tars, tar after tar."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from ossmodelconnector._errors import OssError
from ossmodelconnector._samples import OnError
from ossmodelconnector.torch._archives import samples_of_tar
from ossmodelconnector.torch._epochs import EpochDataset
from ossmodelconnector.torch._lane import NOTHING, Lane, Step
from ossmodelconnector.torch._progress import BEGIN, DONE
from ossmodelconnector.torch._sources import Source, objects_of

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._reader import ObjectReader

__all__ = ["TarDataset"]


class TarDataset(EpochDataset):
    """Tars in the layout of webdataset as an iterable data set, resumable in the middle of a tar.

    A sample is all files of one name but for the extension, which stand one behind the other: a
    dict of lower-case extension -> bytes, with ``"__key__"``, that name, and ``"__url__"``, the
    tar's URI. A tar is read in its order, by one worker of one rank, and the next one is fetched
    meanwhile. With manifests whose rows have other columns, those are the sample's too.

    Args:
        source: as of `ObjectDataset`; of a prefix, all ``*.tar`` under it.
        transform: called with each sample; what it returns is the sample.
        shuffle: the order of the tars, by `seed` and the epoch.
        seed: as of `IterableObjectDataset`.
        rank: the same.
        world_size: the same. No tar is given to two ranks, so they may have different numbers of
            samples; have many more tars than ranks times workers.
        on_error: ``"raise"``, or ``"skip"``: of a tar that cannot be read the rest is left out,
            `skipped` counts it as one, and the log says which.
        connector: as of `IterableObjectDataset`.

    Raises:
        ValueError: an argument, or a row of the manifest, does not hold.
        ObjectNotFoundError: there is no tar under that prefix.
        OssError: or another of its kinds. From iteration also tarfile.ReadError.

    Example:
        >>> dataset = TarDataset("oss://bucket/shards/", connector=connector)
        >>> for sample in dataset:
        ...     print(sample["__key__"], sample["txt"])
        a b'first'
        b b'second'
    """

    def __init__(
        self,
        source: Source,
        *,
        transform: Callable[[Any], Any] | None = None,
        shuffle: bool = False,
        seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        on_error: OnError = "raise",
        connector: OssModelConnector | None = None,
    ) -> None:
        super().__init__(
            objects_of(connector, source, ".tar"),
            transform=transform,
            shuffle=shuffle,
            seed=seed,
            rank=rank,
            world_size=world_size,
            uneven="keep",
            on_error=on_error,
            connector=connector,
        )

    def _steps(self, connector: OssModelConnector, lane: Lane, objects: Any) -> Iterator[Step]:
        for tar in self._opened_ahead(connector, lane, objects):
            try:
                if isinstance(tar.reader, OssError):
                    raise tar.reader
                columns = self._objects.columns(tar.number) if self._objects.has_columns else {}
                with tar.reader as reader:
                    for fields, place in samples_of_tar(reader, tar.uri):
                        sample = {**columns, **fields, "__url__": tar.uri} if fields else NOTHING
                        yield Step(sample, tar.unit, place, tar.uri)
            except (OssError, tarfile.ReadError) as error:
                self._skip_or_raise(tar.uri, error)
                yield Step(NOTHING, tar.unit, DONE, tar.uri)

    def _opened_ahead(
        self, connector: OssModelConnector, lane: Lane, objects: Any
    ) -> Iterator[_Tar]:
        """The tars of a lane, each opened before the one in front of it is read."""
        waiting: list[_Tar] = []
        try:
            for unit, number in zip(map(int, lane.units), map(int, objects)):
                waiting.append(self._open(connector, unit, number, lane.places.get(unit, BEGIN)))
                if len(waiting) > 1:
                    yield waiting.pop(0)
            while waiting:
                yield waiting.pop(0)
        finally:
            for tar in waiting:
                if not isinstance(tar.reader, OssError):
                    tar.reader.close()

    def _open(self, connector: OssModelConnector, unit: int, number: int, place: int) -> _Tar:
        given = self._objects[number]
        uri = given if isinstance(given, str) else given.uri
        try:
            reader = connector.open(given, prefetch=place == BEGIN)
            reader.seek(place)
        except OssError as error:  # in its turn
            return _Tar(unit, number, uri, error)
        return _Tar(unit, number, uri, reader)


class _Tar(NamedTuple):
    unit: int
    number: int
    uri: str
    reader: ObjectReader | OssError
