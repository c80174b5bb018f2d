"""In which order, and to whom: shuffling, ranks and workers."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from ossmodelconnector.torch import IterableObjectDataset
from ossmodelconnector.torch._order import Order
from torch.utils.data import DataLoader, DistributedSampler

COUNT = 103


@pytest.fixture
def make(connector, small):
    """make(**arguments): a data set whose samples are the objects' numbers."""

    def number(sample):
        info, data = sample
        assert len(data) == info.size
        return int(info.key.rpartition("/")[2])

    return lambda **arguments: IterableObjectDataset(
        small, transform=number, connector=connector, **arguments
    )


def test_without_shuffling_the_order_is_the_sources(make):
    assert list(make()) == list(range(COUNT))


def test_seed_and_epoch_make_the_order(make):
    orders = []
    for seed in (0, 1, 2**40, -1):
        dataset = make(shuffle=True, seed=seed)
        for epoch in range(2):
            dataset.set_epoch(epoch)
            orders.append(tuple(dataset))
            assert list(dataset) == list(orders[-1])
    assert all(sorted(order) == list(range(COUNT)) for order in orders)
    assert len(set(orders)) == len(orders)


def test_order_of_a_seed_stays_what_it_is():
    # A state of an older version goes on in this order.
    order = Order(10, True, 7, 0, 1, "pad")
    assert order.objects(0, np.arange(10)).tolist() == [1, 7, 5, 2, 6, 0, 4, 3, 9, 8]


@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 7, 200])
@pytest.mark.parametrize("uneven", ["pad", "drop"])
def test_ranks_have_what_torchs_sampler_gives_them(make, world_size, uneven):
    for rank in {0, world_size - 1, world_size // 2}:
        dataset = make(rank=rank, world_size=world_size, uneven=uneven)
        sampler = DistributedSampler(
            range(COUNT),
            num_replicas=world_size,
            rank=rank,
            shuffle=False,
            drop_last=uneven == "drop",
        )
        if uneven == "drop" and world_size > COUNT:
            assert list(dataset) == []
        else:
            assert list(dataset) == list(sampler)


@pytest.mark.parametrize("workers", [0, 3])
def test_each_object_comes_to_one_worker_of_one_rank(make, workers):
    counts = Counter()
    for rank in range(3):
        dataset = make(shuffle=True, rank=rank, world_size=3, uneven="keep")
        loader = DataLoader(dataset, 4, num_workers=workers)
        counts.update(number for batch in loader for number in batch.tolist())
    assert counts == Counter(range(COUNT))


def test_more_workers_than_objects(make):
    loader = DataLoader(make(rank=0, world_size=60), 4, num_workers=4)
    assert [batch.tolist() for batch in loader] == [[0], [60]]


def test_rank_is_that_of_torchrun_or_of_torch_distributed(make, monkeypatch, tmp_path):
    assert make().state_dict()["world_size"] == 1
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert list(make())[:2] == [2, 6]
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1
    )
    try:
        assert list(make())[:2] == [0, 1]
    finally:
        torch.distributed.destroy_process_group()
    assert list(make(rank=1, world_size=3))[:2] == [1, 4]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"rank": 1}, "give rank and world_size, or neither"),
        ({"world_size": 1}, "give rank and world_size, or neither"),
        ({"rank": 2, "world_size": 2}, r"rank must be from 0 to world_size - 1: 2 of 2"),
        ({"rank": -1, "world_size": 2}, r"rank must be"),
        ({"uneven": "cut"}, 'uneven must be "pad", "drop" or "keep", not \'cut\''),
        ({"on_error": "ignore"}, 'on_error must be "raise" or "skip"'),
        ({"read_ahead_bytes": 0}, "read_ahead_bytes must be positive: 0"),
    ],
)
def test_arguments_are_checked(make, arguments, says):
    with pytest.raises(ValueError, match=says):
        make(**arguments)


def test_epochs_are_not_negative(make):
    with pytest.raises(ValueError, match="epoch must not be negative: -1"):
        make().set_epoch(-1)


def test_text_of_a_data_set_says_what_it_is(make):
    dataset = make(rank=1, world_size=2)
    dataset.set_epoch(4)
    assert repr(dataset) == "<IterableObjectDataset: 103 objects, rank 1 of 2, epoch 4>"
