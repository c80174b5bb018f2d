"""What of a soak's samples is growth. Pure: samples in, complaints out.

There are two kinds of samples. Under load, every few seconds: these scatter, so medians and a line
through them are compared. At rest, when every connector is closed and every thread that an
operation had started has ended: there descriptors and threads must be exactly what they were.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

MiB = 1 << 20

# What a figure may differ by under load without being growth: connectors that were dropped wait for
# the garbage collector, with their connections, and medians differ by so much when nothing grows.
LOAD_ALLOWANCES = {"rss_bytes": 16 * MiB, "descriptors": 32, "threads": 16}
# At rest. What malloc gave out is known to the byte, and scatters little: a kilobyte that is lost
# in each tenth operation is found in half an hour. RSS has besides what malloc keeps for itself.
REST_ALLOWANCES = {"rss_bytes": 8 * MiB, "malloc_bytes": 1 * MiB, "descriptors": 0, "threads": 0}
# The first third is for warming up.
WARM_UP = 3
LEAST_REST_SAMPLES = 6


@dataclass(frozen=True)
class Sample:
    """What the process had, some seconds after the beginning."""

    seconds: float
    rss_bytes: int
    malloc_bytes: int  # given out by malloc and not given back
    descriptors: int
    threads: int


def growth_under_load(samples: Sequence[Sample]) -> list[str]:
    """Complaints; none: nothing grew after the first third."""
    settled = _settled(samples)
    half = len(settled) // 2
    complaints = []
    for name, allowance in LOAD_ALLOWANCES.items():
        values = [getattr(sample, name) for sample in settled]
        middle, last = statistics.median(values[:half]), statistics.median(values[half:])
        if last > middle + allowance:
            complaints.append(
                f"under load: the median of {name} was {middle:,.0f} in the middle third and "
                f"{last:,.0f} in the last"
            )
        slope = statistics.linear_regression([one.seconds for one in settled], values).slope
        rise = slope * (settled[-1].seconds - settled[0].seconds)
        if rise > 2 * allowance:
            complaints.append(f"under load: a line through {name} rises by {rise:,.0f}")
    return complaints


def growth_at_rest(samples: Sequence[Sample]) -> list[str]:
    """The same for samples at rest, which must not grow from the first to any later one."""
    if len(samples) < LEAST_REST_SAMPLES:
        return [f"only {len(samples)} samples at rest: too few to tell"]
    settled = _settled(samples)
    complaints = []
    for name, allowance in REST_ALLOWANCES.items():
        values = [getattr(sample, name) for sample in settled]
        half = len(values) // 2
        # Memory scatters by some of what malloc keeps; a descriptor does not.
        if allowance:
            first, last = statistics.median(values[:half]), statistics.median(values[half:])
        else:
            first, last = values[0], max(values[1:])
        if last > first + allowance:
            complaints.append(f"at rest: {name} was {first:,.0f} and became {last:,.0f}")
    return complaints


def _settled(samples: Sequence[Sample]) -> Sequence[Sample]:
    return samples[len(samples) // WARM_UP :]
