"""A process that reads once, and pauses: what was fetched ahead while it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.clients import fresh, total_bytes
from bench.programs.fresh import STOPS
from bench.scenario import CPU_PER_GB, FETCHED, PEAK_GROWTH_MIB, Bar, Column, Scenario
from bench.scenarios.fresh import HOW, NETWORKS
from bench.workplace import Workplace

_READ_SECONDS = Column("read_seconds", "s in reads", 2, spread=True)
_STOP_SECONDS = 1.0
_SLEEP_SECONDS = 5.0
_ALL = "a budget for all"
# What that has beside all bytes: chunks are fetched whole.
_BUDGET_SPARE = 256 << 20


def _stopping(where: str, budget: str = "defaults") -> str:
    return f"ours, {where}, stops of {_STOP_SECONDS:g} s, {budget}"


def _sleeping(where: str) -> str:
    return f"ours, {where}, sleeps {_SLEEP_SECONDS:g} s first, defaults"


def pauses(place: Workplace) -> Scenario:
    models, shards = place.catalogue.models(), place.catalogue.shards()
    holds_all = {"prefetch.memoryBytes": total_bytes(models) + _BUDGET_SPARE}
    clients = []
    for where, network in NETWORKS.items():
        stop = ("stopping", "--pause-seconds", str(_STOP_SECONDS))
        sleep = ("sleeping", "--pause-seconds", str(_SLEEP_SECONDS))
        clients += [
            fresh(place, _stopping(where), network, *stop, objects=models, config={}),
            fresh(place, _stopping(where, _ALL), network, *stop, objects=models, config=holds_all),
            fresh(place, _sleeping(where), network, *sleep, objects=shards, config={}),
        ]
    part = total_bytes(models) // STOPS >> 20
    return Scenario(
        "pauses",
        "Readers that pause, in fresh processes",
        f"{total_bytes(models) / (1 << 30):.3g} GiB by `readinto`: in {len(models)} objects with a "
        f"stop every {part} MiB, or in {len(shards)} objects that are opened and left alone before "
        f"they are read. A budget for all has room for all bytes. {HOW} What fetching did while "
        "the reader paused shows in the time inside its reads.",
        clients,
        columns=(_READ_SECONDS, CPU_PER_GB, PEAK_GROWTH_MIB, FETCHED),
        bars=[_stop_bar(where, _stopping(where, _ALL), _ALL) for where in NETWORKS],
        warm_up=False,
        base_bars=_bars_of_base,
    )


def _stop_bar(where: str, other: str, text: str) -> Bar:
    return Bar(
        f"{where}, stops: time in reads against {text}",
        1.5,
        lambda result: result.ratio(_stopping(where), other, _READ_SECONDS.figure),
    )


def _bars_of_base(twins: Mapping[str, str]) -> Sequence[Bar]:
    bars = [
        _stop_bar(where, twins[_stopping(where, _ALL)], f"the base's, {_ALL}") for where in NETWORKS
    ]
    return [*bars, *(_sleep_bar(where, twins[_sleeping(where)]) for where in NETWORKS)]


def _sleep_bar(where: str, twin: str) -> Bar:
    return Bar(
        f"{where}, sleeps first: speed of the reads against the base's",
        0.95,
        lambda result: result.ratio(twin, _sleeping(where), _READ_SECONDS.figure),
        at_least=True,
    )
