"""A process with few descriptors left: fewer connections, or an error that names the limit."""

from __future__ import annotations

import errno
import hashlib

import pytest
from support.run_program import run_program

KEYS = [f"shard-{i}" for i in range(4)]
BODY = bytes(range(256)) * (4 << 10)


@pytest.fixture(scope="module", params=["http", "https"])
def service(request, server, https_server, new_bucket):
    served = server if request.param == "http" else https_server
    store = new_bucket("few-descriptors", served)
    for key in KEYS:
        store.put(key, BODY + key.encode())
    return served


def ask_all(service, room):
    arguments = [str(room), str(service.ca_file or ""), "few-descriptors", *KEYS]
    return run_program("few_descriptors.py", arguments, service)


def names_the_limit(said):
    return (
        isinstance(said, str)
        and said.startswith(f"ConnectError {errno.EMFILE}: ")
        and ("Too many open files: the process may have " in said and "(ulimit -n)" in said)
    )


# It was "failed after 6 attempts: Couldn't connect to server", and the quota of retries was spent;
# over https a certificate that is not trusted.
@pytest.mark.parametrize("room", [64, 40, 28, 20, 16, 10, 6, 3, 0])
def test_few_descriptors_are_few_connections_or_an_error_that_names_the_limit(service, room):
    said = ask_all(service, room)
    digests = [hashlib.sha256(BODY + key.encode()).hexdigest() for key in KEYS]
    right = {"read": digests, "size": [len(BODY) + len(key) for key in KEYS], "list": len(KEYS)}
    for what, expected in right.items():
        assert said[what] == expected or (room < 28 and names_the_limit(said[what])), said
    assert said["read with enough"] == digests[0]
    assert said["retries"] == 0
