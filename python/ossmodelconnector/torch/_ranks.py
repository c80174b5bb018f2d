"""Which rank this process is."""

from __future__ import annotations

import os

import torch.distributed

__all__ = ["place_among_ranks"]


def place_among_ranks(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Returns (rank, world size): those given, or for None what torch knows, or torchrun says.

    Raises:
        ValueError: one is given without the other, or they do not fit.
    """
    if (rank is None) != (world_size is None):
        raise ValueError("give rank and world_size, or neither")
    if rank is None or world_size is None:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            rank, world_size = torch.distributed.get_rank(), torch.distributed.get_world_size()
        else:  # what torchrun sets
            rank = int(os.environ.get("RANK", "0"))
            world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if not 0 <= rank < world_size:
        raise ValueError(f"rank must be from 0 to world_size - 1: {rank} of {world_size}")
    return rank, world_size
