"""The model that the demo loads: 8 shards, written by the safetensors library."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

SHARDS = 8
_TENSORS_IN_SHARD = 8
_ROW = 1024  # of float16
# Less than the header that safetensors puts before the data.
_HEADER_BYTES = 512
MIN_BYTES = 1 << 20


def write_model(folder: Path, total_bytes: int) -> Iterator[Path]:
    """Writes the shards, as near below `total_bytes` as whole rows allow, and names each when done.

    The numbers are random, so that neither zeros nor a pattern can hide a byte out of place, and
    the same at every run.
    """
    folder.mkdir(parents=True)
    rows = math.ceil((total_bytes / SHARDS - _HEADER_BYTES) / (2 * _ROW))
    for shard in range(1, SHARDS + 1):
        raw = np.random.SFC64(shard).random_raw(rows * _ROW // 4)
        tensors = {
            f"model.layers.{shard - 1}.{i}.weight": part
            for i, part in enumerate(
                np.array_split(raw.view(np.float16).reshape(rows, _ROW), _TENSORS_IN_SHARD)
            )
        }
        path = folder / f"model-{shard:05d}-of-{SHARDS:05d}.safetensors"
        save_file(tensors, path)
        yield path
