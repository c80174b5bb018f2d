"""state_dict and load_state_dict: nothing is lost and nothing doubled."""

from __future__ import annotations

import itertools
import json

import pytest
import torch.utils.data
from ossmodelconnector.torch import DataLoader, IterableObjectDataset
from torchdata.stateful_dataloader import StatefulDataLoader

COUNT = 103


def number_of(sample):
    return int(sample[0].key.rpartition("/")[2])


@pytest.fixture
def make(connector, small):
    def make(**arguments):
        arguments = {"transform": number_of, "shuffle": True, "seed": 3, **arguments}
        return IterableObjectDataset(small, connector=connector, **arguments)

    return make


def rest(batches):
    return [number for batch in batches for number in batch.tolist()]


def take(batches, seen):
    """All of them, into `seen`, which has what came before an error."""
    for batch in batches:
        seen += batch.tolist()


@pytest.mark.parametrize(("workers", "persistent"), [(0, False), (1, False), (2, True), (3, False)])
def test_in_mid_epoch_with_another_number_of_workers(make, workers, persistent):
    dataset = make()
    loader = DataLoader(dataset, 7, num_workers=workers, persistent_workers=persistent)
    cases = itertools.cycle([workers + 1, workers * 2 % 3])
    for epoch, taken in enumerate((1, 9)):
        dataset.set_epoch(epoch)
        batches = iter(loader)
        seen = rest(itertools.islice(batches, taken))
        state = json.loads(json.dumps(dataset.state_dict()))
        assert len(seen) == taken * 7
        assert sorted(seen + rest(batches)) == list(range(COUNT))
        again = make()
        again.load_state_dict(state)
        assert again.epoch == epoch
        assert again.state_dict() == state
        following = rest(DataLoader(again, 5, num_workers=next(cases)))
        assert sorted(seen + following) == list(range(COUNT))
        # The next iteration begins at the beginning.
        assert sorted(again) == list(range(COUNT))


def test_again_and_again(make):
    """A job that is killed after each few batches, with another number of workers each time."""
    seen, state = [], None
    for workers in itertools.cycle([2, 3, 1, 0]):
        dataset = make()
        if state is not None:
            dataset.load_state_dict(state)
        batch = list(itertools.islice(DataLoader(dataset, 4, num_workers=workers), 3))
        seen += rest(batch)
        state = dataset.state_dict()
        if len(batch) < 3:
            break
    assert sorted(seen) == list(range(COUNT))
    assert state["done"] == COUNT


def test_batch_that_failed_was_not_handed_out(make):
    def fail(sample):
        number = number_of(sample)
        if number == 50:
            raise ArithmeticError("no picture")
        return number

    for workers in (0, 2):
        dataset = make(transform=fail, shuffle=False)
        batches = iter(DataLoader(dataset, 7, num_workers=workers))
        seen = []
        with pytest.raises(ArithmeticError, match="no picture"):
            take(batches, seen)
        take(batches, seen)  # of the worker that goes on
        again = make(shuffle=False)
        again.load_state_dict(dataset.state_dict())
        assert sorted(seen + rest(DataLoader(again, 7, num_workers=2))) == list(range(COUNT))


def test_single_samples_and_what_is_dropped(make):
    for workers in (0, 2):
        dataset = make()
        samples = iter(DataLoader(dataset, batch_size=None, num_workers=workers))
        seen = list(itertools.islice(samples, 11))
        again = make()
        again.load_state_dict(dataset.state_dict())
        assert sorted(seen + list(again)) == list(range(COUNT))
        loader = DataLoader(dataset, 10, num_workers=workers, drop_last=True)
        assert len(rest(loader)) == 100
        assert dataset.state_dict()["done"] == COUNT


def test_without_a_loader_the_data_set_counts_itself(make):
    dataset = make()
    seen = list(itertools.islice(dataset, 20))
    again = make()
    again.load_state_dict(dataset.state_dict())
    assert sorted(seen + list(again)) == list(range(COUNT))
    # torch's own, in this process.
    batches = iter(torch.utils.data.DataLoader(dataset, 10))
    seen = next(batches).tolist()
    again.load_state_dict(dataset.state_dict())
    assert sorted(seen + list(again)) == list(range(COUNT))


def test_epoch_of_the_state_goes_on_and_others_begin(make):
    dataset = make()
    dataset.set_epoch(2)
    seen = list(itertools.islice(dataset, 20))
    state = dataset.state_dict()
    again = make()
    again.load_state_dict(state)
    again.set_epoch(2)
    assert sorted(seen + list(again)) == list(range(COUNT))
    assert list(again.state_dict().items())[-3:] == [("done", COUNT), ("extra", []), ("places", [])]
    again.load_state_dict(state)
    again.set_epoch(3)
    assert again.state_dict()["done"] == 0
    assert len(list(again)) == COUNT
    # The end of an epoch is a state too, of which nothing is left.
    dataset.load_state_dict(again.state_dict())
    assert list(dataset) == []


