"""Which request of an object fails, and how: drawn by a seed, so that a failure can be had again.

An object's key says all: ``<plan>/<seed>/<size>``. What is decided depends on the seed, the place
in the object and how often that place was asked for, never on time or on other requests.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass

KiB, MiB = 1 << 10, 1 << 20

# Places of an object are told apart at this distance.
PLACE_BYTES = 64 * KiB
LARGEST_OBJECT = 64 * MiB

RESET = "reset"  # the connection, before the head, after it or in the body
STALL = "stall"  # silence, at the same places
SHORT = "short"  # the end comes early, or the length is less than the range
ERROR = "5xx"
THROTTLE = "throttle"  # 503 or 429
CORRUPT = "corrupt"  # bits flipped, under the right CRC-64
KINDS = (RESET, STALL, SHORT, ERROR, THROTTLE, CORRUPT)
LOUD = KINDS[:-1]  # those that a client notices at once

# Objects begin at so many different places of one pattern: bytes of one object in another's place
# would be seen.
_VARIANTS = 16
_VARIANT_STEP = 4099


@functools.lru_cache(maxsize=1)
def _pattern() -> memoryview:
    return memoryview(random.Random(7).randbytes(LARGEST_OBJECT + _VARIANTS * _VARIANT_STEP))


def variant(seed: int) -> int:
    """Objects of one size and variant have the same bytes."""
    return seed % _VARIANTS


def contents(seed: int, size: int) -> memoryview:
    """The bytes of the object of that seed and size; no copy is made."""
    begin = variant(seed) * _VARIANT_STEP
    return _pattern()[begin : begin + size]


@dataclass(frozen=True)
class Fault:
    """One reply that goes wrong; `chance` is for its particulars."""

    kind: str
    chance: random.Random


@dataclass(frozen=True)
class Plan:
    """How often what goes wrong with an object.

    Attributes:
        name: of the family of plans.
        seed: of this one.
        kinds: what may happen.
        rate: how many requests of all go wrong.
        dead_place: the place where every request goes wrong, if there is one.
    """

    name: str
    seed: int
    kinds: tuple[str, ...]
    rate: float
    dead_place: int | None = None

    @property
    def can_corrupt(self) -> bool:
        return CORRUPT in self.kinds

    def fault(self, place: int, attempt: int) -> Fault | None:
        """What becomes of request number `attempt` (from 0) for `place`; None: it goes well."""
        chance = random.Random(((self.seed << 24) + place << 20) + attempt)
        if place == self.dead_place:
            # One kind for ever: a mixture would be several faults, each once.
            return Fault(self.kinds[self.seed % len(self.kinds)], chance)
        if chance.random() >= self.rate:
            return None
        return Fault(chance.choice(self.kinds), chance)

    def ignores_range(self, attempt: int) -> bool:
        """Whether request number `attempt` for the first place gets a 200 with the whole object.

        That is right where the range is the whole object. Of an empty one it is what OSS answers
        when something on the way drops x-oss-range-behavior; else that is a 416.
        """
        return random.Random(f"range {self.seed} {attempt}").random() < 0.5


def schedule(seed: int, places: int) -> Plan:
    """The plan of a schedule: mostly one fault in ten requests, of all kinds."""
    family = seed % 10
    if family < 5:
        return Plan("loud", seed, LOUD, 0.1)
    if family < 7:
        return Plan("mixed", seed, KINDS, 0.1)
    if family == 7:
        return Plan("single", seed, (KINDS[seed // 10 % len(KINDS)],), 0.1)
    if family == 8:
        return Plan("heavy", seed, KINDS, 0.35)
    return Plan("dead", seed, KINDS, 0.1, dead_place=seed // 10 % places)


def plan_of(name: str, seed: int, size: int) -> Plan:
    """The plan that an object's key names."""
    if name == "schedule":
        return schedule(seed, max(1, size // PLACE_BYTES))
    if name == "steady":
        return Plan(name, seed, LOUD, 0.05)
    if name == "corrupt":
        return Plan(name, seed, KINDS, 0.05)
    if name == "right":
        return Plan(name, seed, LOUD, 0.0)
    raise ValueError(f"no plan {name!r}")


def key_of(name: str, seed: int, size: int) -> str:
    return f"{name}/{seed}/{size}"
