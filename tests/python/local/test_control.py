"""What tests may do to a server: look at requests, refuse, delay, falsify, cut."""

from __future__ import annotations

import http.client
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import ossmodelconnector.local as local
import pytest
from ossmodelconnector.local import Credential, LocalServer, Reply
from support.tries import once_within

BUCKET = "bucket-1"
KEY = f"/{BUCKET}/key"


@pytest.fixture
def server(make_server):
    server = make_server(anonymous=True)
    server.put_object(BUCKET, "key", b"0123456789")
    return server


def test_the_log_of_requests(server, connect):
    one, two = connect(server), connect(server)
    one.get(KEY + "?x=1%2B1", Range="bytes=2-4", X_Test="yes")
    two.head(f"/{BUCKET}/nothing")
    one.get(f"/{BUCKET}/?list-type=2")
    first, second, third = server.requests
    assert (first.method, first.bucket, first.key) == ("GET", BUCKET, "key")
    assert first.query == {"x": "1+1"}
    assert first.headers["x-test"] == "yes"
    assert (first.range, first.status, first.bytes_sent, first.code) == ("bytes=2-4", 206, 3, "")
    assert (second.method, second.status, second.code) == ("HEAD", 404, "NoSuchKey")
    assert (third.key, third.query["list-type"]) == ("", "2")
    assert first.connection_id == third.connection_id != second.connection_id
    assert first.started <= second.started
    server.reset_requests()
    assert server.requests == []


def test_replies_instead(server, connect):
    client = connect(server)
    server.on_request = lambda record: Reply(503, "ServiceUnavailable", {"Retry-After": "1"})
    reply = client.get(KEY)
    assert (reply.status, reply.text("Code")) == (503, "ServiceUnavailable")
    assert reply.headers["retry-after"] == "1"
    assert "x-oss-err" in client.head(KEY).headers
    server.on_request = lambda record: Reply(302, headers={"Location": "/elsewhere"})
    assert (client.get(KEY).status, client.get(KEY).body) == (302, b"")
    server.on_request = lambda record: Reply(200, body=b"<html>")
    assert client.get(KEY).body == b"<html>"
    server.on_request = None
    assert client.get(KEY).body == b"0123456789"
    assert [record.status for record in server.requests] == [503, 503, 302, 302, 200, 200]


def test_headers_instead(server, connect):
    client = connect(server)
    server.on_request = lambda record: Reply(
        headers={"etag": '"other"', "x-oss-hash-crc64ecma": "", "Content-Range": "bytes 5-9/10"}
    )
    reply = client.get(KEY, Range="bytes=0-4")
    assert (reply.status, reply.body) == (206, b"01234")
    assert (reply.headers["etag"], reply.headers["content-range"]) == ('"other"', "bytes 5-9/10")
    assert "x-oss-hash-crc64ecma" not in reply.headers


def test_delays(server, connect):
    server.on_request = lambda record: 0.2
    started = time.monotonic()
    assert connect(server).get(KEY).status == 200
    assert time.monotonic() - started > 0.19


@pytest.mark.parametrize("size", [10_000, 1_000_000])
def test_cuts(server, connect, size):
    server.put_object(BUCKET, "key", bytes(size))
    server.on_request = lambda record: Reply(cut_after=5000)
    with pytest.raises(http.client.IncompleteRead) as caught:
        connect(server).get(KEY)
    assert len(caught.value.partial) == 5000
    assert server.requests[0].bytes_sent == 5000


def test_a_hook_that_fails_is_an_internal_error(server, connect):
    def fail(record):
        raise RuntimeError("hook")

    server.on_request = fail
    reply = connect(server).get(KEY)
    assert (reply.status, reply.text("Code")) == (500, "InternalError")


def test_denied_objects_and_buckets(server, connect):
    client = connect(server)
    server.put_object(BUCKET, "other", b"")
    server.deny(BUCKET, "key")
    assert client.get(KEY).text("Code") == "AccessDenied"
    assert client.get(f"/{BUCKET}/other").status == 200
    assert client.get(f"/{BUCKET}/").status == 200
    server.deny(BUCKET)
    assert client.get(f"/{BUCKET}/other").status == 403
    assert client.get(f"/{BUCKET}/").text("Code") == "AccessDenied"
    server.allow(BUCKET)
    server.allow(BUCKET, "key")
    assert client.get(KEY).status == 200


def test_without_a_signature_a_private_server_denies(make_server, connect):
    server = make_server()
    client = connect(server)
    assert client.get(f"/{BUCKET}/key").text("Code") == "AccessDenied"
    assert client.get("/no-bucket/key").text("Code") == "NoSuchBucket"
    assert client.get("/").text("Code") == "AccessDenied"


def test_close_is_quick_whatever_goes_on(make_server, connect):
    def close():
        server = make_server(anonymous=True, rate_per_connection=1000)
        server.put_object(BUCKET, "key", bytes(1_000_000))
        idle, busy, unread = connect(server), connect(server), connect(server)
        idle.head(KEY)
        failures = []

        def read():
            try:
                busy.get(KEY)
            except (http.client.HTTPException, OSError) as error:
                failures.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        unread._connection.request("GET", KEY)
        while len(server.requests) < 3:
            time.sleep(0.01)
        started = time.monotonic()
        server.close()
        server.close()
        seconds = time.monotonic() - started
        thread.join()
        assert failures
        return seconds

    once_within(2, close, because="the replies that it cuts would take 1000 s")


