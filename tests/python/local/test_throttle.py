"""Latency and rate: at least what was asked for, and not much more."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time

import pytest
from support.tries import once_within

BUCKET = "bucket-1"


def test_latency(make_server, connect):
    server = make_server(anonymous=True, latency=0.1)
    server.put_object(BUCKET, "key", b"data")
    client = connect(server)

    def get(target, least=0.0):
        started = time.monotonic()
        client.get(target)
        seconds = time.monotonic() - started
        assert seconds > least
        return seconds

    for target in (f"/{BUCKET}/key", f"/{BUCKET}/nothing", f"/{BUCKET}/"):
        once_within(2, lambda target=target: get(target, 0.09), because="it asked for 0.1 s")
    server.latency = 0.0

    def get_ten():
        return min(get(f"/{BUCKET}/key") for _ in range(10))

    once_within(0.09, get_ten, because="it asked for none any more")


# In memory, by sendfile, and through TLS.
@pytest.mark.usefixtures("tidy_clients")
@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")
@pytest.mark.parametrize(("size", "tls"), [(200_000, False), (2_000_000, False), (2_000_000, True)])
def test_rate(make_server, connect, size, tls):
    server = make_server(anonymous=True, rate_per_connection=4 * size, tls=tls)
    data = bytes(size)
    server.put_object(BUCKET, "key", data)

    def get_twice():
        client = connect(server)
        started = time.monotonic()
        for _ in range(2):
            assert client.get(f"/{BUCKET}/key").body == data
        elapsed = time.monotonic() - started
        assert elapsed > 0.45  # 0.5 s less two first bursts
        return elapsed

    once_within(2, get_twice, because="at the rate it takes 0.5 s")


def test_the_rate_is_each_connection_s_own(make_server, connect):
    server = make_server(anonymous=True, rate_per_connection=2_000_000)
    server.put_object(BUCKET, "key", bytes(1_000_000))

    def get_16():
        server.reset_requests()
        clients = [connect(server) for _ in range(16)]
        threads = [
            threading.Thread(target=client.get, args=(f"/{BUCKET}/key",)) for client in clients
        ]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        elapsed = time.monotonic() - started
        assert elapsed > 0.45
        assert len({record.connection_id for record in server.requests}) == 16
        return elapsed

    once_within(4, get_16, because="at the rate it takes 0.5 s, one after the other 8 s")


def test_a_slow_connection_does_not_delay_others(make_server, connect):
    server = make_server(anonymous=True, rate_per_connection=100_000)
    server.put_object(BUCKET, "large", bytes(10_000_000))  # 100 s
    server.put_object(BUCKET, "small", b"data")
    slow, fast = connect(server), connect(server)

    def read_until_the_server_ends():
        with contextlib.suppress(http.client.HTTPException, OSError):
            slow.get(f"/{BUCKET}/large")

    thread = threading.Thread(target=read_until_the_server_ends)
    thread.start()
    for _ in range(5):
        assert fast.get(f"/{BUCKET}/small").body == b"data"
    assert thread.is_alive()
    server.close()
    thread.join()
