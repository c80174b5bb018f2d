"""Reads at random for a long time, and looks for wrong bytes, hangs and growth: `make soak`.

    PYTHONPATH=tests python -m long.soak --seconds 1800

Threads do random operations (`soak_work`) on a server with random faults, in a process of its own.
A watchdog ends the run when a call takes too long. Now and then all threads pause, everything is
closed, and what is left is counted (`soak_rule`). `--canary` makes one of the things that the soak
must find, and a run with it must fail.
"""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import gc
import json
import os
import random
import statistics
import sys
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

from support.random_fault_server import RandomFaultServer
from support.random_faults import KINDS

from long.soak_rule import Sample, growth_at_rest, growth_under_load
from long.soak_work import CALL_SECONDS, Shared, Worker
from long.watchdog import Watchdog

THREADS = 8
RESTS = 15
# Samples under load in a run, unless that is more than one a second.
SAMPLES = 360
# How long what was closed may take to be gone.
REST_SECONDS = 10.0
CANARIES = ("descriptor", "thread", "memory", "bytes", "hang", "error")
_CANARY_LEAK_BYTES = 64e6  # from beginning to end
_LARGE_BLOCKS = "MALLOC_MMAP_THRESHOLD_"
_PAGE = os.sysconf("SC_PAGE_SIZE")


