"""What tests say about time, on machines whose processors others take for seconds.

That adds to what a test measures, never takes from it, and does not meet every try. So what is
promised in seconds, or decided by the library by the clock, has several tries; all else is exact.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

TRIES = 5
# No pause is as long: what takes this long waits for something that does not come.
HANG_SECONDS = 30.0


def wait_until(condition: Callable[[], object], seconds: float = HANG_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def once(attempt: Callable[[], object], *, because: str) -> None:
    """`attempt` checks what always holds; in one of its tries it returns true.

    `because` says what a busy machine does to the other tries.
    """
    assert any(attempt() for _ in range(TRIES)), f"in none of {TRIES} tries: {because}"


def once_within(seconds: float, attempt: Callable[[], float], *, because: str) -> None:
    """`attempt` returns how long it took: below `seconds` in one of its tries, never a hang.

    `because` says why it is a time that is looked at: who promises it, or what it tells apart.
    """
    taken: list[float] = []
    while min(taken, default=HANG_SECONDS) >= seconds:
        assert len(taken) < TRIES, f"{taken} s, not {seconds}: {because}"
        taken.append(attempt())
        assert taken[-1] < HANG_SECONDS, taken


def tasks(name: str = "") -> set[int]:
    """The threads of this process whose name begins so."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            if (task / "comm").read_text().startswith(name):
                found.add(int(task.name))
        except OSError:  # it has ended
            continue
    return found


def wait_until_it_waits(process: int) -> None:
    """Until the main thread of a process has begun to wait, in slices of 100 ms, for others."""

    def sleeps() -> int:
        status = Path(f"/proc/{process}/status").read_text()
        return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    before = sleeps()
    wait_until(lambda: sleeps() >= before + 3)
