"""How fast one connection and many bring bytes, and what limits them. It reads for seconds only."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ossmodelconnector.command._exits import Exit
from ossmodelconnector.command._output import bytes_text
from ossmodelconnector.command.doctor._check import (
    Finding,
    failed,
    ok,
    said_by_store,
    skipped,
    warning,
)
from ossmodelconnector.command.doctor._context import Context
from ossmodelconnector.command.doctor._identity import Given
from ossmodelconnector.command.doctor._wire import seconds_text

if TYPE_CHECKING:
    from ossmodelconnector._connector import ConnectorStats

__all__ = ["check_many_connections", "check_one_connection"]

MiB = 1 << 20
_SECONDS = 3.0
_MAX_BYTES = {"one": 64 * MiB, "many": 512 * MiB}
# Too little tells the time of a round trip, not a speed.
_LEAST_BYTES = 256 << 10
_SLOW_CONNECTION = 8e6  # bytes a second: OSS gives a connection some ten MB/s
_SLOW_LINE = 50e6
_UNEVEN_SECONDS, _UNEVEN_TIMES = 1.0, 8.0
_ONE = {"prefetch.vcpus": 1, "prefetch.workers": 1, "prefetch.chunkBytes": "1 MiB"}

_WAYS = {
    "network": "within a region take the -internal endpoint; else the line, or the instance's "
    "bandwidth, is the limit",
    "throttle": "the store asks to slow down: have the bucket's bandwidth raised, or read with "
    "fewer processes at a time",
    "memory": "give it more memory (see memory), or prefetch.memoryBytes",
    "cpu": "give it more processors, or prefetch.vcpus",
    "reader": "this program takes the bytes no faster: nothing is wrong with the network",
    "limit": "a limit of the configuration holds it down: raise it",
    "idle": "there is too little to read: name a prefix with more bytes",
}


class _Run(NamedTuple):
    speed: float  # bytes a second
    received: int
    seconds: float
    limited_by: str
    connections: int
    stats: ConnectorStats
    middle: float  # seconds that requests took
    slowest: float

    @property
    def is_uneven(self) -> bool:
        """Whether one request took so long that it is not chance."""
        return self.slowest > max(_UNEVEN_SECONDS, _UNEVEN_TIMES * self.middle)


def check_one_connection(context: Context) -> Finding:
    """Reads the largest object with one request at a time."""
    if not context.objects or sum(info.size for info in context.objects) < _LEAST_BYTES:
        return skipped(f"under {context.options.uri} is too little to measure a speed with")
    config = {**_ONE, "prefetch.memoryBytes": "16 MiB"}
    try:
        run = _measure(context, config, _MAX_BYTES["one"])
    except OSError as error:
        return _broken(context, error)
    context.single_speed = run.speed
    told = f"one connection brings {_rate(run.speed)} ({bytes_text(run.received)} received)"
    facts = {"bytes_per_second": round(run.speed), "seconds": round(run.seconds, 2)}
    if run.speed < _SLOW_CONNECTION:
        return warning(
            f"one connection is slow: {told}",
            "whether more of them help is seen below; curl -o /dev/null shows the same",
            **facts,
        )
    return ok(told, **facts)


def check_many_connections(context: Context) -> Finding:
    """Reads what there is with as many as the library takes, and asks it what limits it."""
    if not context.objects or sum(info.size for info in context.objects) < 4 * _LEAST_BYTES:
        return skipped(f"under {context.options.uri} is too little to measure a speed with")
    size = max(info.size for info in context.objects)
    # Small objects would be over before the second connection is there.
    config: dict[str, Any] = {"prefetch.workers": 16}
    if size < 64 * MiB:
        config["prefetch.chunkBytes"] = max(64 << 10, size // 16)
    try:
        run = _measure(context, config, _MAX_BYTES["many"])
    except OSError as error:
        return _broken(context, error)
    one, stats = context.single_speed, run.stats
    times = run.speed / one if one else 0.0
    told = (
        f"{run.connections} connections bring {_rate(run.speed)}, {times:.1f} times one; "
        f"limited by {run.limited_by}"
    )
    facts = {
        "bytes_per_second": round(run.speed),
        "times_one": round(times, 2),
        "connections": run.connections,
        "limited_by": run.limited_by,
        "hedges": stats.hedges,
        "retries": stats.retries,
        "throttles": stats.throttles,
        "middle_request_seconds": round(run.middle, 3),
        "slowest_request_seconds": round(run.slowest, 3),
    }
    if stats.throttles:
        return warning(f"{told}; {stats.throttles} replies said so", _WAYS["throttle"], **facts)
    if stats.hedges or stats.retries or run.is_uneven:
        what = f"the middle request took {seconds_text(run.middle)}, the slowest "
        what += f"{seconds_text(run.slowest)}; {stats.hedges} slow ones were asked for twice and "
        what += f"{stats.retries} that broke or stalled were sent again"
        way = "one connection or server is slower than the rest: see tcp for dead addresses; where "
        way += "it is seen again and again, have the network looked at"
        return warning(f"{told}; {what}", way, **facts)
    if one < _SLOW_CONNECTION and times >= 2:
        return ok(f"{told}: each connection is slow, and many make up for it", **facts)
    if run.speed < _SLOW_LINE and run.limited_by != "reader":
        return warning(told, _WAYS[run.limited_by], **facts)
    return ok(told, **facts)


def _measure(context: Context, config: dict[str, Any], most: int) -> _Run:
    """Reads the objects, largest first, for some seconds or so many bytes."""
    assert context.keys is not None
    connector, _ = context.make_connector(
        Given(context.keys),
        region=context.options.region,
        config={**config, "verify.crc64": False},
    )
    limits: Counter[str] = Counter()
    connections = 0
    start = time.monotonic()
    end = start + min(_SECONDS, 4 * context.options.seconds)
    buffer = bytearray(1 * MiB)
    with connector:
        for reader in connector.open_many(context.objects):
            with reader:
                while time.monotonic() < end and connector.stats().bytes_received < most:
                    if not reader.readinto1(buffer):
                        break
                    stats = connector.stats()
                    connections = max(connections, stats.connections)
                    limits[stats.limited_by] += 1
        took = time.monotonic() - start
        stats = connector.stats()
        middle, slowest = (connector._core.chunk_seconds(part) for part in (0.5, 1.0))
    limits["idle"] = 0  # that is the end of what there was
    word = limits.most_common(1)[0][0] if limits else "idle"
    received = stats.bytes_received
    return _Run(received / took, received, took, word, connections, stats, middle, slowest)


def _broken(context: Context, error: OSError) -> Finding:
    return failed(
        f"the transfer broke: {said_by_store(error)}",
        f"run it again; then: ossmc cat {context.options.uri} -vv shows each step",
        Exit.NETWORK,
    )


def _rate(speed: float) -> str:
    return f"{speed / 1e6:.1f} MB/s"