class _MallocInfo(ctypes.Structure):
    """What mallinfo2(3) returns."""

    _fields_ = [  # noqa: RUF012 - ctypes wants it so
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


_libc = ctypes.CDLL(None)
_libc.mallinfo2.restype = _MallocInfo


def sample(begin: float) -> Sample:
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    info = _libc.mallinfo2()
    return Sample(
        seconds=round(time.monotonic() - begin, 3),
        rss_bytes=resident,
        malloc_bytes=info.uordblks + info.hblkhd,
        # One is the listing's own.
        descriptors=len(os.listdir("/proc/self/fd")) - 1,
        threads=len(os.listdir("/proc/self/task")),
    )


class Soak:
    """One run. `run` returns the result, with what was wrong under "failures"."""

    def __init__(self, endpoint: str, seconds: float, seed: int, canary: str) -> None:
        self._endpoint = endpoint
        self._seconds = seconds
        self._interval = max(1.0, seconds / SAMPLES)
        self._canary = canary
        self._watchdog = Watchdog()
        self._begin = time.monotonic()
        self._failures: list[str] = []
        self._load: list[Sample] = []
        self._rest: list[Sample] = []
        self._pause = threading.Event()
        self._stop = threading.Event()
        # Threads wait there at the beginning and at the end of a rest.
        self._gate = threading.Barrier(THREADS + 1)
        self._leaks: list[object] = []
        shared = Shared(endpoint)
        self._workers = [
            Worker(shared, self._watchdog, seed * 1000 + number) for number in range(THREADS)
        ]

    def run(self) -> dict[str, object]:
        threads = [
            threading.Thread(target=self._work, args=(worker,), name=f"worker{number}", daemon=True)
            for number, worker in enumerate(self._workers)
        ]
        for thread in threads:
            thread.start()
        next_rest = 1
        while next_rest <= RESTS and not self._failures:
            self._stop.wait(self._interval)
            self._load.append(sample(self._begin))
            self._make_canary()
            if time.monotonic() - self._begin >= self._seconds * next_rest / RESTS:
                self._take_rest(last=next_rest == RESTS)
                next_rest += 1
        self._stop.set()
        if not self._failures:
            self._failures += growth_under_load(self._load) + growth_at_rest(self._rest)
        return self._result()

    def _work(self, worker: Worker) -> None:
        try:
            while not self._stop.is_set():
                if self._pause.is_set():
                    self._gate.wait(10 * CALL_SECONDS)
                    self._gate.wait(10 * CALL_SECONDS)
                else:
                    worker.step()
        except threading.BrokenBarrierError:
            pass  # another one has failed
        except BaseException:
            self._fail(f"{worker.now}: {traceback.format_exc()}")

    def _fail(self, what: str) -> None:
        self._failures.append(what)
        self._stop.set()
        self._gate.abort()

    def _take_rest(self, *, last: bool) -> None:
        """Has everything closed, and counts what is left."""
        try:
            self._pause.set()
            self._gate.wait(10 * CALL_SECONDS)
            shared = self._workers[0].shared
            with self._watchdog.limit("closing", CALL_SECONDS):
                shared.close()
            del shared
            gc.collect()
            self._rest.append(self._settle())
            if last:
                self._stop.set()
            with self._watchdog.limit("opening", 4 * CALL_SECONDS):
                shared = Shared(self._endpoint)
            for worker in self._workers:
                worker.shared = shared
            self._pause.clear()
            self._gate.wait(10 * CALL_SECONDS)
        except threading.BrokenBarrierError:
            pass
        except BaseException:
            self._fail(f"at rest: {traceback.format_exc()}")

    def _settle(self) -> Sample:
        """A sample, as soon as there are no more descriptors and threads than at the first rest."""
        deadline = time.monotonic() + REST_SECONDS
        # Readers of the workers' own, in frames that have just ended.
        for worker in self._workers:
            worker.shared = None  # type: ignore[assignment]
        while True:
            gc.collect()
            # What malloc keeps in its arenas, for threads that have ended too, is nobody's.
            _libc.malloc_trim(0)
            now = sample(self._begin)
            # At the first rest nobody knows what is normal: what goes has 3 s to go.
            if not self._rest:
                if time.monotonic() > deadline - REST_SECONDS + 3:
                    return now
            elif time.monotonic() > deadline or (
                now.descriptors <= self._rest[0].descriptors
                and now.threads <= self._rest[0].threads
            ):
                return now
            time.sleep(0.1)

    def _make_canary(self) -> None:
        if self._canary == "descriptor" and len(self._load) % 10 == 0:
            self._leaks.append(os.dup(0))
        elif self._canary == "thread" and len(self._load) % 10 == 0:
            threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()
        elif self._canary == "memory":
            lost = _CANARY_LEAK_BYTES * self._interval / self._seconds
            self._leaks.append(random.randbytes(int(lost)))
        elif self._canary in ("bytes", "error"):
            self._workers[0].canary = self._canary
        elif self._canary == "hang" and len(self._load) == 3:

            def hang() -> None:
                with self._watchdog.limit("the canary", 2):
                    time.sleep(1e6)

            threading.Thread(target=hang, daemon=True).start()

    def _result(self) -> dict[str, object]:
        counts: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        for worker in self._workers:
            counts += worker.counts
            errors += worker.errors
        return {
            "failures": self._failures,
            "seconds": round(time.monotonic() - self._begin, 1),
            "operations": dict(counts),
            "errors": dict(errors),
            "gigabytes_checked": round(sum(one.bytes_checked for one in self._workers) / 1e9, 2),
            "longest_calls": self._watchdog.longest,
            "under_load": [vars(one) for one in self._load],
            "at_rest": [vars(one) for one in self._rest],
        }


def summary(result: dict, faults: dict[str, int]) -> str:
    """One paragraph."""
    load, rest = result["under_load"], result["at_rest"]
    third = len(load) // 3

    def medians(name: str, scale: float = 1) -> str:
        values = [one[name] / scale for one in load]
        return " and ".join(
            f"{statistics.median(part):.0f}" for part in (values[third:-third], values[-third:])
        )

    requests = faults["requests"]
    wrong = sum(faults.get(kind, 0) for kind in KINDS)
    outcome = "FAILED" if result["failures"] else "passed"
    text = (
        f"The soak {outcome}: {result['seconds']:.0f} s, {THREADS} threads, "
        f"{sum(result['operations'].values()):,} operations, "
        f"{result['operations'].get('fork', 0):,} children, {requests:,} requests of which "
        f"{wrong:,} went wrong, {result['gigabytes_checked']} GB compared, "
        f"{sum(result['errors'].values()):,} typed errors; the longest call took "
        f"{max(result['longest_calls'].values()):.1f} s."
    )
    if third > 0 and rest:
        text += (
            f" Medians of the middle and the last third under load: {medians('rss_bytes', 1 << 20)}"
            f" MiB, {medians('descriptors')} descriptors, {medians('threads')} threads. At rest, "
            f"after warm-up and at the end: "
            + "; ".join(
                f"{one['rss_bytes'] / (1 << 20):.0f} MiB ({one['malloc_bytes'] / (1 << 20):.2f} by "
                f"malloc), {one['descriptors']} descriptors, "
                f"{one['threads']} threads"
                for one in (rest[len(rest) // 3], rest[-1])
            )
            + "."
        )
    return text


def main() -> int:
    parser = argparse.ArgumentParser(prog="long.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--seed", type=int, help="of what threads do; another one each time")
    parser.add_argument("--output", type=Path, default=Path("build/soak.json"))
    parser.add_argument("--canary", choices=CANARIES, default="")
    options = parser.parse_args()
    if _LARGE_BLOCKS not in os.environ:
        # Else malloc takes ever larger blocks out of its arenas, and what is free there hides what
        # somebody has.
        os.environ[_LARGE_BLOCKS] = "131072"
        os.execv(sys.executable, [sys.executable, "-m", "long.soak", *sys.argv[1:]])
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 20)
    faulthandler.enable()
    print(f"soak: {options.seconds:.0f} s, --seed {seed}", flush=True)
    with RandomFaultServer() as server:
        soak = Soak(server.endpoint, options.seconds, seed, options.canary)
        result = soak.run()
        faults = server.counts()
    result = {"seed": seed, "faults": dict(faults), **result}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1))
    for failure in result["failures"]:
        print(f"FAILED: {failure}", file=sys.stderr)
    print(summary(result, faults))
    sys.stdout.flush()
    # Threads may hang in what failed: their end is not waited for.
    os._exit(1 if result["failures"] else 0)


if __name__ == "__main__":
    main()
