"""A service that hands out keys: an ECS metadata service, a credentials URI, or STS."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone


@dataclass
class Asked:
    """A request, its body not looked at."""

    method: str
    target: str
    headers: Mapping[str, str]


# What to send: a status and a text. None: nothing, the connection stays open.
Answer = Callable[[Asked], "tuple[int, str] | None"]


class KeyService:
    """Answers as `answer` says, on loopback; a context manager.

    Attributes:
        asked: the requests so far.
        answer: may be replaced.
        port: its own.
    """

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.answer = answer
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        # ValueError: what came is no HTTP.
        with contextlib.suppress(OSError, ValueError), sock:
            stream = self._tls.wrap_socket(sock, server_side=True) if self._tls else sock
            with stream, stream.makefile("rb") as lines:
                method, target, _ = lines.readline().decode("latin-1").split(" ", 2)
                headers = {}
                while line := lines.readline().decode("latin-1").strip():
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                asked = Asked(method, target, headers)
                self.asked.append(asked)
                answer = self.answer(asked)
                if answer is None:
                    self._ended.wait()
                    return
                status, text = answer
                body = text.encode()
                head = f"HTTP/1.1 {status} Status\r\nContent-Length: {len(body)}\r\n\r\n"
                stream.sendall(head.encode() + body)
                # Servers may keep a connection that the client asked to close.
                self._ended.wait(0.5)


def keys_document(keys: tuple[str, str, str], **others: object) -> str:
    """The JSON that these services give, good for an hour."""
    end = datetime.now(timezone.utc) + timedelta(hours=1)
    return json.dumps(
        {
            "Code": "Success",
            "AccessKeyId": keys[0],
            "AccessKeySecret": keys[1],
            "SecurityToken": keys[2],
            "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
            **others,
        }
    )


def metadata(keys: tuple[str, str, str], *, knows_tokens: bool = True, role: str = "reader"):
    """The answers of an ECS instance with a role."""
    folder = "/latest/meta-data/ram/security-credentials/"

    def answer(asked: Asked) -> tuple[int, str]:
        if asked.method == "PUT":
            return (200, "metadata-token\n") if knows_tokens else (405, "")
        if knows_tokens and asked.headers.get("x-aliyun-ecs-metadata-token") != "metadata-token":
            return 403, "a token is needed"
        if asked.target == folder and role:
            return 200, role
        if asked.target == folder + role and role:
            return 200, keys_document(keys)
        return 404, "<html>no such thing</html>"

    return answer
