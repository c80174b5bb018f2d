"""Items of a plan of torch.distributed.checkpoint: a part of a saved tensor, and where it goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

__all__ = ["check_within", "target_of"]


def target_of(item: Any, planner: Any) -> torch.Tensor:
    """The tensor that an item goes into, by the planner; ValueError: it is of another size."""
    target: torch.Tensor = planner.resolve_tensor(item).detach()
    if target.size() != torch.Size(item.lengths):
        raise ValueError(
            f"{item.storage_index.fqn!r}: the planner has a tensor of {tuple(target.size())} for a "
            f"part of {tuple(item.lengths)}"
        )
    return target


def check_within(item: Any, shape: Sequence[int]) -> None:
    """ValueError: what is wanted does not lie in a tensor of that shape."""
    ends = [low + size for low, size in zip(item.storage_offsets, item.lengths)]
    if len(ends) != len(shape) or any(end > size for end, size in zip(ends, shape)):
        raise ValueError(
            f"{item.storage_index.fqn!r}: the part from {tuple(item.storage_offsets)} to "
            f"{tuple(ends)} is wanted of a tensor that was saved with the shape {tuple(shape)}"
        )
