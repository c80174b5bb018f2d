"""Fixtures: servers that end with their test, and a client that sends exactly what it is told."""

from __future__ import annotations

import gc
import http.client
import socket
import ssl
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Callable, NamedTuple
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import requests
from ossmodelconnector.local import LocalServer

BUCKET = "bucket-1"

# Keys that something on the way could mistake for something else.
ODD_KEYS = (
    "plain.txt",
    "with space",
    " leading and trailing ",
    "a+b",
    "100%",
    "%41",
    "%2F",
    "a&b=c",
    "a#b",
    "a?b",
    "quotes\"'`",
    "<key>&amp;</key>",
    "semi;comma,colon:at@",
    "back\\slash",
    "~tilde-._",
    "中文/文件",
    "emoji-😀",
    "e\u0301 and \u00e9",
    "tab\tand\nnewline",
    "a//b",
    "a/./b/../c",
    "../up",
    "a",
    "a/b",
    "marker/",
    "x" * 1023,
    "文" * 341,
)


class RawReply(NamedTuple):
    """What came back; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def xml(self) -> ElementTree.Element:
        return ElementTree.fromstring(self.body)

    def text(self, path: str) -> str | None:
        namespace = self.xml.tag.rpartition("}")[0]
        namespace = namespace + "}" if namespace else ""
        return self.xml.findtext("/".join(namespace + part for part in path.split("/")))


class RawClient:
    """One connection. The request target goes out as it is, without any normalizing."""

    def __init__(self, endpoint: str, ca_file: str | None = None) -> None:
        url = urlsplit(endpoint)
        assert url.hostname is not None
        if url.scheme == "https":
            context = ssl.create_default_context(cafile=ca_file)
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                url.hostname, url.port, timeout=20, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(url.hostname, url.port, timeout=20)

    def request(self, method: str, target: str, headers: Mapping[str, str] = {}) -> RawReply:
        sent = dict(headers)
        self._connection.putrequest(
            method, target, skip_host="Host" in sent, skip_accept_encoding=True
        )
        for name, value in sent.items():
            self._connection.putheader(name, value)
        self._connection.endheaders()
        reply = self._connection.getresponse()
        lowered = {name.lower(): value for name, value in reply.getheaders()}
        return RawReply(reply.status, lowered, reply.read())

    def get(self, target: str, **headers: str) -> RawReply:
        return self.request("GET", target, {k.replace("_", "-"): v for k, v in headers.items()})

    def head(self, target: str, **headers: str) -> RawReply:
        return self.request("HEAD", target, {k.replace("_", "-"): v for k, v in headers.items()})

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def make_server() -> Iterator[Callable[..., LocalServer]]:
    """make_server(...) starts a LocalServer with the bucket BUCKET."""
    with ExitStack() as stack:

        def make(*args: Any, **options: Any) -> LocalServer:
            if not args:
                options.setdefault("buckets", [BUCKET])
            return stack.enter_context(LocalServer(*args, **options))

        yield make


@pytest.fixture
def connect() -> Iterator[Callable[[LocalServer], RawClient]]:
    """connect(server) opens a connection."""
    with ExitStack() as stack:

        def open_one(server: LocalServer) -> RawClient:
            client = RawClient(server.endpoint, server.ca_file)
            stack.callback(client.close)
            return client

        yield open_one


@pytest.fixture
def loopback_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolves names under localhost and aliyuncs.com to 127.0.0.1."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        text = host.decode() if isinstance(host, bytes) else str(host)
        if text.endswith((".localhost", ".aliyuncs.com")):
            host = "127.0.0.1"
        return resolve(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch) -> Callable[[LocalServer], None]:
    """trust(server) makes clients that are built on requests trust its certificates."""

    def set_variable(server: LocalServer) -> None:
        assert server.ca_file is not None
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", server.ca_file)

    return set_variable


@pytest.fixture
def tidy_clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Closes the connections that clients built on requests leave open."""
    sessions = []
    initialize = requests.Session.__init__

    def remember(self: requests.Session) -> None:
        initialize(self)
        sessions.append(self)

    monkeypatch.setattr(requests.Session, "__init__", remember)
    yield
    for session in sessions:
        session.close()
    sessions.clear()
    # What a client did not read to its end is still open: pytest must not find it in a later test.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="session")
def odd_keys() -> tuple[str, ...]:
    return ODD_KEYS


@pytest.fixture
def odd_server(make_server: Callable[..., LocalServer]) -> LocalServer:
    """A server that holds an object under every odd key; its content is the key."""
    server = make_server()
    for key in ODD_KEYS:
        server.put_object(BUCKET, key, key.encode())
    return server
