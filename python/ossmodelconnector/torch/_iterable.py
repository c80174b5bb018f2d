"""IterableObjectDataset: objects in an order of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Callable

from ossmodelconnector._samples import OnError
from ossmodelconnector.torch._epochs import EpochDataset
from ossmodelconnector.torch._lane import NOTHING, Lane, Step
from ossmodelconnector.torch._order import Uneven, checked_uneven
from ossmodelconnector.torch._progress import DONE
from ossmodelconnector.torch._reading import samples_of
from ossmodelconnector.torch._sources import Source, objects_of

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector

__all__ = ["IterableObjectDataset"]


class IterableObjectDataset(EpochDataset):
    """Objects of OSS as an iterable data set: shuffled, in shards, read ahead, and resumable.

    Each object of `source` comes once an epoch, in one rank and one of its workers. A sample is as
    that of `ObjectDataset`. Iterate by `ossmodelconnector.torch.DataLoader`, so that `state_dict`
    knows what was handed out.

    Args:
        source: as of `ObjectDataset`. It must be the same in all ranks.
        transform: called with each sample; what it returns is the sample.
        shuffle: by `seed` and the epoch, alike in all ranks; else the order is that of `source`.
        seed: any number.
        rank: which of the ranks this is. None: that of torch.distributed if it is initialized, else
            of the variables RANK and WORLD_SIZE, which torchrun sets, else 0 of 1.
        world_size: how many ranks there are.
        read_ahead_bytes: how much each worker may have received before it is asked for. None: as
            of `OssModelConnector.read_objects`.
        on_error: ``"raise"``, or ``"skip"``: objects that cannot be read are left out, `skipped`
            counts them, and the log says which.
        connector: None: one for each process, made by `OssModelConnector.from_env` at first use.
        uneven: where objects are left over when all ranks have as many. ``"pad"``: each rank has
            one more, and the first of the order come again, as of ``DistributedSampler``;
            ``"drop"``: they are left out, as by its ``drop_last=True``; ``"keep"``: each object
            comes exactly once, and some ranks have one more.

    Raises:
        ValueError: an argument, or a row of the manifest, does not hold.
        ObjectNotFoundError: there is nothing under that prefix.
        OssError: or another of its kinds.

    Example:
        >>> dataset = IterableObjectDataset("oss://bucket/qwen/", shuffle=True, connector=connector)
        >>> dataset.set_epoch(1)
        >>> for info, data in DataLoader(dataset, batch_size=None):
        ...     assert info.size == len(data)
        >>> dataset.state_dict()["done"], dataset.skipped
        (5, 0)
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
        read_ahead_bytes: int | None = None,
        on_error: OnError = "raise",
        connector: OssModelConnector | None = None,
        uneven: Uneven = "pad",
    ) -> None:
        if read_ahead_bytes is not None and read_ahead_bytes < 1:
            raise ValueError(f"read_ahead_bytes must be positive: {read_ahead_bytes}")
        self._read_ahead_bytes = read_ahead_bytes
        super().__init__(
            objects_of(connector, source),
            transform=transform,
            shuffle=shuffle,
            seed=seed,
            rank=rank,
            world_size=world_size,
            uneven=checked_uneven(uneven),
            on_error=on_error,
            connector=connector,
        )

    def _batches(self, batch_size: int, workers: int, *, drop_last: bool) -> int:
        """How many batches an epoch of this rank has, by so many workers."""
        share = self._order.share()
        lanes = [len(range(worker, share, workers)) for worker in range(workers)]
        return sum(lane // batch_size if drop_last else -(-lane // batch_size) for lane in lanes)

    def _steps(self, connector: OssModelConnector, lane: Lane, objects: Any) -> Iterator[Step]:
        samples = samples_of(
            connector,
            self._objects,
            map(int, objects),
            self._skip_or_raise,
            read_ahead_bytes=self._read_ahead_bytes,
        )
        for unit, sample in zip(map(int, lane.units), samples):
            if sample is None:
                yield Step(NOTHING, unit, DONE, "")
            else:
                yield Step(sample, unit, DONE, sample[0].uri)