def test_errors_of_construction():
    with pytest.raises(ValueError, match="signature"):
        LocalServer(signature="v3")
    with pytest.raises(ValueError, match="latency"):
        LocalServer(latency=-1)
    with pytest.raises(ValueError, match="rate_per_connection"):
        LocalServer(rate_per_connection=0)
    with LocalServer() as server, pytest.raises(OSError, match="cannot listen on"):
        LocalServer(port=server.port)


def test_values_of_the_wrong_type_are_told():
    with pytest.raises(TypeError, match="several names"):
        LocalServer(buckets=BUCKET)
    with pytest.raises(TypeError, match="Credential"):
        LocalServer(credentials=[("id", "secret")])
    with LocalServer(buckets=[BUCKET], credentials=Credential("a", "b")) as server:
        with pytest.raises(TypeError, match=r"not str: encode.*Path"):
            server.put_object(BUCKET, "key", "text")
        with pytest.raises(TypeError, match="not int"):
            server.put_object(BUCKET, "key", 5)
        for data in ("text", 5):
            with pytest.raises(TypeError, match="data must be bytes, not"):
                server.put_version(BUCKET, "key", data)
        for call in (
            lambda: server.create_bucket(b"bucket"),
            lambda: server.put_object(BUCKET, b"key", b""),
            lambda: server.put_version(b"bucket", "key", b""),
            lambda: server.delete_object(BUCKET, 5),
            lambda: server.delete_version(BUCKET, None),
            lambda: server.deny(BUCKET, b"key"),
            lambda: server.allow(b"bucket"),
        ):
            with pytest.raises(TypeError, match="must be str, not"):
                call()
        with pytest.raises(TypeError, match="Credential"):
            server.set_credentials(("id", "secret"))


def test_a_closed_server_says_so():
    server = LocalServer(buckets=[BUCKET])
    assert repr(server) == f"<LocalServer {server.endpoint}>"
    server.close()
    server.close()
    assert repr(server) == f"<LocalServer {server.endpoint}, closed>"
    assert server.closed
    for call in (
        lambda: server.put_object(BUCKET, "key", b""),
        lambda: server.create_bucket(BUCKET),
        lambda: server.delete_object(BUCKET, "key"),
        lambda: server.deny(BUCKET),
        lambda: server.allow(BUCKET),
        lambda: server.set_credentials(),
        lambda: server.wait_for_checksums(),
        server.__enter__,
    ):
        with pytest.raises(ValueError, match="the local server is closed"):
            call()
    assert server.requests == []


def test_a_dropped_server_ends_with_a_warning():
    before = set(threading.enumerate())
    servers = [LocalServer(buckets=[BUCKET], tls=True)]
    ca_file, endpoint = Path(servers[0].ca_file), servers[0].endpoint
    assert ca_file.exists()
    with pytest.warns(ResourceWarning, match=f"{endpoint}.*not closed"):
        servers.clear()
    assert not ca_file.exists()
    assert set(threading.enumerate()) <= before


def test_a_server_left_open_at_the_end_leaves_no_file():
    code = (
        "from ossmodelconnector.local import LocalServer\n"
        "server = LocalServer(tls=True)\n"
        "print(server.ca_file)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    assert not Path(done.stdout.strip()).exists()


def test_a_forked_child_does_not_end_its_parents_server():
    with LocalServer(buckets=[BUCKET], tls=True) as server:
        child = os.fork()
        if child == 0:
            server.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert Path(server.ca_file).exists()
        server.put_object(BUCKET, "key", b"")


def test_the_log_shows_no_signature(caplog):
    caplog.set_level("INFO", "ossmodelconnector.local")
    with LocalServer(buckets=[BUCKET]) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", f"/{BUCKET}/key?Expires=1&Signature=canary%2F1&x=canary-2")
        connection.getresponse().read()
        connection.close()
    assert "Signature=[redacted]&x=canary-2" in caplog.text
    assert "canary%2F1" not in caplog.text


def test_many_servers_leave_nothing_behind():
    before = set(threading.enumerate())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            with LocalServer(buckets=[BUCKET], credentials=[Credential("a", "b")]):
                pass
    assert set(threading.enumerate()) <= before


def test_exported_names():
    assert local.__all__ == sorted(local.__all__, key=lambda name: (not name.isupper(), name))
    for name in local.__all__:
        assert getattr(local, name).__doc__


def test_a_missing_package_is_named():
    code = "import sys; sys.modules['aiohttp'] = None; import ossmodelconnector.local"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert "pip install 'ossmodelconnector[local]'" in done.stderr


def test_a_client_that_goes_in_the_middle_of_a_file_leaves_no_traceback(tmp_path, caplog):
    (tmp_path / "bucket").mkdir()
    with (tmp_path / "bucket" / "large").open("wb") as file:
        file.truncate(64 << 20)
    with LocalServer(tmp_path, anonymous=True) as server:
        for _ in range(8):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.sendall(b"GET /bucket/large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert [record for record in caplog.records if record.exc_info] == []
