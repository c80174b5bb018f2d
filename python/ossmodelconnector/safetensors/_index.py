"""What an index like ``tensor[3:5, :, 0]`` takes of a tensor, and which of its bytes that is."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from typing import Any, NamedTuple

from ossmodelconnector.safetensors._format import SliceError

__all__ = ["Box", "Run", "box_of", "runs_of"]


class Box(NamedTuple):
    """The smallest part of a tensor that an index lies in, and the index within that part.

    Attributes:
        spans: (begin, end) along each dimension.
        inner: for the tensor library's own indexing of the part.
        is_all: the part is what was asked for.
    """

    spans: tuple[tuple[int, int], ...]
    inner: tuple[Any, ...]
    is_all: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Its extent along each dimension."""
        return tuple(end - begin for begin, end in self.spans)


class Run(NamedTuple):
    """Elements that lie one behind the other.

    Attributes:
        begin: the first one's place in the tensor.
        length: how many they are.
        place: the first one's place in the box.
    """

    begin: int
    length: int
    place: int


def box_of(shape: tuple[int, ...], index: Any) -> Box:
    """Returns where an index lies in a tensor of that shape.

    It may hold integers, slices with steps above 0, ``...``, None, and sequences of integers.

    Raises:
        SliceError: it lies outside, or has too many dimensions.
        ValueError: a step is not above 0.
        TypeError: there is something else in it.
    """
    spans: list[tuple[int, int]] = []
    inner: list[Any] = []
    is_all = True
    for size, item in _items(shape, index):
        if size is None:
            inner.append(None)
            is_all = False
            continue
        span, rest = _span_of(len(spans), size, item)
        spans.append(span)
        inner.append(rest)
        is_all = is_all and rest == slice(None)
    return Box(tuple(spans), tuple(inner), is_all)


def _items(shape: tuple[int, ...], index: Any) -> Iterator[tuple[int | None, Any]]:
    """Pairs of a dimension's size (None: a new one) and what the index takes of it."""
    items = index if isinstance(index, tuple) else (index,)
    named = sum(1 for item in items if item is not None and item is not Ellipsis)
    if named > len(shape):
        raise SliceError(f"too many indices for a tensor of {len(shape)} dimensions: {named}")
    if sum(1 for item in items if item is Ellipsis) > 1:
        raise SliceError("an index can hold only one '...'")
    left = iter(shape)
    for item in items:
        if item is None:
            yield None, None
        elif item is Ellipsis:
            for _ in range(len(shape) - named):
                yield next(left), slice(None)
        else:
            yield next(left), item
    for size in left:
        yield size, slice(None)


def _span_of(dimension: int, size: int, item: Any) -> tuple[tuple[int, int], Any]:
    if isinstance(item, slice):
        begin, end, step = item.indices(size)
        if step <= 0:
            raise ValueError("step must be greater than zero")
        if end <= begin:
            return (min(begin, size), min(begin, size)), slice(None)
        end = begin + (end - 1 - begin) // step * step + 1  # behind the last one taken
        return (begin, end), slice(None, None, step) if step > 1 else slice(None)
    if _is_integer(item):
        place = _place(dimension, size, item)
        return (place, place + 1), 0
    if hasattr(item, "tolist"):
        item = item.tolist()
    if isinstance(item, (list, range)) and not any(isinstance(one, bool) for one in item):
        places = [_place(dimension, size, one) for one in item]
        if not places:
            return (0, 0), []
        begin = min(places)
        return (begin, max(places) + 1), [place - begin for place in places]
    raise TypeError(
        "an index is an integer, a slice, '...', None, or a sequence of integers, or a tuple of "
        f"these, not {type(item).__name__}"
    )


def _is_integer(item: Any) -> bool:
    """Not a truth value, which to tensor libraries is a mask."""
    if isinstance(item, bool) or "bool" in str(getattr(item, "dtype", "")):
        return False
    return hasattr(item, "__index__") and not getattr(item, "shape", ())


def _place(dimension: int, size: int, item: Any) -> int:
    place = operator.index(item)
    if not -size <= place < size:
        raise SliceError(
            f"index {place} is out of bounds for dimension {dimension} with size {size}"
        )
    return place % size


def runs_of(shape: tuple[int, ...], box: Box) -> Iterator[Run]:
    """Yields the runs of a box that is not empty, in the order of the tensor's elements."""
    # Along this dimension a run goes; behind it all is taken.
    last = len(shape)
    while last > 0 and box.spans[last - 1] == (0, shape[last - 1]):
        last -= 1
    inner = math.prod(shape[last:])
    if last == 0:
        yield Run(0, inner, 0)
        return
    begin, end = box.spans[last - 1]
    length = (end - begin) * inner
    strides = [math.prod(shape[dimension + 1 :]) for dimension in range(last)]
    outer = [range(*span) for span in box.spans[: last - 1]]
    first = begin * inner
    place = 0
    for offset in _offsets(outer, strides):
        yield Run(first + offset, length, place)
        place += length


def _offsets(ranges: list[range], strides: list[int]) -> Iterator[int]:
    if not ranges:
        yield 0
        return
    for index in ranges[0]:
        base = index * strides[0]
        for rest in _offsets(ranges[1:], strides[1:]):
            yield base + rest
