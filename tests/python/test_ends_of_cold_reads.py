"""Reads that receive in their caller's buffer, and end before all has come: it is his again."""

from __future__ import annotations

import threading
import time

import pytest
from ossmodelconnector import OssError, TransferTimeoutError
from support.faults import CHUNK, URI, refuse
from support.tries import HANG_SECONDS, once_within, wait_until

# In so long the servers here send as much again as they have sent.
SECONDS = 0.3


def is_left_alone(buffer):
    """Whether nobody writes there, while the server goes on."""
    before = bytes(buffer)
    time.sleep(SECONDS)
    return buffer == before


def readinto(connector, reader, buffer):
    reader.readinto(buffer)


def read_at(connector, reader, buffer):
    reader.read_at(0, buffer)


CALLS = [readinto, read_at]


class Reading:
    """A thread that fills a buffer, and what became of it."""

    def __init__(self, call, connector, reader):
        self.buffer = bytearray(reader.size)
        self.error = None
        self._call = lambda: call(connector, reader, self.buffer)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            self._call()
        except Exception as error:
            self.error = error

    def wait_for_bytes(self):
        wait_until(lambda: any(self.buffer))

    def end(self):
        self._thread.join(HANG_SECONDS)
        assert not self._thread.is_alive()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("closer", ["reader", "connector"])
def test_close_from_another_thread(make_connector, slow_store, call, closer):
    def close():
        connector = make_connector(slow_store)
        reader = connector.open(slow_store.uri("large.bin"), prefetch=False)
        reading = Reading(call, connector, reader)
        reading.wait_for_bytes()
        begin = time.monotonic()
        (reader if closer == "reader" else connector).close()
        reading.end()
        seconds = time.monotonic() - begin
        assert isinstance(reading.error, ValueError)
        assert "closed" in str(reading.error)
        assert is_left_alone(reading.buffer)
        assert len(reading.buffer) > sum(map(bool, reading.buffer)) > 0
        return seconds

    once_within(1, close, because="work in flight ends within a second")


@pytest.mark.parametrize("call", CALLS)
def test_error_of_one_part(faults, connect, call):
    refused = threading.Event()

    def script(request, reply):
        if request.method == "GET" and request.begin == 7 * CHUNK:
            reply.hold = refused
            refuse(reply, 403, "AccessDenied")
        elif request.method == "GET":
            reply.rate = 1000

    faults.script = script
    connector = connect({"prefetch.workers": 32})
    reader = connector.open(URI, prefetch=False)
    reading = Reading(call, connector, reader)
    reading.wait_for_bytes()
    refused.set()
    reading.end()
    assert isinstance(reading.error, OssError)
    assert is_left_alone(reading.buffer)
    assert reader.tell() == 0
    faults.script = None
    assert reader.read() == faults.data
    assert reader.verified == "crc64"


@pytest.mark.parametrize("call", CALLS)
def test_no_new_byte_for_too_long(faults, connect, call):
    goes_on = threading.Event()

    def script(request, reply):
        if request.method == "GET" and request.begin >= 3 * CHUNK:
            reply.hold = goes_on

    faults.script = script
    connector = connect({"timeout.readSeconds": 0.5})
    reader = connector.open(URI, prefetch=False)
    reading = Reading(call, connector, reader)
    reading.end()
    assert isinstance(reading.error, TransferTimeoutError)
    assert URI in str(reading.error)
    assert reading.buffer[: 3 * CHUNK] == faults.data[: 3 * CHUNK]
    goes_on.set()
    assert is_left_alone(reading.buffer)
    assert not any(reading.buffer[3 * CHUNK :])
    assert reader.read() == faults.data


def test_buffer_that_is_resized_after_the_end(make_connector, slow_store):
    # Its memory is gone then: with a sanitizer a late write would be seen.
    connector = make_connector(slow_store)
    for _ in range(5):
        reader = connector.open(slow_store.uri("large.bin"), prefetch=False)
        reading = Reading(readinto, connector, reader)
        reading.wait_for_bytes()
        reader.close()
        reading.end()
        reading.buffer.clear()
    assert connector.stats().memory_bytes == 0
