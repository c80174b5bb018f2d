"""What the tests of integrations share: a local server, a connector, and a watch over sockets.

They run in an environment of their own, `make test-integrations`.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# Before huggingface_hub is imported, which reads them once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="hf-home-")
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
# Before ray is imported. It listens to the network too: nobody else is to run code here.
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from ossmodelconnector import OssModelConnector, _default
from ossmodelconnector.local import DEFAULT_CREDENTIAL, LocalServer


class Bucket:
    """A bucket of the local server."""

    name = "models"

    def __init__(self, server: LocalServer) -> None:
        self.server = server

    def put(self, key: str, data: bytes) -> str:
        """Puts an object there, and returns its URL for fsspec."""
        self.server.put_object(self.name, key, data)
        return f"ossmc://{self.name}/{key}"

    def put_file(self, path: Path) -> str:
        """Puts a file there under its name, and returns its URL for fsspec."""
        return self.put(path.name, path.read_bytes())

    def put_folder(self, folder: Path) -> str:
        """Puts a folder's files there under its name, and returns its URL for fsspec."""
        self.upload(folder, folder.name)
        return f"ossmc://{self.name}/{folder.name}"

    def upload(self, folder: Path, prefix: str, **options: object) -> str:
        """Puts a folder's files there, and returns its URI."""
        for path in folder.rglob("*"):
            if path.is_file():
                key = f"{prefix}/{path.relative_to(folder)}"
                self.server.put_object(self.name, key, path.read_bytes(), **options)
        return f"oss://{self.name}/{prefix}/"


@pytest.fixture(scope="session")
def bucket() -> Iterator[Bucket]:
    with LocalServer(buckets=[Bucket.name]) as server:
        yield Bucket(server)


@pytest.fixture(scope="session")
def connector(bucket: Bucket) -> Iterator[OssModelConnector]:
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the endpoint is an IP address, which tells no region
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        patch.setenv("OSS_ENDPOINT", bucket.server.endpoint)
        patch.setenv("OSS_ACCESS_KEY_ID", DEFAULT_CREDENTIAL.access_key_id)
        patch.setenv("OSS_ACCESS_KEY_SECRET", DEFAULT_CREDENTIAL.access_key_secret)
        with OssModelConnector.from_env() as made:
            yield made


@pytest.fixture(scope="session")
def options(bucket: Bucket) -> dict[str, Any]:
    """The storage_options of fsspec for the local server."""
    return {
        "endpoint": bucket.server.endpoint,
        "region": "cn-hangzhou",
        "key": DEFAULT_CREDENTIAL.access_key_id,
        "secret": DEFAULT_CREDENTIAL.access_key_secret,
    }


@pytest.fixture(scope="module", autouse=True)
def _connectors_of_the_process() -> Iterator[None]:
    """Those that calls make by themselves end with a module: the next has another server."""
    yield
    made = [_default._connector]
    if "ossmodelconnector.ray" in sys.modules:
        made += sys.modules["ossmodelconnector.ray._connectors"]._connectors.values()
    for connector in made:
        if connector is not None:
            connector.close()


@pytest.fixture(autouse=True)
def _nobody_calls_out(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No name is looked up, and no socket of Python's is connected but on this machine."""
    called: list[object] = []
    really: Callable[..., object] = socket.socket.connect

    def connect(self: socket.socket, address: object) -> object:
        if self.family != socket.AF_UNIX and address[0] != "127.0.0.1":
            called.append(address)
            raise OSError(f"a test called {address}")
        return really(self, address)

    look_up = socket.getaddrinfo

    def getaddrinfo(host: object, *arguments: object, **named: object) -> object:
        if host == "127.0.0.1":
            return look_up(host, *arguments, **named)
        called.append(host)
        raise socket.gaierror(f"a test looked up {host}")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield
    assert called == []
