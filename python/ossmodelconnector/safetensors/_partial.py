"""Parts of tensors, by the requests that cost least."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ossmodelconnector.safetensors._frameworks import Framework, allocate, tensor_over
from ossmodelconnector.safetensors._index import Box, box_of, runs_of
from ossmodelconnector.safetensors._shard import Part

if TYPE_CHECKING:
    from ossmodelconnector.safetensors._shard import Shard

__all__ = ["read_index", "wanted_bytes", "widened"]

# Runs shorter than this are received with what lies between them, where that costs less than more
# requests, and sorted here: each would cost more work than its bytes.
_SHORT_RUN_BYTES = 32 << 10
# What is received in vain takes memory for a moment: no more than this.
_BLOCK_BYTES = 64 << 20


def wanted_bytes(shape: tuple[int, ...], itemsize: int, index: Any) -> int:
    """How many bytes the smallest part has that the index lies in."""
    return math.prod(box_of(shape, index).shape) * itemsize


def read_index(
    framework: Framework,
    shard: Shard,
    begin: int,
    dtype: Any,
    shape: tuple[int, ...],
    index: Any,
) -> Any:
    """Returns ``tensor[index]``, in memory of its own, having received little more.

    `begin` is where the tensor's bytes begin, from the end of the header on; `dtype` and `shape`
    are as the framework has them. SliceError where the index lies outside.
    """
    box = box_of(shape, index)
    itemsize = framework.itemsize(dtype)
    raw = _read_box(framework, shard, begin, itemsize, shape, box)
    if not box.is_all:
        raw = framework.copy(raw[box.inner])
    inner = tuple(int(size) for size in raw.shape[:-1])
    if math.prod(inner) == 0:
        return framework.empty(dtype, inner)
    return framework.as_type(raw.reshape(-1), dtype, inner)


def _read_box(
    framework: Framework, shard: Shard, begin: int, itemsize: int, shape: tuple[int, ...], box: Box
) -> Any:
    """The box as bytes: one more dimension, of an element's bytes."""
    byte = framework.dtype("U8")
    count = math.prod(box.shape)
    if count == 0:
        return framework.empty(byte, (*box.shape, itemsize))
    wide = widened(shape, itemsize, box, shard.gap_bytes)
    if wide == box:
        memory = allocate(count * itemsize)
        view = memoryview(memory)
        shard.read_into(
            Part(
                begin + run.begin * itemsize,
                view[run.place * itemsize : (run.place + run.length) * itemsize],
            )
            for run in runs_of(shape, box)
        )
        return tensor_over(framework, memory, 0, byte, (*box.shape, itemsize))
    narrow = tuple(
        slice(inner[0] - outer[0], inner[1] - outer[0])
        for inner, outer in zip(box.spans[1:], wide.spans[1:])
    )
    result = tensor_over(framework, allocate(count * itemsize), 0, byte, (*box.shape, itemsize))
    row_bytes = math.prod(wide.shape[1:]) * itemsize
    step = max(1, _BLOCK_BYTES // row_bytes)
    first, last = wide.spans[0]
    for low in range(first, last, step):
        high = min(last, low + step)
        block = wide._replace(spans=((low, high), *wide.spans[1:]))
        rows = _read_box(framework, shard, begin, itemsize, shape, block)
        result[low - first : high - first] = rows[(slice(None), *narrow)]
    return result


def widened(shape: tuple[int, ...], itemsize: int, box: Box, gap_bytes: int) -> Box:
    """Returns the box with whole rows in place of short runs that lie near each other.

    Args:
        shape: of the tensor.
        itemsize: of an element, in bytes.
        box: a part of it.
        gap_bytes: so many bytes cost less to receive in vain than one more request.
    """
    spans = list(box.spans)
    inner = itemsize  # bytes of what lies behind the dimension
    for dimension in range(len(shape) - 1, 0, -1):
        begin, end = spans[dimension]
        run, gap = (end - begin) * inner, (shape[dimension] - (end - begin)) * inner
        is_repeated = any(high - low > 1 for low, high in spans[:dimension])
        if gap and (not is_repeated or run >= _SHORT_RUN_BYTES or gap > gap_bytes):
            break
        spans[dimension] = (0, shape[dimension])
        inner *= shape[dimension]
    return box._replace(spans=tuple(spans))
