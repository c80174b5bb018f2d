"""What the last calls of `find` found, as they found it: an ObjectList is a tenth of its dicts."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left

from ossmodelconnector._objects import ObjectInfo, ObjectList
from ossmodelconnector.fsspec._paths import split_path

__all__: list[str] = []

# How many listings are kept.
_LISTINGS = 16


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
        self._lock = threading.Lock()
        # The latest comes last.
        self._listings: dict[str, tuple[float, ObjectList]] = {}

    def put(self, path: str, objects: ObjectList) -> None:
        """Keeps what was found below the directory `path`. REQUIRES: sorted by key, as a whole."""
        if not self._limit:
            return
        with self._lock:
            self._listings.pop(path, None)
            self._listings[path] = time.monotonic(), objects
            while len(self._listings) > self._limit:
                del self._listings[next(iter(self._listings))]

    def clear(self) -> None:
        with self._lock:
            self._listings.clear()

    def object_at(self, path: str) -> ObjectInfo | None:
        """Returns the object at `path`, if one of the listings has it: the latest that does."""
        with self._lock:
            listings = list(self._listings.items())
        key = split_path(path)[1]
        oldest = time.monotonic() - self._seconds
        for directory, (when, objects) in reversed(listings):
            if when < oldest or not path.startswith(f"{directory}/"):
                continue
            row = bisect_left(objects.keys, key)
            if row < len(objects) and objects.keys[row] == key:
                return objects[row]
        return None
