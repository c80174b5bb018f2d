"""Slices of objects, as the numbers of fsspec's calls mean them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

__all__: list[str] = []

# No object is longer.
_NO_END = sys.maxsize


class Slice(NamedTuple):
    """A slice of an object, and its place among the slices that were asked for."""

    place: int
    start: int | None
    end: int | None

    @property
    def counts_from_the_end(self) -> bool:
        return (self.start or 0) < 0 or (self.end or 0) < 0

    def offset_and_length(self, size: int | None) -> tuple[int, int]:
        """REQUIRES: `size` is the object's if the slice counts from the end."""
        begin, stop, _ = slice(self.start, self.end).indices(_NO_END if size is None else size)
        return begin, max(0, stop - begin)


def slices_by_object(paths: Sequence[str], starts: Any, ends: Any) -> dict[str, list[Slice]]:
    """Returns the slices of each path; `starts` and `ends` are one for each, or one for all."""
    starts, ends = (_one_each(given, len(paths)) for given in (starts, ends))
    slices: dict[str, list[Slice]] = {}
    for place, (path, start, end) in enumerate(zip(paths, starts, ends)):
        slices.setdefault(path, []).append(Slice(place, start, end))
    return slices


def _one_each(given: Any, count: int) -> Sequence[int | None]:
    numbers: Sequence[int | None] = given if isinstance(given, Sequence) else [given] * count
    if len(numbers) != count:
        raise ValueError(f"{count} paths, but {len(numbers)} starts or ends")
    return numbers
