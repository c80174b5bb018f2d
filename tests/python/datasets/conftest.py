"""What the tests of data sets share: a bucket of small objects, and a connector."""

from __future__ import annotations

import importlib.util

import pytest

if importlib.util.find_spec("torch") is None:  # tests/support/install_torch.py says where
    collect_ignore_glob = ["test_*.py"]

COUNT = 103


def content(number):
    return number.to_bytes(2, "little") * (number % 40)


@pytest.fixture(scope="module")
def bucket(new_bucket, request):
    """A bucket of the module's own: COUNT objects under small/, and what the test puts there."""
    made = new_bucket(request.module.__name__.rpartition(".")[2].replace("_", "-"))
    for number in range(COUNT):
        made.put(f"small/{number:03d}", content(number))
    return made


@pytest.fixture(scope="module")
def connector(make_shared_connector):
    return make_shared_connector()


@pytest.fixture
def small(bucket):
    """The URI of the prefix."""
    return bucket.uri("small/")
