"""PrefetchLoader: tensors that are loaded in the background, each handed out once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LoaderStats", "Planned", "PrefetchLoader", "require_limits"]

_THREADS = 4
# A wait of Python's own feels Ctrl-C at its end only where it has a limit.
_WAIT_SECONDS = 0.1


class Planned(NamedTuple):
    """A tensor of a plan: its name, what is taken of it (None: all), and how many bytes that is."""

    name: str
    index: Any
    bytes: int


class LoaderStats(NamedTuple):
    """How far a loader is.

    Attributes:
        tensors: in its plan.
        bytes: of these.
        ready: tensors that nobody has taken yet.
        taken: tensors that were handed out.
        bytes_held: of those that are ready or on their way.
    """

    tensors: int
    bytes: int
    ready: int
    taken: int
    bytes_held: int


class _Work:
    """A plan that is being loaded: what its threads and the loader share, and no thread owns.

    Any thread may use it.
    """

    def __init__(
        self, plan: Sequence[Planned], load: Callable[[Planned], Any], most_bytes: int | None
    ) -> None:
        self.plan = {item.name: item for item in plan}
        self._load = load
        self._most_bytes = most_bytes
        self._process = os.getpid()
        self._changed = threading.Condition()
        # All of the following is guarded by it.
        self._waiting = dict(self.plan)  # not begun
        self._wanted: set[str] = set()  # somebody waits for these: no limit holds them up
        self._held_bytes = 0
        self._ready: dict[str, Any] = {}  # in the order of readiness
        self._taken: set[str] = set()
        self._error: BaseException | None = None
        self._closed = False

    def take(self, name: str) -> Any:
        self._require_this_process()
        if name not in self.plan:
            raise KeyError(f"{name} is not in the plan")
        with self._changed:
            self._wanted.add(name)
            self._changed.notify_all()
            self._wait(lambda: name in self._ready or name in self._taken)
            if name in self._taken:
                raise KeyError(f"{name} was taken")
            return self._hand_out(name)

    def take_any(self) -> tuple[str, Any] | None:
        """The next that is ready, with its name; None: all were taken."""
        self._require_this_process()
        with self._changed:
            self._wait(lambda: self._ready or len(self._taken) == len(self.plan))
            if not self._ready:
                return None
            name = next(iter(self._ready))
            return name, self._hand_out(name)

    def stats(self) -> LoaderStats:
        self._require_this_process()
        with self._changed:
            return LoaderStats(
                len(self.plan),
                sum(item.bytes for item in self.plan.values()),
                len(self._ready),
                len(self._taken),
                self._held_bytes,
            )

    def end(self) -> None:
        if os.getpid() != self._process:  # a thread that is not here may hold the lock
            return
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._ready.clear()
            self._changed.notify_all()

    def run(self) -> None:
        while (item := self._next()) is not None:
            try:
                tensor = self._load(item)
            except BaseException as error:
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return
            with self._changed:
                if not self._closed:
                    self._ready[item.name] = tensor
                self._changed.notify_all()
            del tensor

    def _next(self) -> Planned | None:
        """The next to load; None: there is none left."""
        with self._changed:
            while not self._closed and self._error is None and self._waiting:
                name = next((name for name in self._wanted if name in self._waiting), None)
                if name is None and self._has_room(first := next(iter(self._waiting))):
                    name = first
                if name is not None:
                    item = self._waiting.pop(name)
                    self._held_bytes += item.bytes
                    return item
                self._changed.wait()
            return None

    def _has_room(self, name: str) -> bool:
        if not self._held_bytes or self._most_bytes is None:
            return True
        return self._held_bytes + self.plan[name].bytes <= self._most_bytes

    def _wait(self, is_there: Callable[[], Any]) -> None:
        while not is_there():
            if self._closed:
                raise ValueError("the loader is closed")
            if self._error is not None:
                raise self._error
            self._changed.wait(_WAIT_SECONDS)

    def _require_this_process(self) -> None:
        if os.getpid() != self._process:
            raise RuntimeError("the loader is the parent process's: make one in this process")

    def _hand_out(self, name: str) -> Any:
        self._taken.add(name)
        self._wanted.discard(name)
        self._held_bytes -= self.plan[name].bytes
        self._changed.notify_all()
        return self._ready.pop(name)


def require_limits(threads: int | None, memory_bytes: int | None) -> None:
    """ValueError: no loader can have these."""
    for name, limit in (("threads", threads), ("memory_bytes", memory_bytes)):
        if limit is not None and limit < 1:
            raise ValueError(f"{name} must be at least 1, not {limit}")


class PrefetchLoader:
    """Tensors on their way. `Model.prefetch` makes it; iterate, or `take` by name.

    Its threads end when all tensors are loaded, and with `close`. Any thread may use it.

    Example:
        >>> with model.prefetch() as loader:
        ...     for name, tensor in loader:
        ...         pass
    """

    def __init__(
        self,
        plan: Sequence[Planned],
        load: Callable[[Planned], Any],
        *,
        threads: int | None,
        memory_bytes: int | None,
        tell: Callable[[], None],
    ) -> None:
        """Starts to load.

        Args:
            plan: what, in this order.
            load: makes a tensor; called in its threads.
            threads: how many; None: 4.
            memory_bytes: the limit of what nobody has taken; None: there is none.
            tell: called by whoever takes tensors; raises what turned out wrong with earlier ones.
        """
        self._tell = tell
        self._work = work = _Work(plan, load, memory_bytes)
        count = min(_THREADS if threads is None else threads, len(plan))
        # They know the work alone: a loader that is dropped ends it.
        self._threads = [
            threading.Thread(target=work.run, name="ossmodelconnector-load", daemon=True)
            for _ in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def names(self) -> list[str]:
        """The names in the plan, in the order of their bytes."""
        return list(self._work.plan)

    def __len__(self) -> int:
        return len(self._work.plan)

    def take(self, name: str) -> Any:
        """Returns a tensor, once; waits for it, before all others.

        Raises:
            KeyError: it is not in the plan, or was taken.
            OssError: it, or another one, cannot be had.
            ValueError: the loader is closed.
        """
        self._tell()
        return self._work.take(name)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Yields (name, tensor) in the order of readiness, without those that were taken."""
        while (found := self._next()) is not None:
            yield found
            del found  # the tensor is the caller's alone

    def _next(self) -> tuple[str, Any] | None:
        self._tell()
        return self._work.take_any()

    @property
    def stats(self) -> LoaderStats:
        """How far it is.

        Example:
            >>> with model.prefetch() as loader:
            ...     loader.stats.tensors == len(model)
            True
        """
        return self._work.stats()

    def close(self) -> None:
        """Drops what nobody has taken, and waits for what is on its way."""
        self._work.end()
        for thread in self._threads:
            while thread.is_alive():
                thread.join(_WAIT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:  # whoever presses Ctrl-C does not wait for a server that says nothing
            self._work.end()

    def __del__(self) -> None:
        work = getattr(self, "_work", None)
        if work is not None:
            work.end()
