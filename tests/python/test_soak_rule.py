"""What the soak calls growth: leaks that are small, and figures that only scatter."""

from __future__ import annotations

import random

import pytest
from long.soak_rule import MiB, Sample, growth_at_rest, growth_under_load

SECONDS = 1800


def samples(count, **leaks):
    """Samples that scatter; of what `leaks` names so much is lost until the end."""
    chance = random.Random(1)
    made = []
    for number in range(count):
        part = number / (count - 1)
        # It warms up, in the first third.
        warm = min(1.0, 3 * part)
        grown = {name: int(amount * part) for name, amount in leaks.items()}
        made.append(
            Sample(
                seconds=SECONDS * part,
                rss_bytes=int((100 + 50 * warm + chance.uniform(-8, 8)) * MiB)
                + grown.get("rss_bytes", 0),
                malloc_bytes=int((40 + 5 * warm + chance.uniform(-0.1, 0.1)) * MiB)
                + grown.get("malloc_bytes", 0),
                descriptors=80 + chance.randrange(-20, 20) + grown.get("descriptors", 0),
                threads=20 + chance.randrange(-5, 5) + grown.get("threads", 0),
            )
        )
    return made


def resting(count, **leaks):
    """The same at rest: descriptors and threads do not scatter."""
    return [
        Sample(
            one.seconds,
            100 * MiB + (one.rss_bytes - 150 * MiB) // 4 if at > count // 3 else 90 * MiB,
            one.malloc_bytes,
            8 + int(leaks.get("descriptors", 0) * at / (count - 1)),
            10 + int(leaks.get("threads", 0) * at / (count - 1)),
        )
        for at, one in enumerate(samples(count, **leaks))
    ]


def test_what_only_scatters_is_no_growth():
    assert growth_under_load(samples(360)) == []
    assert growth_at_rest(resting(15)) == []


@pytest.mark.parametrize(
    ("what", "amount"), [("rss_bytes", 100 * MiB), ("descriptors", 150), ("threads", 100)]
)
def test_growth_under_load(what, amount):
    assert any(what in complaint for complaint in growth_under_load(samples(360, **{what: amount})))


@pytest.mark.parametrize(
    ("what", "amount"),
    [("rss_bytes", 120 * MiB), ("malloc_bytes", 5 * MiB), ("descriptors", 1), ("threads", 1)],
)
def test_growth_at_rest(what, amount):
    assert any(what in complaint for complaint in growth_at_rest(resting(15, **{what: amount})))


def test_one_descriptor_lost_in_the_middle_is_growth():
    rest = resting(15)
    for number in range(10, 15):
        rest[number] = Sample(*[*vars(rest[number]).values()][:3], descriptors=9, threads=10)
    assert any("descriptors" in complaint for complaint in growth_at_rest(rest))


def test_few_samples_at_rest_tell_nothing():
    assert growth_at_rest(resting(5)) != []
