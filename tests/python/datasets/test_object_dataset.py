"""ObjectDataset, and collate, by torch's own DataLoader and samplers."""

from __future__ import annotations

import logging
import pickle

import ossmodelconnector.torch
import pytest
import torch
from ossmodelconnector import ObjectInfo, ObjectNotFoundError
from ossmodelconnector.torch import ObjectDataset, collate
from torch.utils.data import DataLoader, RandomSampler, Subset


@pytest.fixture
def dataset(connector, small):
    return ObjectDataset(small, connector=connector)


def test_samples_by_number(dataset, bucket):
    assert len(dataset) == 103
    info, data = dataset[40]
    assert type(info) is ObjectInfo
    assert (info.key, data) == ("small/040", bucket["small/040"])
    assert dataset[-1][0].key == "small/102"
    assert [info.key for info, _ in dataset.__getitems__([3, -3, 3])] == [
        "small/003",
        "small/100",
        "small/003",
    ]
    assert dataset.__getitems__([]) == []
    for wrong in (103, -104):
        with pytest.raises(IndexError, match=f"index {wrong} is out of range: 103 objects"):
            dataset[wrong]
    with pytest.raises(TypeError):
        dataset["0"]
    assert repr(dataset) == "<ObjectDataset: 103 objects>"


def test_batch_is_one_request_an_object(dataset, server):
    dataset[0]
    server.clear_log()
    assert len(dataset.__getitems__(range(1, 17))) == 16
    requests = server.log()
    assert [request.method for request in requests] == ["GET"] * 16
    assert sorted(one.key for one in requests) == [f"small/{i:03d}" for i in range(1, 17)]


@pytest.mark.parametrize("workers", [0, 2])
def test_by_torchs_data_loader(dataset, bucket, workers):
    loader = DataLoader(
        dataset, 10, sampler=RandomSampler(dataset), num_workers=workers, collate_fn=collate
    )
    seen = {}
    for infos, data in loader:
        seen.update({info.key: one for info, one in zip(infos, data)})
    assert seen == {key: bucket[key] for key in bucket.keys("small/")}


def test_subsets_read_batches_too(dataset, server):
    server.clear_log()
    subset = Subset(dataset, range(50, 60))
    loader = ossmodelconnector.torch.DataLoader(subset, 5, shuffle=True)
    assert len(loader) == 2
    keys = [info.key for infos, _ in loader for info in infos]
    assert sorted(keys) == [f"small/{i:03d}" for i in range(50, 60)]
    assert len(server.log()) == 10


def test_transform_makes_the_sample_and_its_errors_name_the_object(connector, small):
    def length(sample):
        info, data = sample
        if info.key == "small/009":
            raise ArithmeticError("no picture")
        return torch.tensor(len(data))

    dataset = ObjectDataset(small, transform=length, connector=connector)
    assert collate(dataset.__getitems__([1, 2])).tolist() == [2, 4]
    with pytest.raises(ArithmeticError) as caught:
        dataset[9]
    notes = getattr(caught.value, "__notes__", [f"in transform of {small}009"])
    assert notes == [f"in transform of {small}009"]


def test_missing_object_is_raised_or_left_out(connector, bucket, small, caplog):
    listed = connector.list(bucket.bucket, "small/")[:4]
    bucket.put("small/zzz", b"later")
    uris = [*(info.uri for info in listed), bucket.uri("small/gone"), bucket.uri("small/zzz")]
    bucket.delete("small/zzz")
    with pytest.raises(ObjectNotFoundError, match="small/gone"):
        ObjectDataset(uris, connector=connector).__getitems__(range(6))
    dataset = ObjectDataset(uris, connector=connector, on_error="skip")
    with caplog.at_level(logging.WARNING, "ossmodelconnector"):
        batch = dataset.__getitems__(range(6))
    assert [info.key for info, _ in batch] == [info.key for info in listed]
    skipped = [record.getMessage() for record in caplog.records]
    assert len(skipped) == 2
    assert skipped[0].startswith(f"skipped {uris[4]}: ObjectNotFoundError: ")
    assert collate(dataset.__getitems__([4, 5])) == []
    # A single one has nothing to be left out of.
    with pytest.raises(ObjectNotFoundError):
        dataset[4]


def test_missing_bucket_is_never_skipped(connector):
    dataset = ObjectDataset(["oss://no-such-bucket/a"], connector=connector, on_error="skip")
    with pytest.raises(FileNotFoundError, match="no-such-bucket"):
        dataset.__getitems__([0])


def test_arguments_are_checked(connector, small):
    with pytest.raises(ValueError, match='on_error must be "raise" or "skip", not \'ignore\''):
        ObjectDataset(small, connector=connector, on_error="ignore")


def test_pickles_and_names_the_package(dataset):
    again = pickle.loads(pickle.dumps(dataset))
    assert again[5][1] == dataset[5][1]
    assert b"ossmodelconnector.torch._map" not in pickle.dumps(dataset)


def test_connector_of_the_process_is_made_at_first_use(small, server, monkeypatch):
    for name, value in server.environ().items():
        if name.startswith("OSS_"):
            monkeypatch.setenv(name, value)
    with pytest.warns(UserWarning, match="region"):  # the endpoint is an IP address
        dataset = ObjectDataset(small)
    assert dataset[7][0].key == "small/007"


def test_collate_keeps_what_torch_refuses(dataset):
    infos, data = collate([dataset[1], dataset[2]])
    assert [info.key for info in infos] == ["small/001", "small/002"]
    assert data == [dataset[1][1], dataset[2][1]]
    rows = [(dataset[1][0], b"a", {"n": 1, "s": "x", "v": [1.0, 2.0]})] * 2
    _, data, columns = collate(rows)
    assert data == [b"a", b"a"]
    assert columns["n"].tolist() == [1, 1]
    assert columns["s"] == ["x", "x"]
    assert torch.stack(columns["v"]).tolist() == [[1.0, 1.0], [2.0, 2.0]]
    with pytest.raises(TypeError):
        torch.utils.data.default_collate([dataset[1]])
