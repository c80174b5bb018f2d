"""Listings: FastList in virtual time, and on the machine beside plain ones and peers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.errors import UnavailableError
from bench.hosts import with_names
from bench.processes import python_module
from bench.results import Result, Sample
from bench.runner import json_lines
from bench.scenario import Bar, Client, Column, Line, Panel, Run, Scenario, highest_of
from bench.server import DOMAIN
from bench.workplace import Workplace

_PAGE_KEYS = 1000
_PAGES = (1, 10, 100, 1000, 10_000)
_SLOTS = (16, 32, 128, 256)
_MANY_PAGES = 100_000
# What real buckets look like, and has bars; the shapes that are neither these nor even were made to
# find the controller's limits.
_SKEWED = frozenset(
    [
        "dated_tree",
        "one_deep_prefix",
        "long_common_prefix",
        "prefix_chains",
        "prefix_tree",
        "zipf_folders",
        "huge_and_tiny_folders",
        "one_key_a_folder",
        "cjk",
        "emoji",
        "all_planes",
        "special_characters",
        "one_first_letter",
    ]
)
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
        "median and the worst; even are numbers, hashes and UUIDs, skewed are folders, common "
        "prefixes and other scripts, hard are those that were made to find its limits: they have "
        "no bar. "
        "Requests are those that were answered by a page; those refused with 503 come on top. In "
        "the picture each line is a number of slots.",
        [_client(place, listing) for listing in _LISTINGS],
        columns=(
            Column("median_requests", "requests a page, median"),
            Column("even_requests", "worst even"),
            Column("skewed_requests", "worst skewed"),
            Column("hard_requests", "worst hard"),
            Column("median_time", "time over ideal, median"),
            Column("even_time", "worst even"),
            Column("skewed_time", "worst skewed"),
            Column("hard_time", "worst hard"),
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
            _panel("skewed_requests", "requests a page, worst skewed shape"),
            _panel("skewed_time", "time over ideal, worst skewed shape"),
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

    return Client(listing.name, start, ours=True)


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
        for kind in ("even", "skewed", "hard"):
            of_kind = [row for row in rows if _kind(row) == kind]
            if not of_kind:
                continue
            sample[f"{kind}_requests"] = max(row["pages_a_page"] for row in of_kind)
            sample[f"{kind}_time"] = max(row["time_over_ideal"] for row in of_kind)
        if listing.tells_shapes:
            sample["text"] = _shapes_text(rows)
        return [sample]

    return parse


def _kind(row: Sample) -> str:
    if row["even"]:
        return "even"
    return "skewed" if row["shape"] in _SKEWED else "hard"


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


_MILLION = 1_000_000
_EVEN_SHAPES = ("flat_numbered", "hex_hashes", "uuids")
_SKEWED_SHAPES = (
    "dated_tree",
    "zipf_folders",
    "huge_and_tiny_folders",
    "one_key_a_folder",
    "one_deep_prefix",
    "cjk",
)
_FIND = "find of fsspec, hex_hashes"
_FIND_DETAIL = "find of fsspec with detail, hex_hashes"
_PLAIN = "plain list, no latency"
_PLAIN_OSS2 = "oss2, no latency"
_PLAIN_OSSTORCH = "osstorchconnector, no latency"


def lists(place: Workplace) -> Scenario:
    even = [f"fast list, {shape}" for shape in _EVEN_SHAPES]
    skewed = [f"fast list, {shape}" for shape in _SKEWED_SHAPES]
    return Scenario(
        "lists",
        "A million keys",
        "From a server that makes each page of rows that it has encoded before, so that it is not "
        "the limit. Fast lists: 20 ms before each page, 32 slots. Ideal: one page alone, then the "
        "others in all slots. Plain ones: hashes, no latency. Memory is what the "
        "process grew by at its peak.",
        [
            *(
                _lists(place, f"fast list, {shape}", "fast", shape, "20")
                for shape in (*_EVEN_SHAPES, *_SKEWED_SHAPES)
            ),
            _lists(place, _FIND, "find", "hex_hashes", "20"),
            _lists(place, _FIND_DETAIL, "find-detail", "hex_hashes", "20"),
            _lists(place, _PLAIN, "plain", "hex_hashes", "0"),
            _lists(place, _PLAIN_OSS2, "oss2", "hex_hashes", "0"),
            _lists(place, _PLAIN_OSSTORCH, "osstorch", "hex_hashes", "0"),
        ],
        columns=(
            Column("seconds", "s", 2, spread=True),
            Column("over_ideal", "over ideal"),
            Column("requests_a_page", "requests a page"),
            Column("cpu_seconds_a_million", "CPU-s a million keys", spread=True),
            Column("bytes_a_key", "bytes a key", 0),
            Column("keys_a_second", "keys/s", 0),
            Column("objects_a_second", "objects/s in a loop", 0),
        ),
        bars=[
            *(Bar(f"{name}: over ideal", 1.6, _median_of(name, "over_ideal")) for name in even),
            *(Bar(f"{name}: over ideal", 2.5, _median_of(name, "over_ideal")) for name in skewed),
            Bar("CPU-s a million keys", 1.0, _median_of(even[1], "cpu_seconds_a_million")),
            # 160 where keys have 60 characters; these have 41.
            Bar("bytes a key at the peak", 141, _median_of(even[1], "bytes_a_key")),
            Bar(
                "objects/s in a loop", 1.2e6, _median_of(even[1], "objects_a_second"), at_least=True
            ),
            Bar("find of fsspec: time against the fast list", 1.5, _time_ratio(_FIND, even[1])),
            Bar("find of fsspec: bytes a key at the peak", 400, _median_of(_FIND, "bytes_a_key")),
            _keys_ratio("plain list: keys/s against osstorchconnector", _PLAIN_OSSTORCH, 2.0),
            _keys_ratio("plain list: keys/s against oss2", _PLAIN_OSS2, 5.0),
        ],
    )


_SHORT_LISTS = (1000, 1001, 2001, 20_000)
_SHORT_SHAPES = ("hex_hashes", "zipf_folders", "one_deep_prefix")


def short_lists(place: Workplace) -> Scenario:
    both = [
        (_short_name("fast", shape, keys), _short_name("plain", shape, keys), shape, keys)
        for keys in _SHORT_LISTS
        for shape in _SHORT_SHAPES
    ]
    return Scenario(
        "shortlists",
        "Short lists",
        "A fast list beside a plain one of the same keys, from the server of `lists`: 20 ms before "
        "each page, 32 slots. Ideal: one page alone, then the others in all slots.",
        [
            client
            for fast, plain, shape, keys in both
            for client in (
                _lists(place, fast, "fast", shape, "20", keys),
                _lists(place, plain, "plain", shape, "20", keys),
            )
        ],
        columns=(
            Column("seconds", "s", 3, spread=True),
            Column("over_ideal", "over ideal"),
            Column("requests_a_page", "requests a page"),
        ),
        bars=[
            Bar(f"{fast}: time against the plain one", 1.05, _time_ratio(fast, plain))
            for fast, plain, _shape, _keys in both
        ],
    )


def _short_name(who: str, shape: str, keys: int) -> str:
    return f"{who} list, {keys:,} {shape}"


def _time_ratio(client: str, to: str) -> Callable[[Result], float | None]:
    return lambda result: result.ratio(client, to, "seconds")


def _lists(
    place: Workplace, name: str, who: str, shape: str, latency_ms: str, keys: int = _MILLION
) -> Client:
    server = place.list_server

    def start(_round: int) -> Run:
        if not server.exists():
            raise UnavailableError(f"{server.name} is not built")
        python_path, prefix, host = None, list[str](), "127.0.0.1"
        if who in ("oss2", "osstorch"):
            python_path = place.peers()
        if who == "osstorch":  # it knows no path style
            host, prefix = DOMAIN, with_names([DOMAIN, f"bench-bucket.{DOMAIN}"], place.folder)
        words = ["--server", str(server), "--shape", shape, "--keys", str(keys)]
        words += ["--latency", latency_ms, "--host", host]
        command = python_module("listing", who, *words, python=python_path)
        return Run([*prefix, *command], json_lines)

    return Client(name, start, ours=who not in ("oss2", "osstorch"))


def _median_of(client: str, figure: str) -> Callable[[Result], float | None]:
    return lambda result: result.median(client, figure)


def _keys_ratio(text: str, peer: str, limit: float) -> Bar:
    return Bar(
        text, limit, lambda result: result.ratio(_PLAIN, peer, "keys_a_second"), at_least=True
    )
