"""Random fault schedules, a few of those that `make test-long` runs (see tests/long)."""

from __future__ import annotations

import pytest
from long import fault_schedules
from support.random_faults import KINDS, MiB

# Time enough for processors that are busy with other tests.
pytestmark = pytest.mark.timeout(120)


def test_random_fault_schedules():
    # More threads at once make stalls of their own on a busy machine, which no schedule has drawn.
    outcomes, faults = fault_schedules.run(range(100), 2 * MiB, processes=2, threads=20)
    assert fault_schedules.complaints(outcomes) == []
    assert len(outcomes) == 100
    # What the schedules are for did occur in them.
    assert all(faults[kind] > 25 for kind in KINDS), faults
    # On a busy machine fewer come whole: more requests stall.
    assert sum(outcome.whole for outcome in outcomes) > 20
    assert {name for outcome in outcomes for name in outcome.errors} >= {
        "ChecksumError",
        "ServerError",
    }
    assert len({outcome.how for outcome in outcomes}) == 4


def test_a_wrong_byte_is_a_complaint_with_its_seed():
    outcomes, _ = fault_schedules.run(range(12), 2 * MiB, processes=1, threads=4, canary="byte")
    found = fault_schedules.complaints(outcomes)
    seeds = {complaint.partition(":")[0] for complaint in found}
    # One that ends by an error of its faults, or of a busy machine, may have read nothing.
    assert seeds >= {f"--seed {one.seed}" for one in outcomes if not one.errors}
    assert not any(one.whole for one in outcomes)
    assert seeds
    assert all("differ" in complaint for complaint in found)


def test_too_many_bytes_are_a_complaint():
    outcome = fault_schedules.Outcome(1, "loud", "view", fetched=1.4, whole=True)
    (found,) = fault_schedules.complaints([outcome])
    assert "1.40 times" in found
