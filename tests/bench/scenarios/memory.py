"""Many open objects under a small budget."""

from __future__ import annotations

from typing import Any

from bench.clients import program, total_bytes
from bench.scenario import (
    CPU_PER_GB,
    GB_PER_SECOND,
    PEAK_GROWTH_MIB,
    Bar,
    Client,
    Column,
    Run,
    Scenario,
    highest_of,
    speed_ratio,
)
from bench.server import PLAIN
from bench.workplace import Workplace

_BUDGET_MIB = 256
_UNLIMITED = "ours, default memory, in open order"
_IN_ORDER = f"ours, {_BUDGET_MIB} MiB, in open order"
_SHUFFLED = f"ours, {_BUDGET_MIB} MiB, shuffled"


def budget(place: Workplace) -> Scenario:
    small = {"prefetch.memoryBytes": f"{_BUDGET_MIB} MiB"}
    sizes = place.catalogue.sizes
    count, size = sizes.budget_objects, sizes.budget_object_bytes >> 20
    return Scenario(
        "budget",
        "Many open objects under a small budget",
        f"{count} objects of {size} MiB open at once, each read from first to last byte and "
        "closed; a fresh process each time. Memory is what the process grew by since it had "
        "imported, constructed and read a small object; the last column is after the connector was "
        "closed.",
        [
            _client(place, _UNLIMITED, {}),
            _client(place, _IN_ORDER, small),
            _shuffled(place, _SHUFFLED, small),
        ],
        columns=(
            GB_PER_SECOND,
            CPU_PER_GB,
            PEAK_GROWTH_MIB,
            Column("fetched_per_byte", "fetched a byte", 3, spread=True),
            Column("left_mib", "left MiB", 0),
        ),
        bars=[
            _growth(_IN_ORDER, "in open order"),
            _growth(_SHUFFLED, "shuffled"),
            Bar(
                "in open order: times each byte is fetched",
                1.05,
                highest_of(_IN_ORDER, "fetched_per_byte"),
            ),
            Bar(
                "shuffled: times each byte is fetched",
                1.25,
                highest_of(_SHUFFLED, "fetched_per_byte"),
            ),
            speed_ratio(_IN_ORDER, _UNLIMITED, "in open order: GB/s against default memory", 0.85),
            Bar("in open order: MiB left after close", 32, highest_of(_IN_ORDER, "left_mib")),
            Bar("shuffled: MiB left after close", 32, highest_of(_SHUFFLED, "left_mib")),
        ],
    )


def _client(place: Workplace, name: str, config: dict[str, Any], *words: str) -> Client:
    objects = place.catalogue.budget()
    words = ("--small", place.catalogue.small()[0].key, *words)
    fresh_bytes = total_bytes(objects)
    return program(
        place,
        name,
        PLAIN,
        "budget",
        *words,
        objects=objects,
        config=config,
        fresh_bytes=fresh_bytes,
    )


def _shuffled(place: Workplace, name: str, config: dict[str, Any]) -> Client:
    def start(number: int) -> Run:
        seed = str(number + 2)
        return _client(place, name, config, "--shuffled", seed).start(number)

    return Client(name, start, ours=True)


def _growth(client: str, order: str) -> Bar:
    text = f"{order}: MiB that memory grows by at its peak"
    return Bar(text, _BUDGET_MIB + 32, highest_of(client, "peak_growth_mib"))
