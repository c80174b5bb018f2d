"""What the tests of ossmodelconnector.safetensors share: a bucket for files, and a connector."""

from __future__ import annotations

import itertools

import numpy  # noqa: F401 - its threads start here, not in a test that counts them
import pytest

KiB, MiB = 1 << 10, 1 << 20


@pytest.fixture(scope="module")
def bucket(new_bucket, request):
    """An empty bucket of the module's own."""
    return new_bucket(request.module.__name__.rpartition(".")[2].replace("_", "-"))


@pytest.fixture(scope="module")
def connector(make_shared_connector):
    return make_shared_connector()


@pytest.fixture(scope="module")
def put(bucket):
    """put(data, key=None): the URI of a new object."""
    numbers = itertools.count()

    def put(data, key=None):
        key = key or f"{next(numbers)}.safetensors"
        bucket.put(key, data)
        return bucket.uri(key)

    return put
