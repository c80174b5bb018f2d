"""Objects that cannot be read, in IterableObjectDataset and its loader."""

from __future__ import annotations

import itertools
import logging
import subprocess
import sys

import ossmodelconnector.torch
import pytest
from ossmodelconnector import BucketNotFoundError, ObjectNotFoundError, OssError
from ossmodelconnector.local import Reply
from ossmodelconnector.torch import DataLoader, IterableObjectDataset

GONE = {3, 4, 50, 101, 102}


@pytest.fixture
def uris(bucket):
    """Those of all objects, and of some that are not there."""
    return [bucket.uri(f"small/{i:03d}" + ("-gone" if i in GONE else "")) for i in range(103)]


def number_of(sample):
    return int(sample[0].key.rpartition("/")[2])


@pytest.mark.parametrize("workers", [0, 2])
def test_error_names_the_object(connector, uris, workers):
    loader = DataLoader(IterableObjectDataset(uris, connector=connector), 10, num_workers=workers)
    with pytest.raises(ObjectNotFoundError, match=r"small/00[34]-gone"):
        list(loader)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_skipped_objects_are_counted_and_done(connector, uris, workers):
    def make():
        return IterableObjectDataset(
            uris, transform=number_of, on_error="skip", connector=connector
        )

    dataset = make()
    batches = iter(DataLoader(dataset, 5, num_workers=workers))
    seen = [number for batch in itertools.islice(batches, 4) for number in batch.tolist()]
    state = dataset.state_dict()
    again = make()
    again.load_state_dict(state)
    rest = list(DataLoader(again, 5, num_workers=2))
    seen += [number for batch in rest for number in batch.tolist()]
    assert sorted(seen) == sorted(set(range(103)) - GONE)
    assert again.state_dict()["done"] == 103
    # What was handed out before, and what was skipped in front of it, is not asked for again.
    assert again.skipped == len(GONE - {3, 4})
    for _ in batches:
        pass
    assert dataset.skipped == len(GONE)


def test_log_has_a_line_for_each_that_is_skipped(connector, uris, caplog):
    dataset = IterableObjectDataset(uris, on_error="skip", connector=connector)
    with caplog.at_level(logging.WARNING, "ossmodelconnector"):
        assert len(list(dataset)) == 103 - len(GONE)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(": ")[0] for line in lines] == [f"skipped {uris[i]}" for i in sorted(GONE)]


def test_objects_that_are_cut_on_the_way(make_connector, bucket, small):
    connector = make_connector(config={"retry.maxAttempts": 2})
    cut = {"small/020", "small/039"}
    bucket.served.local.on_request = lambda record: (
        Reply(cut_after=1) if record.key in cut else None
    )
    try:
        dataset = IterableObjectDataset(small, on_error="skip", connector=connector)
        assert {info.key for info, _ in dataset} == set(bucket.keys("small/")) - cut
        assert dataset.skipped == 2
        with pytest.raises(OssError, match="small/020"):
            list(IterableObjectDataset(small, connector=connector))
    finally:
        bucket.served.local.on_request = None


def test_missing_bucket_is_never_skipped(connector):
    uris = [f"oss://no-such-bucket/{i}" for i in range(5)]
    dataset = IterableObjectDataset(uris, on_error="skip", connector=connector)
    with pytest.raises(BucketNotFoundError, match="no-such-bucket"):
        list(dataset)
    assert dataset.skipped == 0


def test_errors_of_transform_name_the_object(connector, small):
    def fail(sample):
        raise ArithmeticError("no picture")

    dataset = IterableObjectDataset(small, transform=fail, on_error="skip", connector=connector)
    with pytest.raises(ArithmeticError) as caught:
        next(iter(dataset))
    if sys.version_info >= (3, 11):
        assert caught.value.__notes__ == [f"in transform of {small}000"]
        with pytest.raises(ArithmeticError, match=f"in transform of {small}000"):
            next(iter(DataLoader(dataset, num_workers=1)))


@pytest.mark.parametrize("package", ["torch", "numpy"])
def test_missing_packages_are_named(package):
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "import ossmodelconnector.torch\n"
        "try:\n    ossmodelconnector.torch.ObjectDataset\n"
        "except ImportError as error:\n    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert f"need{'s' * (package == 'torch')} {package}: pip install" in run.stdout
    assert "'ossmodelconnector[torch]'" in run.stdout
    assert ossmodelconnector.torch.ObjectDataset
