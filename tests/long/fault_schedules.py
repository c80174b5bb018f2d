"""Random fault schedules: each reads one object whose requests fail as its seed has it.

    PYTHONPATH=tests python -m long.fault_schedules --count 10000
    PYTHONPATH=tests python -m long.fault_schedules --count 300 --size 64MiB
    PYTHONPATH=tests python -m long.fault_schedules --seed 1234      one of them again, loudly

A schedule holds when every byte is right or what failed failed with an error that its faults
explain; nothing may take longer than its limit. Most schedules wait most of the time, for stalls to
be noticed and for retries, so many run side by side.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import faulthandler
import io
import json
import multiprocessing
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ossmodelconnector import ChecksumError, ObjectReader, OssError
from support.random_fault_server import serve
from support.random_faults import KiB, MiB, Plan, contents, plan_of

from long.clients import connect, is_expected, uri_of
from long.watchdog import Watchdog

SIZES = {"2MiB": 2 * MiB, "64MiB": 64 * MiB}
# What a schedule may take: nothing waits for one byte longer than 20 s, and there are not many
# waits in a row. The large object has 1,024 chunks.
SCHEDULE_SECONDS = {2 * MiB: 120.0, 64 * MiB: 400.0}
MAX_ATTEMPTS = 4
# At one fault in ten requests; resumes ask for what is missing alone.
MOST_BYTES_FETCHED = 1.3
_BATCH = 500


@dataclass
class Outcome:
    """What became of one schedule.

    Attributes:
        seed: of the schedule.
        plan: the name of its plan.
        how: how it was read.
        errors: the names of the error classes, in order.
        complaint: what must not be; empty: nothing.
        fetched: bytes that came in, as a multiple of the object.
        whole: all bytes were read, and right.
        seconds: it took.
    """

    seed: int
    plan: str
    how: str
    errors: list[str] = field(default_factory=list)
    complaint: str = ""
    fetched: float = 0.0
    whole: bool = False
    seconds: float = 0.0


class _Run:
    """One schedule; `canary` makes a fault that must be found."""

    def __init__(self, endpoint: str, seed: int, size: int, canary: str = "") -> None:
        self._seed, self._size, self._canary = seed, size, canary
        self._endpoint = endpoint
        self._data = contents(seed, size)
        self._plan: Plan = plan_of("schedule", seed, size)
        self._chance = random.Random(seed)
        ways: list[Callable[[ObjectReader], None]] = [
            self._read_at_once,
            self._read_in_pieces,
            self._read_at_places,
            self._view,
        ]
        self._way = self._chance.choice(ways)
        self.outcome = Outcome(seed, self._plan.name, self._way.__name__.strip("_"))

    def run(self, watchdog: Watchdog) -> Outcome:
        outcome = self.outcome
        begin = time.monotonic()
        with watchdog.limit(f"schedule --seed {self._seed}", SCHEDULE_SECONDS[self._size]):
            try:
                self._read()
            except Exception:
                outcome.complaint = traceback.format_exc()
        outcome.seconds = time.monotonic() - begin
        return outcome

    def _read(self) -> None:
        chance = self._chance
        with connect(
            self._endpoint,
            retry__maxAttempts=MAX_ATTEMPTS,
            prefetch__memoryBytes=chance.choice((1 * MiB, 8 * MiB, 96 * MiB))
            if self._way != self._view
            else self._size + 8 * MiB,
            prefetch__workers=chance.choice((2, 4, 8)),
        ) as connector:
            try:
                with connector.open(uri_of("schedule", self._seed, self._size)) as reader:
                    self._way(reader)
            except OssError as error:
                self._note(error)
            stats = connector.stats()
            self.outcome.fetched = stats.bytes_received / self._size

    def _note(self, error: OssError) -> None:
        self.outcome.errors.append(type(error).__name__)
        if not is_expected(error, self._plan):
            raise AssertionError(f"not explained by {self._plan}") from error

    def _give(self, got: bytes | memoryview) -> bytes | memoryview:
        """What was read; a canary changes it."""
        if self._canary == "byte" and got:
            got = bytes(got[:-1]) + bytes([got[-1] ^ 1])
        return got

    def _read_at_once(self, reader: ObjectReader) -> None:
        got = self._give(reader.read())
        assert got == self._data, self._difference(0, got)
        self.outcome.whole = True

    def _view(self, reader: ObjectReader) -> None:
        with reader.getbuffer() as view:
            got = self._give(view)
            assert got == self._data, self._difference(0, got)
        self.outcome.whole = True

    def _read_in_pieces(self, reader: ObjectReader) -> None:
        """From first to last; after an error on at the same place, twice."""
        position, wrong, patience = 0, "", 2
        while position < self._size:
            wanted = self._chance.choice((1, 1000, 64 * KiB, 100_000, 1 * MiB))
            try:
                got = self._give(reader.read(wanted))
            except OssError as error:
                self._note(error)
                assert reader.tell() == position, "a read that failed moved the cursor"
                patience -= 1
                # Of a reader whose bytes were wrong nothing more may come.
                if isinstance(error, ChecksumError) or patience < 0:
                    return
                continue
            assert len(got) == min(wanted, self._size - position), f"a short read at {position}"
            if got != self._data[position : position + len(got)]:
                # A chunk's bytes may leave before all of the object is judged, not its last ones.
                wrong = wrong or self._difference(position, got)
                assert self._plan.can_corrupt, wrong
            position += len(got)
        assert not wrong, f"{wrong}, and the object came to its end without an error"
        assert reader.read() == b""
        self.outcome.whole = True

    def _read_at_places(self, reader: ObjectReader) -> None:
        """All of it, in no order."""
        step = 3 * 64 * KiB
        begins = list(range(0, self._size, step))
        self._chance.shuffle(begins)
        wrong = ""
        for begin in begins:
            buffer = bytearray(b"-" * step)
            got = self._give(memoryview(buffer)[: reader.read_at(begin, buffer)])
            assert len(got) == min(step, self._size - begin), f"a short read at {begin}"
            if got != self._data[begin : begin + step]:
                wrong = wrong or self._difference(begin, got)
                assert self._plan.can_corrupt, wrong
        assert not wrong, f"{wrong}, and the last byte came without an error"
        self.outcome.whole = True

    def _difference(self, offset: int, got: bytes | memoryview) -> str:
        expected = self._data[offset : offset + len(got)]
        first = next(
            (at for at, (one, other) in enumerate(zip(got, expected)) if one != other), len(got)
        )
        return f"{len(got)} bytes at {offset} differ from byte {offset + first} on"


def run_batch(
    endpoint: str, seeds: Sequence[int], size: int, threads: int, canary: str = ""
) -> list[Outcome]:
    """Runs schedules in so many threads of this process."""
    watchdog = Watchdog()

    def one(seed: int) -> Outcome:
        return _Run(endpoint, seed, size, canary).run(watchdog)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, seeds))


def run(
    seeds: Sequence[int], size: int, *, processes: int, threads: int, canary: str = ""
) -> tuple[list[Outcome], dict[str, int]]:
    """Runs schedules in processes of so many threads each: what became of them, and the faults."""
    outcomes: list[Outcome] = []
    faults: Counter[str] = Counter()
    context = multiprocessing.get_context("spawn")
    with serve(processes) as servers, ProcessPoolExecutor(processes, context) as pool:
        # A process waits for the slowest of its batch: long ones, but something for each process.
        length = min(_BATCH, max(1, len(seeds) // processes))
        batches = [seeds[begin : begin + length] for begin in range(0, len(seeds), length)]
        futures = [
            pool.submit(run_batch, servers[at % processes].endpoint, batch, size, threads, canary)
            for at, batch in enumerate(batches)
        ]
        for future in concurrent.futures.as_completed(futures):
            outcomes += future.result()
        for server in servers:
            faults.update(server.counts())
    return sorted(outcomes, key=lambda outcome: outcome.seed), dict(faults)


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def complaints(outcomes: Sequence[Outcome]) -> list[str]:
    """What must not be, with the seeds to see it again."""
    found = [f"--seed {one.seed}: {one.complaint}" for one in outcomes if one.complaint]
    fetched = fetched_at_one_in_ten(outcomes)
    if fetched > MOST_BYTES_FETCHED:
        found.append(f"at one fault in ten, {fetched:.2f} times the bytes were fetched")
    return found


def fetched_at_one_in_ten(outcomes: Sequence[Outcome]) -> float:
    """How many times its bytes an object cost that was read, at the faults that are promised for.

    Those that were fetched again because they were wrong count too; a read that failed has no
    bytes to compare with, and is in the means by plan.
    """
    return mean(
        [one.fetched for one in outcomes if one.whole and one.plan not in ("heavy", "dead")]
    )


def summary(outcomes: Sequence[Outcome], faults: dict[str, int]) -> dict[str, object]:
    plans = sorted({one.plan for one in outcomes})

    def of(plan: str) -> list[Outcome]:
        return [one for one in outcomes if one.plan == plan]

    return {
        "schedules": len(outcomes),
        "complaints": sum(1 for one in outcomes if one.complaint),
        "whole and right": sum(one.whole for one in outcomes),
        "errors": dict(Counter(name for one in outcomes for name in one.errors)),
        "faults": faults,
        "fetched": {plan: round(mean([one.fetched for one in of(plan)]), 3) for plan in plans},
        "fetched at one in ten": round(fetched_at_one_in_ten(outcomes), 3),
        "fetched most": round(max((one.fetched for one in outcomes), default=0.0), 3),
        "whole by plan": {
            plan: f"{sum(one.whole for one in of(plan))} of {len(of(plan))}" for plan in plans
        },
        "ways": dict(Counter(one.how for one in outcomes)),
        "longest seconds": round(max((one.seconds for one in outcomes), default=0), 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="long.fault_schedules", description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="this one alone, and what became of it")
    parser.add_argument("--size", choices=SIZES, default="2MiB")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=40, help="in each process")
    parser.add_argument("--canary", choices=("byte",), default="")
    parser.add_argument("--output", type=Path, help="for the summary, as JSON")
    options = parser.parse_args()
    faulthandler.enable()
    size = SIZES[options.size]
    begin = time.monotonic()
    if options.seed is not None:
        seeds, options.processes, options.threads = [options.seed], 1, 1
    else:
        seeds = list(range(options.first, options.first + options.count))
    outcomes, faults = run(
        seeds,
        size,
        processes=options.processes,
        threads=options.threads,
        canary=options.canary,
    )
    found = complaints(outcomes)
    result = summary(outcomes, faults)
    result["seconds"] = round(time.monotonic() - begin, 1)
    text = io.StringIO()
    if options.seed is not None:
        print(plan_of("schedule", options.seed, size), file=text)
        print(outcomes[0], file=text)
    for complaint in found[:5]:
        print(f"FAILED: --size {options.size} {complaint}", file=sys.stderr)
    print(text.getvalue() + json.dumps(result, indent=1))
    if options.output:
        options.output.write_text(json.dumps(result, indent=1))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
