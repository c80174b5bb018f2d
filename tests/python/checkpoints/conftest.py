"""What the tests of OssStorageReader share. Without torch there are none."""

from __future__ import annotations

import importlib.util
import itertools

import pytest

collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["test_*.py"]


@pytest.fixture
def connector(make_connector):
    return make_connector(config={"prefetch.chunkBytes": 1 << 20})


@pytest.fixture(scope="session")
def folder_numbers():
    """Of the process: a module that takes turns with others makes its own anew, not its bucket."""
    return itertools.count()
