"""DataLoader: torch's, which tells the data set what it has handed out."""

from __future__ import annotations

import array
from collections.abc import Iterator
from typing import Any, Callable

import torch.utils.data

from ossmodelconnector.torch._collate import collate
from ossmodelconnector.torch._epochs import EpochDataset
from ossmodelconnector.torch._iterable import IterableObjectDataset
from ossmodelconnector.torch._lane import Numbered
from ossmodelconnector.torch._progress import Progress

__all__ = ["DataLoader"]


class DataLoader(torch.utils.data.DataLoader[Any]):  # type: ignore[misc]  # torch is of type Any
    """torch's DataLoader, by which ``dataset.state_dict()`` is exact also with worker processes.

    It counts what it hands out, in the main process, in the data sets of this package that are
    iterable. All else is as torch's. Its length is the number of batches in a whole epoch.

    Args:
        dataset: any.
        batch_size: as of torch's.
        collate_fn: None: `ossmodelconnector.torch.collate`.
        **kw: the other arguments of torch's.

    Example:
        >>> dataset = IterableObjectDataset("oss://bucket/qwen/", connector=connector)
        >>> batches = iter(DataLoader(dataset, batch_size=2))
        >>> infos, data = next(batches)
        >>> state = dataset.state_dict()
        >>> again = IterableObjectDataset("oss://bucket/qwen/", connector=connector)
        >>> again.load_state_dict(state)
        >>> [len(infos) for infos, data in DataLoader(again, batch_size=2)]
        [2, 1]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        *,
        collate_fn: Callable[[Any], Any] | None = None,
        **kw: Any,
    ) -> None:
        if collate_fn is None:
            collate_fn = _as_it_is if batch_size is None and "batch_sampler" not in kw else collate
        if isinstance(dataset, EpochDataset):
            collate_fn = _NumberedCollate(collate_fn)
        super().__init__(dataset, batch_size, collate_fn=collate_fn, **kw)

    def __iter__(self) -> Iterator[Any]:
        if not isinstance(self.dataset, EpochDataset):
            batches: Iterator[Any] = super().__iter__()
            return batches
        progress = self.dataset._begin()
        with self.dataset._numbering():  # torch makes its workers here
            batches = super().__iter__()
        return _Counting(batches, progress)

    def __len__(self) -> int:
        if not isinstance(self.dataset, EpochDataset):
            return int(super().__len__())
        if not isinstance(self.dataset, IterableObjectDataset):
            raise TypeError("how many samples its tars have is not known before they are read")
        workers = max(1, self.num_workers)
        return self.dataset._batches(self.batch_size or 1, workers, drop_last=self.drop_last)


class _Counting:
    """The batches of an iteration; each is noted when it is handed out."""

    def __init__(self, batches: Iterator[Any], progress: Progress) -> None:
        self._batches = batches
        self._progress = progress
        self._has_failed = False

    def __iter__(self) -> _Counting:
        return self

    def __next__(self) -> Any:
        try:
            passed, batch = next(self._batches)
        except StopIteration:
            # A worker that has failed may have left samples behind.
            if not self._has_failed:
                self._progress.finish()
            raise
        except BaseException:
            self._has_failed = True
            raise
        self._progress.hand_out(array.array("q", passed))
        return batch


class _NumberedCollate:
    """Makes (numbers, batch) of `Numbered`. The numbers are bytes, which pinning leaves alone."""

    def __init__(self, collate_fn: Callable[[Any], Any]) -> None:
        self._collate = collate_fn

    def __call__(self, given: Numbered | list[Numbered]) -> tuple[bytes, Any]:
        numbers = array.array("q")
        for one in [given] if isinstance(given, Numbered) else given:
            for pair in one.passed:
                numbers.extend(pair)
        samples = given.sample if isinstance(given, Numbered) else [one.sample for one in given]
        return numbers.tobytes(), self._collate(samples)


def _as_it_is(sample: Any) -> Any:
    return sample
