"""Stores of other people with the API of S3, by configuration alone: rclone's gateway, and moto.

`make test-gateways` installs them; elsewhere these tests are skipped. What docs/reliability.md says
of such stores is what is seen here.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import oss2.credentials
import pytest
from ossmodelconnector import AnonymousCredentialsProvider, BucketNotFoundError, OssError

RCLONE = Path(sys.executable).parent / "rclone"
HAS_BOTH = RCLONE.exists() and importlib.util.find_spec("moto") is not None
pytestmark = pytest.mark.skipif(
    not HAS_BOTH and not os.environ.get("OSSMC_NEEDS_GATEWAYS"),
    reason="rclone and moto are not installed: make test-gateways",
)

KEYS = [f"list/{number:04}" for number in range(2500)]
LARGE = random.Random(3).randbytes(5 << 20)
OBJECTS = {"large": LARGE, "empty": b"", "a+b c": b"blank and plus", **dict.fromkeys(KEYS, b"x")}
PROVIDERS = {
    "anonymous": AnonymousCredentialsProvider(),
    "keys": oss2.credentials.StaticCredentialsProvider("any-id", "any-secret"),
}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@contextlib.contextmanager
def running(command, port, log):
    """The endpoint of a server that listens on that port; it is ended with this."""
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def serve_rclone(folder, *options):
    bucket = folder / "served" / "bucket"
    (bucket / "list").mkdir(parents=True)
    for key, data in OBJECTS.items():
        (bucket / key).write_bytes(data)
    port = free_port()
    command = [RCLONE, "serve", "s3", bucket.parent, "--addr", f"127.0.0.1:{port}"]
    return running([*command, "--config", "", *options], port, folder / "log")


@pytest.fixture(scope="module")
def rclone(tmp_path_factory):
    with serve_rclone(tmp_path_factory.mktemp("rclone")) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, port, tmp_path_factory.mktemp("moto") / "log") as endpoint:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        # moto does not check it, but sees by it that this is for S3.
        headers = {
            "Authorization": "AWS4-HMAC-SHA256 Credential=id/20240101/us-east-1/s3/aws4_request",
            "x-amz-acl": "public-read",
        }
        for path, data in [("", b""), *OBJECTS.items()]:
            target = f"/bucket/{path}".replace("+", "%2B").replace(" ", "%20").rstrip("/")
            connection.request("PUT", target, data, headers)
            reply = connection.getresponse()
            assert reply.status == 200, reply.read()
            reply.read()
        connection.close()
        yield endpoint


@pytest.fixture(params=["rclone", "moto"])
def gateway(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=PROVIDERS)
def connector(make_connector, gateway, request):
    return make_connector(endpoint=gateway, cred_provider=PROVIDERS[request.param])


@pytest.mark.parametrize("prefetch", [True, False])
def test_objects_are_opened_and_read(connector, prefetch):
    for key, data in OBJECTS.items():
        if not key.startswith("list/"):
            with connector.open(f"oss://bucket/{key}", prefetch=prefetch) as reader:
                assert (reader.size, reader.read()) == (len(data), data), key
                assert reader.verified == "length+etag"
    with connector.open("oss://bucket/large", prefetch=prefetch) as reader:
        reader.seek(-100, 2)
        assert reader.read() == LARGE[-100:]
        assert reader.read_ranges([(0, 5), (3 << 20, 7)]) == [LARGE[:5], LARGE[3 << 20 :][:7]]


@pytest.mark.parametrize("fast", [False, True])
def test_2500_keys_are_listed_and_open_by_what_the_listing_tells(connector, fast):
    listed = connector.list("bucket", "list/", fast)
    listed.sort()
    assert list(listed.keys) == KEYS
    assert [info.key for info in connector.list("bucket", "a+", fast)] == ["a+b c"]
    (large,) = connector.list("bucket", "large", fast)
    with connector.open(large, prefetch=False) as reader:
        assert reader.read() == LARGE


def test_objects_are_looked_for(connector):
    # Before any other request: nothing else has shown yet that a store answers.
    assert not connector.exists("oss://bucket/not-there")
    assert connector.exists("oss://bucket/large")
    info = connector.stat("oss://bucket/large")
    assert (info.size, info.etag) == (len(LARGE), connector.open(info).etag)
    with pytest.raises(BucketNotFoundError):
        connector.list("no-such-bucket")


def test_a_gateway_that_checks_signatures_of_s3_says_so(make_connector, tmp_path):
    with serve_rclone(tmp_path, "--auth-key", "any-id,any-secret") as endpoint:
        for provider in PROVIDERS.values():
            for region in (None, "cn-hangzhou"):
                connector = make_connector(endpoint=endpoint, cred_provider=provider, region=region)
                for call in (
                    lambda c: c.open("oss://bucket/large"),
                    lambda c: c.list("bucket"),
                ):
                    with pytest.raises(OssError, match="wants signatures of S3"):
                        call(connector)
