"""What the tests of node copies share: a folder for copies, and a bucket with models."""

from __future__ import annotations

import itertools
import os

import numpy  # noqa: F401 - its threads start here, not in a test that counts them
import pytest
from support.copy_users import model_files


class Copies:
    """A folder that is given as node_copy, and what lies in it."""

    def __init__(self, top):
        self.top = top
        self.folder = top / f"ossmodelconnector-{os.geteuid()}"

    def names(self):
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []

    def states(self):
        return [name.partition(".")[2] for name in self.names()]


@pytest.fixture
def copies(tmp_path):
    top = tmp_path / "copies"
    top.mkdir()
    return Copies(top)


@pytest.fixture(scope="module")
def bucket(new_bucket, request):
    """An empty bucket of the module's own."""
    return new_bucket(request.module.__name__.rpartition(".")[2].replace("_", "-"))


@pytest.fixture
def connector(make_connector):
    return make_connector()


@pytest.fixture(scope="module")
def numbers():
    return itertools.count()


@pytest.fixture
def model(bucket, numbers):
    """The prefix of a new model of two files."""
    prefix = f"model-{next(numbers)}/"
    for i, data in enumerate(model_files()):
        bucket.put(f"{prefix}{i}.safetensors", data)
    return bucket.uri(prefix)
