"""The throw-away certificates hold what strict clients want, for the names that they use."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

BUCKET = "bucket-1"

# Python before 3.11 warns of every TLS transport that the client closes.
pytestmark = [
    pytest.mark.usefixtures("tidy_clients"),
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
]


def handshake(server, name, ca_file=None):
    context = ssl.create_default_context(cafile=ca_file or server.ca_file)
    # The strict rules that newer Python versions have by default.
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    address = ("127.0.0.1", server.port)
    raw = socket.create_connection(address, timeout=20)
    # The wrapper takes the socket over, and closes it if the handshake fails.
    with context.wrap_socket(raw, server_hostname=name) as secure:
        return secure.version()


@pytest.mark.parametrize(
    "name",
    [
        "127.0.0.1",
        "::1",
        "localhost",
        "bucket-1.localhost",
        "bucket-1.oss-cn-hangzhou.aliyuncs.com",
        "data.example.com",
    ],
)
def test_names(make_server, name):
    server = make_server(tls=True, cnames={"data.example.com": BUCKET})
    for _ in range(2):
        assert handshake(server, name).startswith("TLSv1.")


def test_other_names_and_authorities_do_not_verify(make_server):
    server, other = make_server(tls=True), make_server(tls=True)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, "example.com")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, "localhost", ca_file=other.ca_file)


def test_the_ca_file_goes_with_the_server(make_server):
    server = make_server(tls=True)
    path = Path(server.ca_file)
    assert path.read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE" not in path.read_text()
    server.close()
    assert not path.exists()
    assert make_server().ca_file is None


def test_large_bodies(make_server, connect):
    server = make_server(tls=True, anonymous=True)
    data = bytes(range(256)) * 20_000
    server.put_object(BUCKET, "key", data)
    client = connect(server)
    assert client.get(f"/{BUCKET}/key").body == data
    assert client.get(f"/{BUCKET}/key", Range="bytes=1000000-4999999").body == data[1000000:5000000]