@pytest.mark.parametrize(
    ("workers", "size", "drop_last"),
    [(0, 1, False), (0, 7, True), (1, 7, False), (2, 200, False), (3, 7, False), (3, 7, True)],
)
def test_length_is_the_number_of_batches(make, workers, size, drop_last):
    dataset = make(rank=0, world_size=2)
    loader = DataLoader(dataset, size, num_workers=workers, drop_last=drop_last)
    assert len(loader) == len(list(loader))


def test_torchs_loader_with_workers_tells_nobody_what_it_has_handed_out(make):
    dataset = make()
    batches = iter(torch.utils.data.DataLoader(dataset, 7, num_workers=2))
    next(batches)
    with pytest.raises(RuntimeError, match=r"use ossmodelconnector\.torch\.DataLoader"):
        dataset.state_dict()
    del batches
    rest(DataLoader(dataset, 7, num_workers=2))
    state = dataset.state_dict()
    dataset.load_state_dict(state)
    with pytest.raises(RuntimeError, match=r"a state was loaded.* use ossmodelconnector"):
        next(iter(torch.utils.data.DataLoader(dataset, 7, num_workers=1)))


def test_workers_that_run_already_do_not_go_back(make):
    dataset = make()
    loader = DataLoader(dataset, 7, num_workers=1, persistent_workers=True)
    rest(loader)
    dataset.load_state_dict(dataset.state_dict())
    with pytest.raises(RuntimeError, match="make a new DataLoader"):
        next(iter(loader))


def test_state_of_something_else_is_refused(make, connector, bucket):
    state = make(rank=0, world_size=2).state_dict()
    for arguments, says in (
        ({"rank": 1, "world_size": 2}, "its rank is 0, here it is 1"),
        ({"rank": 0, "world_size": 3}, "its world_size is 2, here it is 3"),
        ({"rank": 0, "world_size": 2, "seed": 4}, "its seed is 3, here it is 4"),
        ({"rank": 0, "world_size": 2, "shuffle": False}, "its shuffle is True, here it is False"),
        ({"rank": 0, "world_size": 2, "uneven": "drop"}, "its uneven is 'pad', here it is 'drop'"),
    ):
        with pytest.raises(ValueError, match=says):
            make(**arguments).load_state_dict(state)
    fewer = IterableObjectDataset(bucket.uri("small/00"[:-2]), connector=connector)
    assert fewer.state_dict()["count"] == COUNT
    bucket.put("small/new", b"new")
    try:
        with pytest.raises(ValueError, match="its objects is"):
            make(rank=0, world_size=2).load_state_dict(state)
    finally:
        bucket.delete("small/new")
    for wrong in ({}, {**state, "done": None}, {**state, "places": [1]}, []):
        with pytest.raises(ValueError, match="that is no state of this data set"):
            make(rank=0, world_size=2).load_state_dict(wrong)


# torchdata's, of a name that newer versions of torch do not have.
OF_TORCHDATA = pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning")


@OF_TORCHDATA
@pytest.mark.parametrize(("workers", "persistent"), [(0, False), (1, True), (2, False), (3, True)])
def test_by_torchdatas_loader(make, workers, persistent):
    options = {"num_workers": workers, "persistent_workers": persistent}
    dataset = make()
    loader = StatefulDataLoader(dataset, 7, **options)
    for epoch, taken in enumerate((1, 9)):
        dataset.set_epoch(epoch)
        batches = iter(loader)
        seen = rest(itertools.islice(batches, taken))
        state = loader.state_dict()
        assert sorted(seen + rest(batches)) == list(range(COUNT))
        other = make()
        again = StatefulDataLoader(other, 7, **options)
        again.load_state_dict(state)
        assert sorted(seen + rest(again)) == list(range(COUNT))
        other.set_epoch(epoch + 1)
        assert sorted(rest(again)) == list(range(COUNT))


@OF_TORCHDATA
def test_state_of_a_worker_is_for_the_same_number_of_workers(make):
    loader = StatefulDataLoader(make(), 7, num_workers=2)
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    workers = state["_snapshot"]["_worker_snapshots"]
    one = workers["worker_0"]["dataset_state"]
    with pytest.raises(ValueError, match="load it by its StatefulDataLoader"):
        make().load_state_dict(one)
    workers["worker_1"]["dataset_state"] = one
    again = StatefulDataLoader(make(), 7, num_workers=2)
    again.load_state_dict(state)
    with pytest.raises(RuntimeError, match="of worker 0 of 2, and this is worker 1 of 2"):
        rest(again)
