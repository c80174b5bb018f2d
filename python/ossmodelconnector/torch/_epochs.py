"""EpochDataset: what data sets have in common that are read in an order of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Callable

import torch.utils.data

from ossmodelconnector._default import connector_or_default
from ossmodelconnector._samples import OnError, checked_on_error, skip_or_raise, transformed
from ossmodelconnector.torch._lane import NOTHING, Lane, Numbered, Step
from ossmodelconnector.torch._order import Order, Uneven
from ossmodelconnector.torch._progress import Progress
from ossmodelconnector.torch._ranks import place_among_ranks
from ossmodelconnector.torch._shared import Shared

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector.torch._sources import Objects

__all__ = ["EpochDataset"]

_STATE_VERSION = 1


class EpochDataset(torch.utils.data.IterableDataset[Any]):  # type: ignore[misc]  # torch is of type Any
    """A data set that is iterated over epoch after epoch, in shards, and can go on in the middle.

    The main process has the object that the user made; its `_progress` is what was handed out. Each
    worker has a copy, which gives the samples of a `Lane`. For one thread.
    """

    def __init__(
        self,
        objects: Objects,
        *,
        transform: Callable[[Any], Any] | None,
        shuffle: bool,
        seed: int,
        rank: int | None,
        world_size: int | None,
        uneven: Uneven,
        on_error: OnError,
        connector: OssModelConnector | None,
    ) -> None:
        self._objects = objects
        self._transform = transform
        self._on_error = checked_on_error(on_error)
        self._connector = connector
        rank, world_size = place_among_ranks(rank, world_size)
        self._order = Order(len(objects), bool(shuffle), int(seed), rank, world_size, uneven)
        self._fingerprint: int | None = None
        self._shared = Shared()
        self._loads = 0  # how many states were loaded before this copy was made
        # Of which epoch `_progress` is. What is loaded is where the next iteration begins.
        self._progress = Progress(self._order.share())
        self._progress_epoch = 0
        self._is_loaded = False
        self._worker_place: tuple[int, int, int, int] | None = None  # loaded too, of a worker's
        self._lane: Lane | None = None  # in workers
        self._is_numbering = False  # in workers

    # --- what users call ---

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch comes next: with `shuffle` each has an order of its own.

        Call it before each epoch, with the same number in all ranks; workers that run already learn
        of it too. With the epoch of a loaded state, iteration goes on from there; with any other it
        begins at the beginning.

        Args:
            epoch: 0 or more.
        """
        if epoch < 0:
            raise ValueError(f"epoch must not be negative: {epoch}")
        self._shared.epoch = int(epoch)

    @property
    def epoch(self) -> int:
        """The epoch that is iterated over, or comes next."""
        return self._shared.epoch

    @property
    def skipped(self) -> int:
        """How many objects were left out so far, by this process and its workers.

        Workers are ahead of what is handed out, and so is this number.
        """
        return self._shared.skipped

    def state_dict(self) -> dict[str, Any]:
        """Returns which samples of this epoch have been handed out, for `load_state_dict`.

        It is a small dict of numbers, texts and lists, of this rank alone: each rank saves its own.
        With worker processes iterate by `ossmodelconnector.torch.DataLoader`, or by torchdata's
        ``StatefulDataLoader`` and its own ``state_dict``.

        Raises:
            RuntimeError: samples went through torch's own DataLoader with worker processes, which
                does not tell what it has handed out.
        """
        state = self._identity()
        lane = self._lane
        if lane is not None:
            here = [lane.worker, lane.workers, lane.done, lane.place]
            return {**state, **lane.begun_at, "lane": here}
        if self._shared.is_uncounted:
            raise RuntimeError(
                "torch's DataLoader does not tell the data set which samples of its workers it has "
                "handed out: use ossmodelconnector.torch.DataLoader, or torchdata's "
                "StatefulDataLoader and its state_dict()"
            )
        return {**state, **self._progress_of(self.epoch).state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Has the next iteration go on where `state_dict` was called, with any number of workers.

        Call it before the workers start. After it `epoch` is the state's.

        Args:
            state: of a data set with the same objects and arguments, and of the same rank.

        Raises:
            ValueError: it is of another data set, or none; the text says what differs.
        """
        mine = self._identity()
        try:
            wrong = [name for name in mine if name != "epoch" and state[name] != mine[name]]
            epoch, progress = int(state["epoch"]), Progress.restored(self._order.share(), state)
            lane: Any = state.get("lane")
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"that is no state of this data set: {type(error).__name__}: {error}"
            ) from None
        if wrong:
            name = wrong[0]
            raise ValueError(
                f"the state is of another data set: its {name} is {state[name]!r}, here it is "
                f"{mine[name]!r}"
            )
        is_worker = torch.utils.data.get_worker_info() is not None
        if lane is not None and not is_worker:
            raise ValueError("that is the state of one worker: load it by its StatefulDataLoader")
        self._shared.epoch = epoch
        if not is_worker:
            self._shared.loads += 1
            self._shared.is_uncounted = False
        self._loads = self._shared.loads
        self._progress, self._progress_epoch, self._is_loaded = progress, epoch, True
        self._worker_place = None if lane is None else tuple(lane)

    # --- iteration ---

    def __iter__(self) -> Iterator[Any]:
        info = torch.utils.data.get_worker_info()
        if info is None:
            if not self._is_numbering:
                self._begin()
            lane = Lane(self._progress, 0, 1)
            return self._numbered(lane) if self._is_numbering else self._counted(lane)
        refusal = self._refusal_of_worker(info.id, info.num_workers)
        if refusal:
            return _refusing(refusal)
        self._lane = self._lane_of_worker(info.id, info.num_workers)
        return self._numbered(self._lane) if self._is_numbering else self._uncounted(self._lane)

    def _begin(self) -> Progress:
        """In the main process: a new iteration. Returns where it begins, to note what it gives."""
        self._progress = (
            self._progress_of(self.epoch) if self._is_loaded else Progress(self._order.share())
        )
        self._progress_epoch, self._is_loaded = self.epoch, False
        self._shared.is_uncounted = False
        return self._progress

    @contextlib.contextmanager
    def _numbering(self) -> Iterator[None]:
        """In it, who iterates gets `Numbered`, and so do workers that are made."""
        self._is_numbering = True
        try:
            yield
        finally:
            self._is_numbering = False

    def _progress_of(self, epoch: int) -> Progress:
        return self._progress if self._progress_epoch == epoch else Progress(self._order.share())

    def _refusal_of_worker(self, worker: int, workers: int) -> str:
        """Why this copy must not begin, or an empty text."""
        if self._loads != self._shared.loads:
            return (
                "load_state_dict() was called while persistent workers ran: make a new DataLoader "
                "after it"
            )
        place = self._worker_place
        if place is None and self._is_loaded and not self._is_numbering:
            return (
                "a state was loaded, and torch's DataLoader does not tell the data set what it "
                "hands out: use ossmodelconnector.torch.DataLoader"
            )
        if place is not None and place[:2] != (worker, workers):
            return (
                f"the state is of worker {place[0]} of {place[1]}, and this is worker {worker} of "
                f"{workers}: use as many workers as before"
            )
        return ""

    def _lane_of_worker(self, worker: int, workers: int) -> Lane:
        """Where this copy begins; the next time, for workers may persist, that is the beginning."""
        progress, self._progress = self._progress_of(self.epoch), Progress(self._order.share())
        place, self._worker_place = self._worker_place, None
        if place is None and not self._is_numbering:
            progress = Progress(self._order.share())
        lane = Lane(progress, worker, workers)
        if place is not None:
            self._is_loaded = False
            lane.skip_to(*place[2:])
        return lane

    def _counted(self, lane: Lane) -> Iterator[Any]:
        progress = self._progress
        for step in self._transformed_steps(lane):
            progress.note(step.unit, step.place)
            if step.sample is not NOTHING:
                yield step.sample
        progress.finish()

    def _uncounted(self, lane: Lane) -> Iterator[Any]:
        self._shared.is_uncounted = True
        for step in self._transformed_steps(lane):
            lane.note(step.place)
            if step.sample is not NOTHING:
                yield step.sample

    def _numbered(self, lane: Lane) -> Iterator[Numbered]:
        passed = []
        for step in self._transformed_steps(lane):
            passed.append((step.unit, step.place))
            if step.sample is not NOTHING:
                yield Numbered(passed, step.sample)
                passed = []

    def _transformed_steps(self, lane: Lane) -> Iterator[Step]:
        connector = connector_or_default(self._connector)
        objects = self._order.objects(self.epoch, lane.units)
        for step in self._steps(connector, lane, objects):
            if step.sample is NOTHING:
                yield step
            else:
                yield step._replace(sample=transformed(self._transform, step.sample, step.uri))

    def _steps(self, connector: OssModelConnector, lane: Lane, objects: Any) -> Iterator[Step]:
        """Reads the lane's units, in its order. `objects`: their numbers among all, an array."""
        raise NotImplementedError

    def _skip_or_raise(self, uri: str, error: Exception) -> None:
        """Does with an object that cannot be read what `on_error` says."""
        skip_or_raise(self._on_error, uri, error)
        self._shared.add_skipped()

    def _identity(self) -> dict[str, Any]:
        """What decides the order; a state is of one of these."""
        if self._fingerprint is None:
            self._fingerprint = self._objects.fingerprint()
        order = self._order
        return {
            "version": _STATE_VERSION,
            "kind": type(self).__name__,
            "objects": self._fingerprint,
            "count": order.total,
            "shuffle": order.shuffle,
            "seed": order.seed,
            "rank": order.rank,
            "world_size": order.world_size,
            "uneven": order.uneven,
            "epoch": self.epoch,
        }

    def __repr__(self) -> str:
        order = self._order
        ranks = f", rank {order.rank} of {order.world_size}" if order.world_size > 1 else ""
        return f"<{type(self).__name__}: {order.total} objects{ranks}, epoch {self.epoch}>"


def _refusing(why: str) -> Iterator[Any]:
    """Raises at the first sample: an error of ``__iter__`` itself would end a persistent worker."""
    if why:
        raise RuntimeError(why)
    yield
