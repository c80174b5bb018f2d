"""A scenario: who reads, what is shown of it, and which bars it is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Optional

from bench.results import Result, Sample


@dataclass(frozen=True)
class Run:
    """A client process to start, and how to read what it prints."""

    command: list[str]
    parse: Callable[[str], list[Sample]]
    timeout_seconds: float = 180.0
    fresh_bytes: int = 0  # memory that it takes anew, made warm right before
    waits_itself: bool = False  # it has that done itself, once it has imported what it needs
    environment: Mapping[str, str] = field(default_factory=dict)  # beside what all clients have


@dataclass(frozen=True)
class Client:
    """A row of the table.

    `start` makes the process for a round, by its number; it raises `UnavailableError` where the
    machine has not what it takes. Of the passes that the process tells, the last one counts: those
    before it made its memory and connections warm.
    """

    name: str
    start: Callable[[int], Run]
    ours: bool = False  # it runs this library, so that another commit can run in its place


@dataclass(frozen=True)
class Column:
    """A figure as the table shows it."""

    figure: str
    heading: str
    digits: int = 2
    spread: bool = False  # with the lowest and the highest
    is_text: bool = False

    def text(self, value: Any) -> str:
        return str(value) if self.is_text else f"{value:.{self.digits}f}"


@dataclass(frozen=True)
class Bar:
    """What must hold, and the figure that says whether it does."""

    text: str
    limit: float
    measured: Callable[[Result], float | None]
    at_least: bool = False

    def holds(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


# What is drawn: clients beside each other, the bars beside their limits, or nothing.
Plots = Literal["clients", "bars", ""]


@dataclass(frozen=True)
class Line:
    """A figure of several clients: where each of them lies on the other axis, and its name."""

    label: str
    points: Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Panel:
    """A part of a picture of lines."""

    figure: str
    heading: str
    x_heading: str
    lines: Sequence[Line]


GB_PER_SECOND = Column("gb_per_second", "GB/s", spread=True)
CPU_PER_GB = Column("cpu_seconds_per_gb", "CPU-s a GB", 3, spread=True)
SERVER_CPU_PER_GB = Column("server_cpu_seconds_per_gb", "server CPU-s a GB", 3)
PEAK_MIB = Column("peak_mib", "peak MiB", 0)
PEAK_GROWTH_MIB = Column("peak_growth_mib", "peak growth MiB", 0, spread=True)
FETCHED = Column("fetched_per_byte", "fetched a byte", 3)
THROUGHPUT = (GB_PER_SECOND, CPU_PER_GB, SERVER_CPU_PER_GB, PEAK_MIB, FETCHED)


@dataclass(frozen=True)
class Excerpt:
    """What README.md shows of a scenario: by client its network and its name there."""

    rows: Mapping[str, tuple[str, str]]
    columns: Sequence[Column]


@dataclass(frozen=True)
class Scenario:
    """A page of docs/performance/."""

    name: str
    title: str
    about: str
    clients: Sequence[Client]
    columns: Sequence[Column] = THROUGHPUT
    bars: Sequence[Bar] = ()
    relative_to: str = ""  # the client whose CPU is 1
    seconds_over: Mapping[str, str] = field(default_factory=dict)  # by client: whose seconds are 1
    warm_up: bool = True  # a round before the first that counts
    most_rounds: int = 5  # when it is not asked for by name
    plots: Plots = "clients"
    panels: Sequence[Panel] = ()  # drawn instead of a bar a client
    over_time: Sequence[str] = ()  # the clients whose last run is drawn as lines
    twins: Mapping[str, str] = field(default_factory=dict)  # clients of ours, and of the base
    base_bars: Callable[[Mapping[str, str]], Sequence[Bar]] | None = None  # more, of the twins
    excerpt: Excerpt | None = None


Measured = Callable[[Result], Optional[float]]


def median_of(client: str, figure: str) -> Measured:
    return lambda result: result.median(client, figure)


def highest_of(client: str, figure: str) -> Measured:
    """Of all rounds: a promise that holds in most of them is none."""

    def measured(result: Result) -> float | None:
        row = result.row(client)
        return None if row is None else row.high(figure)

    return measured


def cpu_ratio(client: str, to: str, text: str, limit: float) -> Bar:
    """At most `limit` times the other's CPU a GB."""
    return Bar(text, limit, lambda result: result.ratio(client, to, "cpu_seconds_per_gb"))


def speed_ratio(client: str, to: str, text: str, limit: float) -> Bar:
    """At least `limit` times the other's GB/s."""
    return Bar(text, limit, lambda result: result.ratio(client, to, "gb_per_second"), at_least=True)
