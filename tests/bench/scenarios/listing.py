"""FastList in virtual time: requests and time, against the number of pages and of slots."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.errors import UnavailableError
from bench.results import Sample
from bench.runner import json_lines
from bench.scenario import Bar, Client, Column, Line, Panel, Run, Scenario, highest_of
from bench.workplace import Workplace

_PAGE_KEYS = 1000
_PAGES = (1, 10, 100, 1000, 10_000)
_SLOTS = (16, 32, 128, 256)
_MANY_PAGES = 100_000
_FOR_MANY_PAGES = ("flat_numbered", "hex_hashes", "dated_tree", "zipf_folders")


@dataclass(frozen=True)
class _Listing:
    """What is listed, and how the store answers."""

    pages: int
    slots: int
    throttle: int = 0  # requests a second; 0: no limit
    latency_ms: int = 20
    constant: bool = False
    shapes: Sequence[str] = ()  # none: all
    tells_shapes: bool = False

    @property
    def name(self) -> str:
        text = f"{self.pages:,} page{'s' if self.pages > 1 else ''}, {self.slots} slots"
        if self.latency_ms != 20:
            text += f", {self.latency_ms} ms"
        if self.throttle:
            text += f", {self.throttle:,} a second at most"
        if self.constant:
            text += ", without spread"
        return text + (f", {len(self.shapes)} shapes" if self.shapes else "")


_STEADY_1000 = _Listing(1000, 32, constant=True, tells_shapes=True)
_STEADY_10_000 = _Listing(10_000, 32, constant=True, tells_shapes=True)
_LISTINGS = [
    _STEADY_1000,
    _STEADY_10_000,
    *(_Listing(pages, slots) for pages in _PAGES for slots in _SLOTS),
    *(_Listing(_MANY_PAGES, slots, shapes=_FOR_MANY_PAGES) for slots in _SLOTS),
    *(_Listing(pages, slots, latency_ms=100) for pages in (1000, 10_000) for slots in (32, 256)),
    *(
        _Listing(pages, 128, throttle=throttle)
        for throttle in (2000, 10_000)
        for pages in (1000, 10_000)
    ),
    *(
        _Listing(_MANY_PAGES, 256, throttle=throttle, shapes=_FOR_MANY_PAGES)
        for throttle in (2000, 10_000)
    ),
]


def list_simulation(place: Workplace) -> Scenario:
    return Scenario(
        "listsim",
        "FastList in virtual time",
        "The real controller against a store that is made up, by `ossmc_list_simulation`: 29 "
        "shapes of keys, 1,000 keys a page. A page takes 20 ms where nothing else is said, 20 % "
        "more or less, and one in 200 five times as long. Ideal: one page alone, then the others "
        "in all slots or as fast as the store lets, each in 20 ms sharp. Of a row's shapes the "
        "median and the worst; even are numbers, hashes and UUIDs, skewed are all others. "
        "Requests are those that were answered by a page; those refused with 503 come on top. In "
        "the picture each line is a number of slots.",
        [_client(place, listing) for listing in _LISTINGS],
        columns=(
            Column("median_requests", "requests a page, median"),
            Column("even_requests", "worst even"),
            Column("skewed_requests", "worst skewed"),
            Column("median_time", "time over ideal, median"),
            Column("even_time", "worst even"),
            Column("skewed_time", "worst skewed"),
            Column("median_busy", "slots busy"),
            Column("refused_a_page", "refused a page, worst"),
            Column("given_up", "given up"),
        ),
        bars=[
            _bar("1,000 pages: requests a page, even", _STEADY_1000, "even_requests", 1.25),
            _bar("1,000 pages: requests a page, skewed", _STEADY_1000, "skewed_requests", 1.5),
            _bar("1,000 pages: time over ideal, even", _STEADY_1000, "even_time", 1.6),
            _bar("1,000 pages: time over ideal, skewed", _STEADY_1000, "skewed_time", 2.5),
            _bar("10,000 pages: requests a page, even", _STEADY_10_000, "even_requests", 1.1),
            _bar("10,000 pages: requests a page, skewed", _STEADY_10_000, "skewed_requests", 1.1),
        ],
        warm_up=False,
        most_rounds=1,
        panels=[
            _panel("median_requests", "requests a page, median shape"),
            _panel("median_time", "time over ideal, median shape"),
            _panel("skewed_requests", "requests a page, worst shape"),
            _panel("skewed_time", "time over ideal, worst shape"),
        ],
    )


def _client(place: Workplace, listing: _Listing) -> Client:
    program = place.ossmc_bench.with_name("ossmc_list_simulation")

    def start(number: int) -> Run:
        if not program.exists():
            raise UnavailableError(f"{program.name} is not built")
        # Another seed each round.
        command = [str(program), "--keys", str(listing.pages * _PAGE_KEYS)]
        command += ["--slots", str(listing.slots), "--throttle", str(listing.throttle)]
        command += ["--latency-ms", str(listing.latency_ms), "--seed", str(number + 2)]
        command += ["--constant"] if listing.constant else []
        command += [word for shape in listing.shapes for word in ("--shape", shape)]
        return Run(command, _summary(listing), timeout_seconds=600)

    return Client(listing.name, start)


def _summary(listing: _Listing) -> Callable[[str], list[Sample]]:
    def parse(output: str) -> list[Sample]:
        rows = json_lines(output)
        if not rows:
            return []
        sample: Sample = {
            "median_requests": _median(rows, "pages_a_page"),
            "median_time": _median(rows, "time_over_ideal"),
            "median_busy": _median(rows, "busy_share"),
            "refused_a_page": max(row["throttled"] / row["least_pages"] for row in rows),
            "given_up": sum(row["given_up"] for row in rows),
        }
        for kind, is_even in (("even", True), ("skewed", False)):
            of_kind = [row for row in rows if row["even"] == is_even]
            sample[f"{kind}_requests"] = max(row["pages_a_page"] for row in of_kind)
            sample[f"{kind}_time"] = max(row["time_over_ideal"] for row in of_kind)
        if listing.tells_shapes:
            sample["text"] = _shapes_text(rows)
        return [sample]

    return parse


def _median(rows: Sequence[Sample], figure: str) -> float:
    values: list[float] = [row[figure] for row in rows]
    return statistics.median(values)


def _shapes_text(rows: Sequence[Sample]) -> str:
    lines = [" " * 24 + " requests a page  empty pages  time over ideal   busy"]
    for row in rows:
        lines.append(
            f"{row['shape']:<24}{row['pages_a_page']:>16.3f}{row['empty_pages']:>13}"
            f"{row['time_over_ideal']:>17.2f}{row['busy_share']:>7.2f}"
        )
    return "\n".join(lines)


def _bar(text: str, listing: _Listing, figure: str, limit: float) -> Bar:
    return Bar(text, limit, highest_of(listing.name, figure))


def _panel(figure: str, heading: str) -> Panel:
    lines = [
        Line(f"{slots} slots", [(pages, _Listing(pages, slots).name) for pages in _PAGES])
        for slots in _SLOTS
    ]
    return Panel(figure, heading, "pages", lines)
