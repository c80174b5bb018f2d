"""Many small objects, each read whole: objects a second, and what each costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from bench.catalogue import MANY_BYTES, MANY_OBJECTS
from bench.processes import python_module
from bench.results import Result
from bench.runner import json_lines
from bench.scenario import Bar, Client, Column, Run, Scenario
from bench.server import BUCKET, NEAR, PLAIN, Network
from bench.workplace import Workplace

_RATE, _CPU, _OF_IDEAL, _GROWTH = (
    "objects_a_second",
    "cpu_us_an_object",
    "of_ideal",
    "peak_growth_mib",
)
_READS, _NEAR_READS, _MANY_READS = 20_000, 2_000, 100_000
# Of oss2, which is slow, so few that a round takes seconds.
_OSS2_READS = 2_000
_OURS = "ours, listed"
_OURS_URIS = "ours, by URI"
_OBSTORE = {
    "obstore, get": "obstore_sync",
    "obstore, get in 16 threads": "obstore_threads",
    "obstore, get_async": "obstore_async",
}
_OSS2 = "oss2, get_object"
_MANY = f"ours, listed, {_MANY_READS:,} objects"
_WORKERS = 32
_FAR_OURS = f"20 ms: ours, listed, {_WORKERS} connections"
_FAR_URIS = f"20 ms: ours, by URI, {_WORKERS} connections"
_FAR_AUTO = "20 ms: ours, listed, defaults"
_FAR_OBSTORE = "20 ms: obstore, get in 16 threads"


def objects(place: Workplace) -> Scenario:
    fixed = {"prefetch.vcpus": 1, "prefetch.workers": _WORKERS}
    return Scenario(
        "objects",
        "Many small objects",
        f"{_READS:,} reads of {MANY_OBJECTS:,} objects of {MANY_BYTES // 1000} kB from loopback, "
        f"{_OSS2_READS:,} of them by oss2, and {_NEAR_READS:,} where each reply takes 20 ms; the "
        "second pass of a fresh process. Ours is `read_objects`: of ObjectInfos, whose sizes are "
        "known, or of URIs. Ideal at 20 ms: all connections always waiting for a reply. CPU is "
        "that of the client's process, memory what it grew by.",
        [
            _client(place, _OURS, PLAIN, "ours_listed", _READS, {}),
            _client(place, _OURS_URIS, PLAIN, "ours_uris", _READS, {}),
            *(_client(place, name, PLAIN, who, _READS) for name, who in _OBSTORE.items()),
            _client(place, _OSS2, PLAIN, "oss2", _OSS2_READS),
            _client(place, _MANY, PLAIN, "ours_listed", _MANY_READS, {}, passes=1),
            _client(place, _FAR_OURS, NEAR, "ours_listed", _NEAR_READS, fixed),
            _client(place, _FAR_URIS, NEAR, "ours_uris", _NEAR_READS, fixed),
            _client(place, _FAR_AUTO, NEAR, "ours_listed", _NEAR_READS, {}),
            _client(place, _FAR_OBSTORE, NEAR, "obstore_threads", _NEAR_READS),
        ],
        columns=(
            Column(_RATE, "objects/s", 0, spread=True),
            Column(_CPU, "CPU-µs an object", 1, spread=True),
            Column(_OF_IDEAL, "of the ideal"),
            Column(_GROWTH, "grew by MiB", 0),
        ),
        bars=[
            Bar("objects/s against the best of obstore", 1.5, _against_best(_RATE, max), True),
            Bar("CPU an object against the best of obstore", 0.45, _against_best(_CPU, min)),
            Bar("objects/s against oss2", 5.0, _ratio(_OURS, _OSS2, _RATE), True),
            Bar("20 ms: of the ideal of its connections", 0.9, _median(_FAR_OURS, _OF_IDEAL), True),
            Bar(f"{_MANY_READS:,} objects: grew by MiB", 128, _median(_MANY, _GROWTH)),
        ],
    )


def _client(
    place: Workplace,
    name: str,
    network: Network,
    who: str,
    reads: int,
    config: dict[str, Any] | None = None,
    passes: int = 2,
) -> Client:
    """With a configuration it is ours."""
    is_ours = config is not None

    def start(_round: int) -> Run:
        words = [who, "--endpoint", place.server.endpoint(network), "--bucket", BUCKET]
        words += ["--config", json.dumps(config or {}), "--stem", f"many-{MANY_BYTES}-"]
        words += ["--count", str(MANY_OBJECTS), "--size", str(MANY_BYTES)]
        words += ["--reads", str(reads), "--passes", str(passes)]
        words += ["--wait-seconds", str(network.wait_seconds)]
        python_path = None if is_ours else place.peers()
        return Run(python_module("many_objects", *words, python=python_path), json_lines)

    return Client(name, start, ours=is_ours)


def _median(client: str, figure: str) -> Callable[[Result], float | None]:
    return lambda result: result.median(client, figure)


def _ratio(client: str, to: str, figure: str) -> Callable[[Result], float | None]:
    return lambda result: result.ratio(client, to, figure)


def _against_best(
    figure: str, best: Callable[[list[float]], float]
) -> Callable[[Result], float | None]:
    def measured(result: Result) -> float | None:
        ours = result.median(_OURS, figure)
        theirs = [result.median(name, figure) for name in _OBSTORE]
        known = [value for value in theirs if value is not None]
        return ours / best(known) if ours is not None and known else None

    return measured
