"""Errors, as those that retry by fsspec tell them apart."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest
from fsspec.exceptions import FSTimeoutError
from ossmodelconnector import ConnectError, TransferTimeoutError

# What stands still is given up after 0.4 s; no read waits longer than a second.
CONFIG = {
    "timeout.readSeconds": 1.0,
    "timeout.stallSeconds": 0.4,
    "timeout.connectSeconds": 5,
    "retry.maxAttempts": 2,
    "prefetch.vcpus": 1,
}


@pytest.fixture
def stalled(make_fs, silent_endpoint):
    return make_fs(endpoint=silent_endpoint, config=CONFIG)


# datasets/utils/file_utils.py: CONNECTION_ERRORS_TO_RETRY, without the errors of other clients.
RETRIED_BY_DATASETS = (asyncio.TimeoutError,)

CALLS = {
    "open": lambda fs: fs.open("bucket/key"),
    "cat_file": lambda fs: fs.cat_file("bucket/key"),
    "cat_ranges": lambda fs: fs.cat_ranges(["bucket/key"], 0, 1, on_error="raise"),
    "info": lambda fs: fs.info("bucket/key"),
    "ls": lambda fs: fs.ls("bucket/dir"),
    "find": lambda fs: fs.find("bucket/dir"),
    "get": lambda fs: fs.get("bucket/key", "/dev/null/never"),
    "coroutine": lambda fs: asyncio.run(fs._cat_file("bucket/key")),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_stall_is_a_timeout(stalled, name):
    with pytest.raises(TimeoutError) as caught:
        CALLS[name](stalled)
    assert isinstance(caught.value, TransferTimeoutError)
    assert isinstance(caught.value, OSError)
    # Before 3.11 asyncio has a TimeoutError of its own.
    if sys.version_info >= (3, 11):
        assert isinstance(caught.value, RETRIED_BY_DATASETS)
    assert issubclass(FSTimeoutError, asyncio.TimeoutError)


def test_a_stall_in_the_middle_of_a_read_is_one_and_the_file_stays_usable(
    make_fs, gate, store, server
):
    fs = make_fs(endpoint=f"http://127.0.0.1:{gate.port}", config=CONFIG)
    with fs.open(f"{store.bucket}/large.bin", prefetch=False) as file:
        assert file.read(10) == store["large.bin"][:10]
        gate.hold()
        with pytest.raises(TimeoutError):
            file.read()
        gate.release()
        # As datasets does it: the same read once more.
        assert file.tell() == 10
        assert file.read() == store["large.bin"][10:]


def test_a_refused_connection_is_no_timeout(make_fs):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        fs = make_fs(endpoint=f"http://127.0.0.1:{taken.getsockname()[1]}", config=CONFIG)
        with pytest.raises(ConnectionError) as caught:
            fs.cat_file("bucket/key")
    assert isinstance(caught.value, ConnectError)
    assert not isinstance(caught.value, TimeoutError)


def test_what_is_missing_is_a_file_not_found(fs, store):
    for path in (f"{store.bucket}/none", "no-such-bucket/key"):
        with pytest.raises(FileNotFoundError) as caught:
            fs.open(path)
        assert caught.value.errno == 2
