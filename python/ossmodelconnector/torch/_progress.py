"""Progress: which part of a rank's share of an epoch is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["BEGIN", "DONE", "Progress"]

# The place in a unit where nothing of it is done, and that where all of it is.
BEGIN = 0
DONE = -1


class Progress:
    """A set of units, by number: objects, or tars. For one thread.

    Units are done nearly in their order, so the set is the number of the first that is not, those
    beyond it that are, and of units in progress the place where to go on.
    """

    def __init__(self, count: int) -> None:
        """Args: count: how many units there are."""
        self._count = count
        self._handed_out: Sequence[int] = ()
        self._done = 0
        self._extra: set[int] = set()
        self._places: dict[int, int] = {}

    def hand_out(self, numbers: Sequence[int]) -> None:
        """Notes a batch: unit, place, unit, place, and so on.

        In one step, for a signal's handler may raise in the middle of this, as torch's does when a
        worker dies: then the batch is not handed out.
        """
        self._settle()
        self._handed_out = numbers

    def note(self, unit: int, place: int) -> None:
        """Notes how far a unit is: a place in it, or `DONE`."""
        if place != DONE:
            self._places[unit] = place
            return
        self._places.pop(unit, None)
        if unit >= self._done:
            self._extra.add(unit)
        while self._done in self._extra:
            self._done += 1
            self._extra.discard(self._done - 1)

    def finish(self) -> None:
        """Notes that all units are done."""
        self._handed_out = ()
        self._done = self._count
        self._extra.clear()
        self._places.clear()

    def left(self) -> Any:
        """The numbers of the units that are not done, as an array in their order."""
        self._settle()
        units = np.arange(self._done, self._count, dtype=np.int64)
        return np.delete(units, [unit - self._done for unit in self._beyond()])

    def state(self) -> dict[str, Any]:
        """What `restored` takes: numbers and lists of numbers."""
        self._settle()
        places = [list(item) for item in sorted(self._places.items())]
        return {"done": self._done, "extra": self._beyond(), "places": places}

    @classmethod
    def restored(cls, count: int, state: Mapping[str, Any]) -> Progress:
        """Raises KeyError, TypeError or ValueError: that is no state."""
        progress = cls(count)
        progress._done = int(state["done"])
        progress._extra = {int(unit) for unit in state["extra"]}
        progress._places = {int(unit): int(place) for unit, place in state["places"]}
        return progress

    def _beyond(self) -> list[int]:
        return sorted(unit for unit in self._extra if unit >= self._done)

    def _settle(self) -> None:
        # What ends this in the middle has it done again, and that changes nothing.
        for unit, place in zip(self._handed_out[::2], self._handed_out[1::2]):
            self.note(unit, place)
        self._handed_out = ()
