"""All scenarios by name, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable

from bench.scenario import Scenario
from bench.scenarios import throughput
from bench.workplace import Workplace

SCENARIOS: dict[str, Callable[[Workplace], Scenario]] = {
    "plain": throughput.plain,
    "getbuffer": throughput.getbuffer,
    "https": throughput.https,
    "slow": throughput.slow,
}
# What `make bench` runs; the others are asked for by name.
DEFAULT = tuple(SCENARIOS)
