"""What the last calls of `find` found, as they found it: an ObjectList is a sixth of its dicts."""

from __future__ import annotations

import time
from bisect import bisect_left
from typing import NamedTuple

from ossmodelconnector._objects import ObjectInfo, ObjectList
from ossmodelconnector.fsspec._paths import split_path

__all__: list[str] = []

# How many listings are kept, and how many objects in all of them: some 100 bytes each.
_LISTINGS = 16
_OBJECTS = 4_000_000


class _Listing(NamedTuple):
    directory: str
    when: float
    objects: ObjectList


class Found:
    """Listings by the directory whose they are. Any thread may use it.

    Args:
        use_listings_cache: False: nothing is kept.
        listings_expiry_time: seconds that a listing is good for; None: until it is forgotten.
        options: others of fsspec's file systems; ignored.
    """

    def __init__(
        self,
        use_listings_cache: bool = True,
        listings_expiry_time: float | None = None,
        **options: object,
    ) -> None:
        self._limit = _LISTINGS if use_listings_cache else 0
        self._seconds = float("inf") if listings_expiry_time is None else listings_expiry_time
        # The latest comes first. Replaced as a whole: a lock might be held where a process forks.
        self._listings: tuple[_Listing, ...] = ()

    def put(self, path: str, objects: ObjectList) -> None:
        """Keeps what was found below the directory `path`. REQUIRES: sorted by key, as a whole."""
        others = (one for one in self._listings if one.directory != path)
        kept: list[_Listing] = []
        count = 0
        for one in (_Listing(path, time.monotonic(), objects), *others):
            count += len(one.objects)
            if len(kept) == self._limit or count > _OBJECTS:
                break
            kept.append(one)
        self._listings = tuple(kept)

    def clear(self) -> None:
        self._listings = ()

    def object_at(self, path: str) -> ObjectInfo | None:
        """Returns the object at `path`, if one of the listings has it: the latest that does."""
        key = split_path(path)[1]
        oldest = time.monotonic() - self._seconds
        for directory, when, objects in self._listings:
            if when < oldest or not path.startswith(f"{directory}/"):
                continue
            row = bisect_left(objects.keys, key)
            if row < len(objects) and objects.keys[row] == key:
                return objects[row]
        return None
