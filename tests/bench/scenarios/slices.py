"""Parts of tensors on a line that is far: by which requests they cost least."""

from __future__ import annotations

from collections.abc import Sequence

from bench.clients import program
from bench.objects import Object
from bench.results import Result
from bench.scenario import FETCHED, Bar, Client, Column, Measured, Scenario, highest_of, median_of
from bench.server import SLOW_50
from bench.workplace import Workplace

_MS = Column("slices_ms", "ms", 0, spread=True)
_FIRST_MS = Column("first_ms", "ms to the first tensor", 0, spread=True)
_REQUESTS = Column("requests", "requests", 0)
_FIRST = "the first tensor, verify late"
_HOW = {"chosen": "ours", "rows": "forced: whole rows", "exact": "forced: a request a run"}
_ROUND_TRIPS = 3


def slices(place: Workplace) -> Scenario:
    clients: list[Client] = []
    bars: list[Bar] = []
    for kind, file in place.catalogue.slices().items():
        along_rows = f"{kind}, dim 0, ours"
        clients.append(_client(place, along_rows, [file], "chosen", 0))
        text = f"{kind}, dim 0: bytes received for each that was asked for"
        bars.append(Bar(text, 1.05, highest_of(along_rows, FETCHED.figure)))
        names = {how: f"{kind}, dim 1, {who}" for how, who in _HOW.items()}
        clients += [_client(place, name, [file], how, 1) for how, name in names.items()]
        text = f"{kind}, dim 1: time, of the better of the forced"
        bars.append(Bar(text, 1.1, _of_the_better(*names.values())))
    whole = place.catalogue.tensors()
    clients.append(_client(place, _FIRST, whole, "first", 0))
    transfer = place.catalogue.first_tensor_bytes / 50e6
    limit = (_ROUND_TRIPS * SLOW_50.wait_seconds + transfer) * 1e3
    text = "the first tensor: ms; 3 round trips, and its own transfer by one connection"
    bars.append(Bar(text, round(limit), median_of(_FIRST, _FIRST_MS.figure)))
    return Scenario(
        "slices",
        "Parts of tensors",
        "20 ms to the first byte and 50 MB/s a connection. An eighth of every tensor, by "
        "`prefetch`, in a fresh process each: along dim 0, and along dim 1 by the requests that "
        "the library chooses, by whole rows, and by a request a run. Of each kind there are 4 "
        "tensors of 32 MiB: in narrow ones a row has 8 KiB, in wide ones 512 KiB, in very wide "
        "ones 4 MiB. The last row is of a model of 8 files: from `open_model` to its first tensor.",
        clients,
        columns=(_MS, _REQUESTS, FETCHED, _FIRST_MS),
        bars=bars,
        warm_up=False,
        most_rounds=3,
    )


def _client(
    place: Workplace, name: str, objects: Sequence[Object], how: str, dimension: int
) -> Client:
    words = ("slices", how, "--dimension", str(dimension))
    return program(place, name, SLOW_50, *words, objects=objects, config={})


def _of_the_better(ours: str, *forced: str) -> Measured:
    def measured(result: Result) -> float | None:
        time = result.median(ours, _MS.figure)
        times = [found for name in forced if (found := result.median(name, _MS.figure)) is not None]
        return None if time is None or len(times) < len(forced) else time / min(times)

    return measured
