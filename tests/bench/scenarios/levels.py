"""Concurrency that finds its own level, against settings that stay."""

from __future__ import annotations

from typing import Any

from bench.clients import program, total_bytes
from bench.results import Result
from bench.scenario import CPU_PER_GB, GB_PER_SECOND, Bar, Client, Column, Measured, Scenario
from bench.server import SLOW_10, SLOW_50, SLOW_200, Network
from bench.workplace import Workplace

_NETWORKS = (SLOW_10, SLOW_50, SLOW_200)
_FIXED = (16, 32, 64, 128)  # 512 MiB hold 64 chunks: more than 60 are never in flight
_THREADS = 2
_MEMORY = "512 MiB"


def levels(place: Workplace) -> Scenario:
    clients = [_client(place, network, count) for network in _NETWORKS for count in _FIXED]
    clients += [_client(place, network, None) for network in _NETWORKS]
    return Scenario(
        "levels",
        "Concurrency that finds its own level",
        "20 ms to the first byte and 10, 50 or 200 MB/s a connection; bytes received in seconds 3 "
        "to 8 of reading the same objects again and again, in a fresh process with a budget of 512 "
        "MiB.",
        clients,
        columns=(GB_PER_SECOND, CPU_PER_GB, Column("gb_read_per_second", "GB/s read")),
        bars=[
            Bar(
                f"{network.name} a connection: the best fixed setting's GB/s against auto's",
                1.4,
                _best_against_auto(network),
            )
            for network in _NETWORKS
        ],
        warm_up=False,
        over_time=[_name(network, None) for network in _NETWORKS],
    )


def _name(network: Network, count: int | None) -> str:
    return f"ours, {network.name}, {'auto' if count is None else count}"


def _client(place: Workplace, network: Network, count: int | None) -> Client:
    config: dict[str, Any] = {"prefetch.vcpus": _THREADS, "prefetch.memoryBytes": _MEMORY}
    config["prefetch.workers"] = "auto" if count is None else count // _THREADS
    objects = place.catalogue.models()
    name, fresh_bytes = _name(network, count), total_bytes(objects)
    return program(
        place, name, network, "again", objects=objects, config=config, fresh_bytes=fresh_bytes
    )


def _best_against_auto(network: Network) -> Measured:
    def measured(result: Result) -> float | None:
        auto = result.median(_name(network, None), "gb_per_second")
        fixed = [result.median(_name(network, count), "gb_per_second") for count in _FIXED]
        best = max((value for value in fixed if value is not None), default=None)
        return best / auto if best is not None and auto else None

    return measured
