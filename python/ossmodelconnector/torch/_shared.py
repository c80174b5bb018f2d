"""Shared: the few numbers of a data set that its worker processes share with the main process."""

from __future__ import annotations

from typing import Any

import torch
import torch.utils.data

__all__ = ["Shared"]

_EPOCH, _LOADS, _UNCOUNTED, _SKIPPED = range(4)
# Each process counts what it skipped in a number of its own: the main process, and its workers.
_PROCESSES = 1024


class Shared:
    """A tensor in shared memory: workers that torch's DataLoader starts have it too, by any method.

    A copy by pickle alone has numbers of its own. Who writes: the main process all but what follows
    `is_uncounted`, which workers write, each its own number. Numbers are read and written whole.
    """

    def __init__(self) -> None:
        self._numbers = torch.zeros(_SKIPPED + _PROCESSES, dtype=torch.int64).share_memory_()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if not self._numbers.is_shared():
            self._numbers.share_memory_()

    @property
    def epoch(self) -> int:
        """The epoch that is iterated over next."""
        return int(self._numbers[_EPOCH])

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._numbers[_EPOCH] = epoch

    @property
    def loads(self) -> int:
        """How many states were loaded."""
        return int(self._numbers[_LOADS])

    @loads.setter
    def loads(self, loads: int) -> None:
        self._numbers[_LOADS] = loads

    @property
    def is_uncounted(self) -> bool:
        """Whether workers gave samples to somebody who does not tell which were handed out."""
        return bool(self._numbers[_UNCOUNTED])

    @is_uncounted.setter
    def is_uncounted(self, is_uncounted: bool) -> None:
        self._numbers[_UNCOUNTED] = is_uncounted

    @property
    def skipped(self) -> int:
        """How many objects all processes have skipped."""
        return int(self._numbers[_SKIPPED:].sum())

    def add_skipped(self) -> None:
        """Counts one, of this process."""
        info = torch.utils.data.get_worker_info()
        place = 0 if info is None else 1 + info.id % (_PROCESSES - 1)
        self._numbers[_SKIPPED + place] += 1
