"""An HTTP server that can lie: about lengths, ranges and versions, and about being alive.

One object, `data`, under every path. A script changes the replies; without one they are right: a
range that is the whole object is answered by 206 or by 200, and of an empty object by 416 or by
200, as a seed has it. Sockets and threads alone, since no HTTP library sends what is wrong.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ossmodelconnector import _core

ETAG = '"5B3C1A2E053D763E1B002CC607C5A0FE"'
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_STALL_SECONDS = 90.0


@dataclass(frozen=True)
class Request:
    """What came in. `begin` and `end` are the half-open range that was asked for."""

    method: str
    target: str
    headers: dict[str, str]  # lower-case names
    connection: int
    begin: int
    end: int
    in_flight: int  # requests that are being answered then, this one included
    time: float  # of the monotonic clock


@dataclass
class Reply:
    """What goes out, for a script to change.

    Attributes:
        status: of the status line.
        headers: as they are sent; Content-Length is not mended when `body` changes.
        body: what is sent of it, whatever the headers say.
        delay: seconds before the first byte.
        hold: the first byte waits until it is set.
        rate: bytes of the body a second; None: all at once.
        end: what follows: "keep" the connection, "close" it, "reset" it, or "stall".
    """

    status: int
    headers: dict[str, str]
    body: bytes
    delay: float = 0.0
    hold: threading.Event | None = None
    rate: float | None = None
    end: str = "keep"


Script = Callable[[Request, Reply], None]


@dataclass
class FaultServer:
    """A context manager; `script` may be changed at any time, by one that it calls too.

    With `tls` it speaks https. `received` counts the bytes that came through; `request_count` goes
    on when a test clears `requests`.
    """

    data: bytes = field(default_factory=lambda: random.Random(7).randbytes(1 << 20))
    script: Script | None = None
    requests: list[Request] = field(default_factory=list)
    idle_seconds: float | None = None  # connections that say nothing for so long are closed
    address: tuple[str, int] = ("127.0.0.1", 0)
    tls: ssl.SSLContext | None = None
    connections: int = 0
    received: int = 0
    request_count: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._closed = threading.Event()
        self._in_flight = 0
        self._chance = random.Random(7)
        self.put(self.data)
        self._listener = socket.create_server(self.address, backlog=128)
        self.port: int = self._listener.getsockname()[1]
        scheme = "http" if self.tls is None else "https"
        self.endpoint = f"{scheme}://{self.address[0]}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def put(self, data: bytes) -> None:
        """Replaces the object's bytes."""
        self.data = data
        self._crc64 = str(_core.crc64(data, 0))

    def __enter__(self) -> FaultServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        with self._lock:
            sockets = [self._listener, *self._sockets]
        # Their threads wake, and close them. The base's method: that of SSLSocket does more.
        for one in sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError), self._listener:
            while True:
                connection, _ = self._listener.accept()
                with self._lock:
                    self._sockets.add(connection)
                    self.connections += 1
                    number = self.connections
                threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(self.idle_seconds)
            if self.tls is None:
                self._answer(connection, number)
            else:
                with self.tls.wrap_socket(connection, server_side=True) as secured:
                    with self._lock:
                        self._sockets.add(secured)  # the socket of before is an empty shell now
                    self._answer(secured, number)
        with self._lock:
            self._sockets.discard(connection)

    def _answer(self, connection: socket.socket, number: int) -> None:
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                received = connection.recv(1 << 16)
                if not received:
                    return
                self.received += len(received)
                buffer += received
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            with self._lock:
                self._in_flight += 1
                request = self._parse(head.decode("latin-1"), number, self._in_flight)
                reply = self._right_reply(request)
                self.requests.append(request)
                self.request_count += 1
                if self.script is not None:
                    self.script(request, reply)
            try:
                if not self._send(connection, request, reply):
                    return
            finally:
                with self._lock:
                    self._in_flight -= 1

    def _parse(self, head: str, number: int, in_flight: int) -> Request:
        line, *lines = head.split("\r\n")
        method, target, _ = line.split(" ")
        headers = {
            name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
        }
        begin, end = 0, len(self.data)
        if found := _RANGE.fullmatch(headers.get("range", "")):
            begin, end = int(found[1]), min(int(found[2]) + 1, len(self.data))
        return Request(method, target, headers, number, begin, end, in_flight, time.monotonic())

    def _right_reply(self, request: Request) -> Reply:
        body = self.data[request.begin : request.end]
        headers = {
            "Content-Length": str(len(body)),
            "ETag": ETAG,
            "x-oss-request-id": "5C3D9175B6FC201293AD0000",
            "x-oss-hash-crc64ecma": self._crc64,
        }
        is_whole = len(body) == len(self.data)
        if "range" not in request.headers or (is_whole and self._chance.random() < 0.5):
            return Reply(200, headers, body)
        if not body:
            return Reply(416, headers, body)
        last = request.end - 1
        headers["Content-Range"] = f"bytes {request.begin}-{last}/{len(self.data)}"
        return Reply(206, headers, body)

    def _send(self, connection: socket.socket, request: Request, reply: Reply) -> bool:
        if reply.delay and self._closed.wait(reply.delay):
            return False
        while reply.hold is not None and not reply.hold.wait(0.05):
            if self._closed.is_set():
                return False
        lines = [f"HTTP/1.1 {reply.status} Status"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        body = b"" if request.method == "HEAD" else reply.body
        connection.settimeout(_STALL_SECONDS)
        if reply.rate is None:
            # The head and the body's beginning in one go; a long body is not copied.
            connection.sendall(head + body[: 1 << 16])
            connection.sendall(memoryview(body)[1 << 16 :])
        else:
            connection.sendall(head)
            for byte in body:
                connection.sendall(bytes([byte]))
                if self._closed.wait(1 / reply.rate):
                    return False
        connection.settimeout(self.idle_seconds)
        if reply.end == "stall":
            self._closed.wait(_STALL_SECONDS)
        elif reply.end == "reset":
            # What was sent shall be there first.
            time.sleep(0.05)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return reply.end == "keep"
