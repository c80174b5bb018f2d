"""Small TCP servers to stand between a client and the local OSS server."""

from __future__ import annotations

import contextlib
import socket
import threading

from support.ports import reserve


class Relay:
    """Passes bytes between its own port and another, on threads; a context manager.

    Can be shut, which cuts all connections and refuses new ones, and opened again on the same port.
    Can be held, and then no byte passes until it is released.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._sockets: set[socket.socket] = set()
        self._openings = 0  # how often it was shut
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._reservation = reserve()  # nobody else gets the port while it is shut
        self.port: int = self._reservation.getsockname()[1]
        self._listener = self._listen(self.port)
        self.endpoint = f"http://{host}:{self.port}"
        self._accept_on(self._listener)

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()
        self._reservation.close()

    def shut(self) -> None:
        """Cuts all connections; new ones are refused."""
        self._flowing.set()
        with self._lock:
            sockets, self._sockets = self._sockets, set()
            self._openings += 1
        for one in (self._listener, *sockets):
            # shutdown() wakes the thread that sits in accept() or recv(); close() alone does not.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def open(self) -> None:
        """Takes connections again."""
        self._listener = self._listen(self.port)
        self._accept_on(self._listener)

    def hold(self) -> None:
        """Keeps the connections; nothing passes on them."""
        self._flowing.clear()

    def release(self) -> None:
        """Lets pass what was held, and all that follows."""
        self._flowing.set()

    def connect(self, client: socket.socket) -> tuple[socket.socket, bytes]:
        """Makes the connection for a client, and what to send first. For subclasses."""
        return socket.create_connection(self._target), b""

    @staticmethod
    def _listen(port: int) -> socket.socket:
        return socket.create_server(("127.0.0.1", port), backlog=128)

    def _accept_on(self, listener: socket.socket) -> None:
        opening = self._openings

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(
                        target=self._serve, args=(client, opening), daemon=True
                    ).start()

        threading.Thread(target=accept, daemon=True).start()

    def _keep(self, one: socket.socket, opening: int) -> None:
        with self._lock:
            if opening != self._openings:  # shut between its accept() and now
                one.close()
                raise ConnectionAbortedError
            self._sockets.add(one)

    def _serve(self, client: socket.socket, opening: int) -> None:
        try:
            self._keep(client, opening)
            upstream, first = self.connect(client)
            self._keep(upstream, opening)
            upstream.sendall(first)
            threading.Thread(target=self._copy, args=(client, upstream), daemon=True).start()
            self._copy(upstream, client)
        except OSError:
            client.close()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self._flowing.wait()
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
            with self._lock:
                self._sockets.discard(one)


class ForwardProxy(Relay):
    """An HTTP proxy that takes every host for one address.

    So that requests for hosts of aliyuncs.com, whose names are not ours to resolve, reach the local
    server. It understands CONNECT, and requests in absolute form on a connection to one host.
    `heads` has the first head of each connection, as it came.
    """

    def __init__(self, host: str, port: int) -> None:
        self.hosts: set[str] = set()
        self.heads: list[str] = []
        super().__init__(host, port)

    def connect(self, client: socket.socket) -> tuple[socket.socket, bytes]:
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(1 << 16)
            if not data:
                raise ConnectionError("gone before its request was complete")
            head += data
        self.heads.append(head.partition(b"\r\n\r\n")[0].decode("latin-1"))
        method, target = head.split(b" ", 2)[:2]
        upstream, _ = super().connect(client)
        if method == b"CONNECT":
            self.hosts.add(target.decode())
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            return upstream, head.partition(b"\r\n\r\n")[2]
        # A server must take the absolute form too (RFC 9112 section 3.2.2): it is passed as it is.
        self.hosts.add(target.split(b"/")[2].decode())
        return upstream, head


class SilentServer:
    """Takes connections, as far as the kernel does so by itself, and never says a word."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
