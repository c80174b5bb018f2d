"""An OSS server whose replies go wrong as the plans of `random_faults` have it.

Right ones too may differ: a range that is the whole object is answered by 206 or by 200, and of an
empty object by 416 or by 200.

It has a process of its own, with one thread and epoll: several thousand requests a second, which
the threads of `fault_server` do not reach. It ends when the process that started it does.
"""

from __future__ import annotations

import bisect
import contextlib
import json
import os
import re
import select
import socket
import struct
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ossmodelconnector import _core
from support.random_faults import (
    CORRUPT,
    ERROR,
    PLACE_BYTES,
    RESET,
    SHORT,
    STALL,
    THROTTLE,
    Fault,
    Plan,
    contents,
    plan_of,
    variant,
)

BUCKET = "faults"
_REQUEST = re.compile(rb"(GET|HEAD) /([^/ ?]+)/?([^ ?]*)\??([^ ]*) HTTP/1\.1\r\n")
_RANGE = re.compile(rb"\r\nrange: *bytes=(\d+)-(\d+)", re.IGNORECASE)
_IF_MATCH = re.compile(rb"\r\nif-match: *(\S+)", re.IGNORECASE)
_NO_BODY = memoryview(b"")
# More than a reply of one place, so that most are sent by one call.
_SEND_BUFFER = 512 << 10

# Counted beside the faults.
WHOLE_BY_200 = "whole by 200"
EMPTY_BY_200 = "empty by 200"
EMPTY_BY_416 = "empty by 416"

LISTED_COUNT = 3500  # pages of 1,000, the last one not full


def listed_keys() -> list[str]:
    """What every listing of the bucket has, in order."""
    return [f"listed/{number:06d}" for number in range(LISTED_COUNT)]


def listed_size(key: str) -> int:
    return int(key[-6:]) * 7


@dataclass
class _Reply:
    head: bytes
    body: memoryview
    end: str = "keep"  # or "close", "reset", "stall"


@dataclass
class _Object:
    plan: Plan
    data: memoryview
    etag: bytes
    crc64: int
    attempts: dict[int, int] = field(default_factory=dict)  # by place


class _Connection:
    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.received = b""
        self.unsent: list[memoryview] = []
        self.end = "keep"


