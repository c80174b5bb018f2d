"""A limit of bytes a second: how near to it, and what small reads beside a prefetch cost."""

from __future__ import annotations

from bench.clients import program
from bench.results import Result
from bench.scenario import CPU_PER_GB, Bar, Client, Column, Measured, Scenario
from bench.server import PLAIN
from bench.workplace import Workplace

_LIMIT = 100_000_000
# Requests at once, and the threads that have them.
_CONNECTIONS = {1: 1, 64: 2}


def limits(place: Workplace) -> Scenario:
    return Scenario(
        "limits",
        "A limit of bytes a second",
        f"`transfer.maxBytesPerSecond` {_LIMIT // 10**6} MB, loopback as it is; bytes received in "
        "the first 10 s of reading the same objects again and again, in a fresh process with 1 or "
        "64 ranged requests at once. Beside that, ten times a second, a read of 64 KiB of another "
        "object that is not prefetched.",
        [_client(place, count, threads) for count, threads in _CONNECTIONS.items()],
        columns=(
            Column("share_of_limit", "of the limit", 3, spread=True),
            Column("connections", "connections", 0),
            Column("small_ms", "ms a read of 64 KiB, median", 1, spread=True),
            Column("most_small_ms", "and the longest", 1, spread=True),
            CPU_PER_GB,
        ),
        bars=[
            Bar(f"{count} requests: away from the limit", 0.05, _away(count))
            for count in _CONNECTIONS
        ],
        warm_up=False,
        plots="",
    )


def _name(count: int) -> str:
    return f"ours, {count} at once"


def _client(place: Workplace, count: int, threads: int) -> Client:
    config = {
        "transfer.maxBytesPerSecond": _LIMIT,
        "prefetch.vcpus": threads,
        "prefetch.workers": count // threads,
        "prefetch.memoryBytes": "512 MiB",
    }
    objects = place.catalogue.models()
    return program(place, _name(count), PLAIN, "limited", objects=objects, config=config)


def _away(count: int) -> Measured:
    def measured(result: Result) -> float | None:
        share = result.median(_name(count), "share_of_limit")
        return None if share is None else abs(1 - share)

    return measured
