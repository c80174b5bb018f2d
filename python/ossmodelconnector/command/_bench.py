"""`bench`: how fast what is under a prefix comes, how long a request takes, and what limits it."""

from __future__ import annotations

import math
import random
import threading
import time
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ossmodelconnector.command._ahead import SMALL_BYTES, opened_ahead
from ossmodelconnector.command._output import bytes_text, columns, print_json
from ossmodelconnector.command._progress import Counter, progress
from ossmodelconnector.command._session import Session
from ossmodelconnector.command._uris import find, parts_of
from ossmodelconnector.command._verb import verb

if TYPE_CHECKING:
    from ossmodelconnector._connector import ConnectorStats, OssModelConnector
    from ossmodelconnector._objects import ObjectInfo

__all__: list[str] = []

_PROBES = 100
_PROBE_SECONDS = 3.0
_LOOK_SECONDS = 0.05
_BAR = 40
_ADVICE = {
    "network": "the line or the store: more requests at once bring no more",
    "memory": "memory: give prefetch.memoryBytes more, or the container",
    "cpu": "this machine's processors: raise prefetch.vcpus, if there are more",
    "throttle": "the store asked to slow down: have the bucket's bandwidth limit raised",
    "reader": "this program, which takes the bytes more slowly than they come",
    "idle": "nothing: the objects were too few or too small to tell",
}


class _Speed(NamedTuple):
    """What a run found."""

    bytes: int
    seconds: float
    connections: int
    limits: dict[str, float]  # shares of the time
    stats: ConnectorStats

    @property
    def rate(self) -> float:
        return self.bytes / max(self.seconds, 1e-9)


@verb("bench")
@click.argument("uri")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 3600),
    default=10.0,
    help="How long it reads at most.  [default: 10]",
)
def bench(session: Session, uri: str, seconds: float) -> None:
    """Measures how fast an object, or what is under a prefix, comes. It keeps and writes nothing.

    First 100 requests of one byte, one after the other, then as many bytes as come in --seconds.
    """
    parts_of(uri)
    with session.connector() as connector:
        objects = [info for info in find(connector, uri).objects if info.size]
        latencies = _latencies(connector, objects)
        found = _speed(session, connector, objects, seconds)
    # Idle it is in the moments before and after.
    real = {name: share for name, share in found.limits.items() if name != "idle"}
    limit = max(real, key=real.__getitem__, default="idle")
    if session.how == "json":
        _print_json(uri, latencies, found, limit)
    elif session.how == "human":
        _print(latencies, found, limit)


def _latencies(connector: OssModelConnector, objects: Sequence[ObjectInfo]) -> list[float]:
    """Seconds of single requests, sorted."""
    taken: list[float] = []
    chance = random.Random(1)
    end = time.monotonic() + _PROBE_SECONDS
    while objects and len(taken) < _PROBES and time.monotonic() < end:
        info = chance.choice(objects)
        begin = time.perf_counter()
        connector.read_ranges([(info, chance.randrange(info.size), 1)])
        taken.append(time.perf_counter() - begin)
    return sorted(taken[1:] or taken)  # the first one connects


def _speed(
    session: Session, connector: OssModelConnector, objects: Sequence[ObjectInfo], seconds: float
) -> _Speed:
    done = Counter()
    total = sum(info.size for info in objects)
    before = connector.stats().bytes_received
    begin = time.monotonic()
    with progress(session, "bench", total, done.value), _watched(connector) as seen:
        for size in _sizes_read(connector, objects):
            done.add(size)
            if time.monotonic() - begin > seconds:
                break
        taken = time.monotonic() - begin
        stats = connector.stats()
    limits = Tally(limit for limit, _ in seen)
    shares = {limit: count / len(seen) for limit, count in limits.most_common()}
    most = max((connections for _, connections in seen), default=stats.connections)
    return _Speed(stats.bytes_received - before, taken, most, shares, stats)


def _sizes_read(connector: OssModelConnector, objects: Sequence[ObjectInfo]) -> Iterator[int]:
    """Reads all objects, and tells of each piece how large it is."""
    large = [info for info in objects if info.size > SMALL_BYTES]
    with closing(opened_ahead(large, connector.open_many)) as opened:
        for _, reader in opened:
            with reader:
                for chunk in reader.chunks():
                    yield len(chunk)
    small = [info for info in objects if info.size <= SMALL_BYTES]
    for info, _ in connector.read_objects(small):
        yield info.size


@contextmanager
def _watched(connector: OssModelConnector) -> Iterator[list[tuple[str, int]]]:
    """What limits it, and how many connections there are, again and again; by a thread."""
    seen: list[tuple[str, int]] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_SECONDS):
            stats = connector.stats()
            seen.append((stats.limited_by, stats.connections))

    thread = threading.Thread(target=watch, name="ossmc-bench", daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join(5)


def _at(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def _histogram(values: Sequence[float]) -> list[tuple[float, float, int]]:
    """(from, to, how many), in steps of the square root of 2; without empty ones at the ends."""
    steps = Tally(math.floor(2 * math.log2(max(value, 1e-6))) for value in values)
    return [
        (2 ** (step / 2), 2 ** ((step + 1) / 2), steps[step])
        for step in range(min(steps), max(steps) + 1)
    ]


def _print(latencies: Sequence[float], found: _Speed, limit: str) -> None:
    if latencies:
        middle, most = (f"{_at(latencies, share) * 1e3:.1f} ms" for share in (0.5, 1.0))
        nine = f"{_at(latencies, 0.9) * 1e3:.1f} ms"
        print(f"a request of one byte takes {middle}; 90 % take {nine} at most, all {most}")
        steps = _histogram(latencies)
        widest = max(count for *_, count in steps)
        rows = [
            (
                f"{low * 1e3:.1f} -",
                f"{high * 1e3:.1f} ms",
                str(count),
                "#" * (count * _BAR // widest),
            )
            for low, high, count in steps
        ]
        print("\n".join(columns(rows, right=(0, 1, 2))))
    stats = found.stats
    print(
        f"{bytes_text(found.bytes)} in {found.seconds:.1f} s: {bytes_text(found.rate)}/s "
        f"({found.rate * 8 / 1e9:.2f} Gbit/s) by {found.connections} connections"
    )
    if stats.retries or stats.throttles:
        print(f"{stats.retries} requests were sent again, {stats.throttles} asked to slow down")
    share = f", {found.limits[limit]:.0%} of the time" if limit in found.limits else ""
    print(f"limited by {limit}{share}: {_ADVICE[limit]}")


def _print_json(uri: str, latencies: Sequence[float], found: _Speed, limit: str) -> None:
    histogram: list[dict[str, Any]] = []
    if latencies:
        histogram = [
            {"from_ms": round(low * 1e3, 3), "to_ms": round(high * 1e3, 3), "count": count}
            for low, high, count in _histogram(latencies)
        ]
    shares = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "max_ms": 1.0}
    print_json(
        {
            "uri": uri,
            "latency": {name: round(_at(latencies, at) * 1e3, 3) for name, at in shares.items()},
            "histogram": histogram,
            "bytes": found.bytes,
            "seconds": round(found.seconds, 3),
            "bytes_per_second": round(found.rate),
            "connections": found.connections,
            "requests": found.stats.requests,
            "retries": found.stats.retries,
            "throttles": found.stats.throttles,
            "limited_by": limit,
            "limits": {name: round(share, 3) for name, share in found.limits.items()},
        }
    )
