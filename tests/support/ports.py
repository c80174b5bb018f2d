"""Ports that stay a test's own while nobody listens there.

A port that was closed goes to whoever asks for one next, and other tests do so at the same time.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator


def reserve(host: str = "127.0.0.1") -> socket.socket:
    """A socket bound to a port of its own; until it is closed, only who names the port gets it.

    Connections there are refused, until somebody listens with `socket.create_server`.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((host, 0))
    return holder


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """A port that refuses connections."""
    with reserve() as holder:
        yield holder.getsockname()[1]


@contextlib.contextmanager
def resetting_port() -> Iterator[int]:
    """A port where each connection is reset once something was sent on it."""

    def reset_each() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        threading.Thread(target=reset_each, daemon=True).start()
        yield listener.getsockname()[1]
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
