"""In which order a rank reads the objects of an epoch: a pure function of few numbers."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, cast

import numpy as np

__all__ = ["Order", "Uneven"]

Uneven = Literal["pad", "drop", "keep"]


class Order(NamedTuple):
    """Attributes: see `IterableObjectDataset`; total: how many objects there are, for all ranks."""

    total: int
    shuffle: bool
    seed: int
    rank: int
    world_size: int
    uneven: Uneven

    def share(self) -> int:
        """How many objects this rank has an epoch."""
        each, rest = divmod(self.total, self.world_size)
        if self.uneven == "keep":
            return each + (self.rank < rest)
        return each + (self.uneven == "pad" and rest > 0)

    def objects(self, epoch: int, places: Any) -> Any:
        """Returns the numbers of the objects at `places`, an array, of this rank's share."""
        # `pad` goes on at the begin of the order, round and round.
        places = (places * self.world_size + self.rank) % self.total
        return self._shuffled(epoch)[places] if self.shuffle else places

    def _shuffled(self, epoch: int) -> Any:
        # RandomState, and not a Generator: its streams stay as they are in all versions of numpy.
        words = [self.seed % 2**32, self.seed // 2**32 % 2**32, epoch % 2**32]
        order = np.arange(self.total, dtype=np.uint32 if self.total < 2**32 else np.int64)
        np.random.RandomState(words).shuffle(order)
        return order


def checked_uneven(uneven: object) -> Uneven:
    """Returns it. ValueError: it is none of its words."""
    if uneven not in ("pad", "drop", "keep"):
        raise ValueError(f'uneven must be "pad", "drop" or "keep", not {uneven!r}')
    return cast("Uneven", uneven)
