"""Names that lead nowhere or to many places, and certificates that are not to be trusted.

Their numbers are those of the faults in docs/reliability.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from ossmodelconnector import ConnectError
from support.certificates import DAY, Authority
from support.fault_server import FaultServer
from support.faults import MAX_ATTEMPTS, URI
from support.names import NAME, Names, say_nothing
from support.tries import once_within

PROGRAM = Path(__file__).parent / "programs" / "named_host.py"
BOUND_23 = "the bound of fault 23 is 5 s"


@pytest.mark.fault(
    23,
    "a name that does not resolve, or some of whose addresses refuse or say nothing",
    "`ConnectError`; such addresses are passed over. Not tested: a name that moves under a"
    " connector",
    "`retry.maxAttempts` attempts; 5 s",
    also=["tests/python/test_errors.py"],
)
def test_fault_23_a_name_that_does_not_resolve(connect, faults):
    connector = connect(
        {"timeout.connectSeconds": 1}, endpoint="http://no-such-host.invalid", region="cn-hangzhou"
    )
    with pytest.raises(ConnectError) as caught:
        connector.open(URI)
    assert "no-such-host.invalid" in str(caught.value)
    assert caught.value.attempts == MAX_ATTEMPTS


@pytest.fixture
def read_by_name(faults, tmp_path):
    """read_by_name(addresses): what a new program gets from a name with these addresses."""
    names = Names(tmp_path)

    def read(addresses, times):
        names.put(addresses)
        run = subprocess.run(
            [sys.executable, PROGRAM, f"http://{NAME}:{faults.port}", URI],
            input="\n" * times,
            env=names.environ,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (run.returncode, run.stderr) == (0, "")
        return [json.loads(line) for line in run.stdout.splitlines()]

    return read


@pytest.mark.fault(23)
def test_fault_23_addresses_that_refuse_are_passed_over(read_by_name, faults):
    expected = hashlib.sha256(faults.data).hexdigest()

    # Nobody listens on the first two. Four connectors, for each takes the addresses in any order.
    def read():
        outcomes = read_by_name(["127.0.0.51", "127.0.0.52", "127.0.0.1"], 4)
        assert [outcome for outcome, _ in outcomes] == [expected] * 4
        return max(seconds for _, seconds in outcomes)

    once_within(5, read, because=BOUND_23)


@pytest.mark.fault(23)
def test_fault_23_an_address_that_says_nothing_is_passed_over(read_by_name, faults):
    expected = hashlib.sha256(faults.data).hexdigest()

    def read():
        outcomes = read_by_name(["127.0.0.61", "127.0.0.1"], 4)
        assert [outcome for outcome, _ in outcomes] == [expected] * 4
        return max(seconds for _, seconds in outcomes)

    with contextlib.ExitStack() as sockets:
        say_nothing(("127.0.0.61", faults.port), sockets)
        once_within(5, read, because=BOUND_23)


@pytest.mark.fault(23)
def test_fault_23_a_new_connector_looks_a_name_up_anew(read_by_name, faults):
    expected = hashlib.sha256(faults.data).hexdigest()
    with FaultServer(address=("127.0.0.31", faults.port)) as other:
        outcomes = read_by_name(["127.0.0.31"], 1)
        assert other.requests
        assert faults.requests == []
    outcomes += read_by_name(["127.0.0.1"], 1)
    assert faults.requests
    assert [outcome for outcome, _ in outcomes] == [expected] * 2


@pytest.mark.fault(
    24,
    "a certificate that is self-signed, of another host, expired, of an unknown authority;"
    " an empty CA file",
    "`ConnectError` that says which",
    "1 attempt, no byte of HTTP",
    also=["tests/csrc/transfer/io_pool_tls_test.cc"],
)
@pytest.mark.parametrize(
    ("certificate", "ca_file", "words"),
    [
        ({"self_signed": True}, "ca.pem", "self-signed certificate"),
        ({"address": "127.0.0.9"}, "ca.pem", "subject name"),
        ({"ends_in": -DAY}, "ca.pem", "expired"),
        ({}, "other/ca.pem", "certificate"),
        ({}, "empty.pem", "empty.pem"),
    ],
    ids=["self-signed", "another host", "expired", "unknown authority", "empty CA file"],
)
def test_fault_24_a_certificate_that_is_not_trusted(
    faults, connect, tmp_path, certificate, ca_file, words
):
    authority = Authority(tmp_path)
    (tmp_path / "other").mkdir()
    Authority(tmp_path / "other", "another authority")
    (tmp_path / "empty.pem").touch()
    with FaultServer(tls=authority.serve(**certificate)) as secured:
        connector = connect({"tls.caFile": str(tmp_path / ca_file)}, endpoint=secured.endpoint)
        with pytest.raises(ConnectError) as caught:
            connector.open(URI)
        assert words in str(caught.value)
        assert caught.value.attempts == 1
        assert secured.connections <= 1
        assert secured.received == 0


@pytest.mark.fault(24)
def test_fault_24_a_certificate_that_is_trusted_lets_the_bytes_through(connect, faults, tmp_path):
    authority = Authority(tmp_path)
    with FaultServer(tls=authority.serve()) as secured:
        connector = connect({"tls.caFile": str(authority.ca_file)}, endpoint=secured.endpoint)
        with connector.open(URI) as reader:
            assert reader.read() == secured.data
