"""A system that has less memory than the budget allows: reads go on in what there is."""

from __future__ import annotations

import hashlib

import pytest
from support.run_program import run_program

MiB = 1 << 20


@pytest.fixture(scope="module")
def large(new_bucket):
    store = new_bucket("little-memory")
    block = hashlib.sha256(b"block").digest() * (MiB // 32)
    store.put("large", b"".join(block[i:] + block[:i] for i in range(512)))
    return store


# It was MemoryBudgetError although most of the memory held what had been read.
@pytest.mark.parametrize(("left", "piece"), [(300, 4096), (300, 65536), (300, 1000)])
def test_a_read_ended_where_the_system_had_less_memory_than_the_budget(server, large, left, piece):
    arguments = [str(left), large.uri("large"), str(piece)]
    said = run_program("little_address_space.py", arguments, server)
    assert said.get("digest") == hashlib.sha256(large["large"]).hexdigest(), said
    assert said["retries"] == 0
    assert 0 < said["peak"] < left * MiB