class _Server:
    def __init__(self) -> None:
        self._objects: dict[bytes, _Object] = {}
        self._crc64: dict[tuple[int, int], int] = {}
        self._listed = listed_keys()
        self._list_attempts = 0
        self.counts: dict[str, int] = {"requests": 0}
        self._connections: dict[int, _Connection] = {}
        self._epoll = select.epoll()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setblocking(False)

    def serve(self, until_readable: int) -> None:
        """Serves until the descriptor can be read: then whoever holds its other end is gone."""
        self._epoll.register(self.listener, select.EPOLLIN)
        self._epoll.register(until_readable, select.EPOLLIN)
        while True:
            for descriptor, events in self._epoll.poll():
                if descriptor == until_readable:
                    return
                if descriptor == self.listener.fileno():
                    self._accept()
                    continue
                connection = self._connections.get(descriptor)
                if connection is None:
                    continue
                try:
                    if events & select.EPOLLOUT:
                        self._send(connection)
                    elif events:
                        self._receive(connection)
                except OSError:
                    self._close(connection)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                connected, _ = self.listener.accept()
                connected.setblocking(False)
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
                self._connections[connected.fileno()] = _Connection(connected)
                self._epoll.register(connected, select.EPOLLIN)

    def _close(self, connection: _Connection) -> None:
        del self._connections[connection.socket.fileno()]
        connection.socket.close()

    def _receive(self, connection: _Connection) -> None:
        received = connection.socket.recv(1 << 16)
        if not received:
            self._close(connection)
            return
        connection.received += received
        if connection.end != "keep" or b"\r\n\r\n" not in connection.received:
            return
        # Clients send the next request when they have the reply.
        head, connection.received = connection.received, b""
        reply = self._reply(head)
        connection.unsent = [memoryview(reply.head), reply.body]
        connection.end = reply.end
        self._send(connection)

    def _send(self, connection: _Connection) -> None:
        unsent = connection.unsent
        waits = not unsent
        with contextlib.suppress(BlockingIOError):
            sent = connection.socket.sendmsg(unsent) if unsent else 0
            while unsent and sent >= len(unsent[0]):
                sent -= len(unsent.pop(0))
            if unsent:
                unsent[0] = unsent[0][sent:]
        if unsent:
            self._epoll.modify(connection.socket, select.EPOLLOUT)
            return
        if not waits:
            self._epoll.modify(connection.socket, select.EPOLLIN)
        if connection.end == "reset":
            connection.socket.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        if connection.end in ("close", "reset"):
            self._close(connection)
        # After "stall" nothing is answered any more, until the client hangs up.

    def _reply(self, head: bytes) -> _Reply:
        found = _REQUEST.match(head)
        if found is None:
            return _error(400, "InvalidArgument")
        method, bucket, key, query = found.groups()
        if bucket == b"counts":
            return _right(200, b"", memoryview(json.dumps(self.counts).encode()))
        self.counts["requests"] += 1
        if not key:
            return self._list(query.decode())
        stored = self._objects.get(key) or self._make_object(key)
        if stored is None:
            return _error(404, "NoSuchKey")
        if (wanted := _IF_MATCH.search(head)) and wanted[1] != stored.etag:
            return _error(412, "PreconditionFailed")
        size = len(stored.data)
        begin, end = 0, size
        asked = _RANGE.search(head)
        if asked:
            begin, end = int(asked[1]), min(int(asked[2]) + 1, size)
        fields = b"ETag: %b\r\nx-oss-hash-crc64ecma: %d\r\nx-oss-storage-class: Standard\r\n" % (
            stored.etag,
            stored.crc64,
        )
        fields += b"Last-Modified: Fri, 24 Feb 2012 06:07:48 GMT\r\n"
        place = begin // PLACE_BYTES
        attempt = stored.attempts.get(place, 0)
        stored.attempts[place] = attempt + 1
        fault = stored.plan.fault(place, attempt)
        if method == b"HEAD":
            right = _right(200, fields, stored.data)
            right.body = _NO_BODY
            return self._spoil(right, fault, None)
        is_whole = begin == 0 and end == size
        if asked and is_whole and stored.plan.ignores_range(attempt):
            self._count(EMPTY_BY_200 if size == 0 else WHOLE_BY_200)
            asked = None
        if asked and begin >= size:
            # As OSS answers x-oss-range-behavior: standard for an empty object.
            self._count(EMPTY_BY_416)
            return _error(416, "InvalidRange")
        if not asked:
            may_be_wrong = fields if size else None
            return self._spoil(_right(200, fields, stored.data), fault, may_be_wrong)
        fields += b"Content-Range: bytes %d-%d/%d\r\n" % (begin, end - 1, size)
        return self._spoil(_right(206, fields, stored.data[begin:end]), fault, fields)

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def _make_object(self, key: bytes) -> _Object | None:
        try:
            name, seed_text, size_text = key.decode().split("/")
            seed, size = int(seed_text), int(size_text)
            plan = plan_of(name, seed, size)
        except ValueError:
            return None
        data = contents(seed, size)
        # Few different contents, many objects.
        same = (variant(seed), size)
        if same not in self._crc64:
            self._crc64[same] = _core.crc64(data, 0)
        etag = b'"%032X"' % (seed << 64 | size)
        stored = self._objects[key] = _Object(plan, data, etag, self._crc64[same])
        return stored

    def _list(self, query: str) -> _Reply:
        asked = dict(urllib.parse.parse_qsl(query))
        prefix = asked.get("prefix", "")
        after = asked.get("continuation-token") or asked.get("start-after", "")
        matching = [key for key in self._listed if key.startswith(prefix)]
        first = bisect.bisect_right(matching, after)
        page = matching[first : first + int(asked.get("max-keys", "100"))]
        truncated = first + len(page) < len(matching)
        lines = ["<ListBucketResult><EncodingType>url</EncodingType>"]
        lines.append(f"<Name>{BUCKET}</Name><Prefix>{urllib.parse.quote(prefix)}</Prefix>")
        lines.append(f"<MaxKeys>1000</MaxKeys><KeyCount>{len(page)}</KeyCount>")
        lines.append(f"<IsTruncated>{str(truncated).lower()}</IsTruncated>")
        if truncated:
            token = urllib.parse.quote(page[-1], safe="")
            lines.append(f"<NextContinuationToken>{token}</NextContinuationToken>")
        lines += [
            f"<Contents><Key>{urllib.parse.quote(key, safe='')}</Key>"
            f'<LastModified>2012-02-24T08:42:32.000Z</LastModified><ETag>"5B3C"</ETag>'
            f"<Size>{listed_size(key)}</Size><StorageClass>Standard</StorageClass></Contents>"
            for key in page
        ]
        lines.append("</ListBucketResult>")
        self._list_attempts += 1
        fault = plan_of("steady", 1, 0).fault(0, self._list_attempts)
        return self._spoil(_right(200, b"", memoryview("".join(lines).encode())), fault, None)

    def _spoil(self, reply: _Reply, fault: Fault | None, fields: bytes | None) -> _Reply:
        """What is sent instead of the right reply. `fields`: where a wrong body is possible."""
        if fault is None:
            return reply
        chance, size = fault.chance, len(reply.body)
        if fields is None and fault.kind in (SHORT, CORRUPT):
            return reply
        self._count(fault.kind)
        if fault.kind in (RESET, STALL):
            # At any byte; often at the places where something else is going on.
            keep = chance.choice((0, 1, size // 2, max(0, size - 1), chance.randrange(size + 1)))
            head = b"" if chance.random() < 0.2 else reply.head
            return _Reply(head, reply.body[:keep] if head else _NO_BODY, fault.kind)
        if fault.kind == SHORT:
            keep = chance.randrange(size)
            if chance.random() < 0.5:
                return _Reply(reply.head, reply.body[:keep], "close")
            return _right(206, fields or b"", reply.body[:keep])
        if fault.kind == ERROR:
            status = chance.choice((500, 502, 504))
            return _html(status) if chance.random() < 0.5 else _error(status, "InternalError")
        if fault.kind == THROTTLE:
            return _error(chance.choice((503, 429)), "SlowDown")
        wrong = bytearray(reply.body)
        # Another bit in each byte: none is flipped back.
        for at in {chance.randrange(size) for _ in range(chance.randrange(1, 4))}:
            wrong[at] ^= 1 << chance.randrange(8)
        return _Reply(reply.head, memoryview(wrong))


def _right(status: int, fields: bytes, body: memoryview) -> _Reply:
    head = b"HTTP/1.1 %d Status\r\nx-oss-request-id: 5C3D9175B6FC201293AD\r\n" % status
    return _Reply(head + fields + b"Content-Length: %d\r\n\r\n" % len(body), body)


def _error(status: int, code: str) -> _Reply:
    text = f"<Error><Code>{code}</Code><Message>as it was asked to</Message></Error>"
    return _right(status, b"Content-Type: application/xml\r\n", memoryview(text.encode()))


def _html(status: int) -> _Reply:
    return _right(status, b"Content-Type: text/html\r\n", memoryview(b"<html>Bad</html>"))


class RandomFaultServer:
    """The server in a process of its own; a context manager. `endpoint` is where it is."""

    def __init__(self) -> None:
        environ = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parents[1]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.random_fault_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environ,
        )
        assert self._process.stdout is not None
        self.endpoint = self._process.stdout.readline().strip()
        if not self.endpoint:
            raise RuntimeError("the server did not start")

    def __enter__(self) -> RandomFaultServer:
        return self

    def __exit__(self, *_: object) -> None:
        # The end of its input is its end.
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def counts(self) -> dict[str, int]:
        """How many requests came, and how many were answered by a fault or in another right way."""
        without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with without_proxy.open(f"{self.endpoint}/counts", timeout=30) as reply:
            counts: dict[str, int] = json.load(reply)
        return counts


@contextlib.contextmanager
def serve(count: int) -> Iterator[list[RandomFaultServer]]:
    """So many servers, for more requests a second than one of them answers."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(RandomFaultServer()) for _ in range(count)]


def main() -> None:
    server = _Server()
    print(f"http://127.0.0.1:{server.listener.getsockname()[1]}", flush=True)
    server.serve(sys.stdin.fileno())


if __name__ == "__main__":
    main()
