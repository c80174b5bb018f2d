"""Lane: what one process reads of one epoch, and the samples on their way out of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ossmodelconnector.torch._progress import BEGIN, DONE, Progress

__all__ = ["NOTHING", "Lane", "Numbered", "Step"]

# In place of a sample: there is none here.
NOTHING = object()


class Step(NamedTuple):
    """One sample on its way out.

    Attributes:
        sample: before `transform`, or `NOTHING`.
        unit: what it is of, by its number in the rank's share.
        place: where in the unit the next one begins, or `DONE`.
        uri: of the object, for texts.
    """

    sample: Any
    unit: int
    place: int
    uri: str


class Numbered(NamedTuple):
    """A sample on its way from a worker to the main process.

    Attributes:
        passed: (unit, place) up to this sample: its own, behind those that were skipped before it.
    """

    passed: list[tuple[int, int]]
    sample: Any


class Lane:
    """The part of a rank's share that one process reads in one epoch, and how far it is."""

    def __init__(self, progress: Progress, worker: int, workers: int) -> None:
        self.begun_at = progress.state()
        self.worker = worker
        self.workers = workers
        self.units = progress.left()[worker::workers].copy()  # without the others
        self.places = dict(progress.state()["places"])
        self.done = 0  # units
        self.place = BEGIN  # in the one that follows them

    def note(self, place: int) -> None:
        """Notes how far the first unit is that is not done."""
        self.done += place == DONE
        self.place = BEGIN if place == DONE else place

    def skip_to(self, done: int, place: int) -> None:
        """Goes on there."""
        self.units = self.units[done:]
        self.done, self.place = done, place
        if len(self.units) and place != BEGIN:
            self.places[int(self.units[0])] = place
