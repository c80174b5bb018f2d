"""Names, connections and single requests, each within a time: what the library leaves to libcurl.

A check looks at them one by one, to say which of them it is. No request here is signed.
"""

from __future__ import annotations

import base64
import re
import socket
import threading
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

__all__ = [
    "HttpReply",
    "NotHttpError",
    "ProxyRefusedError",
    "connect",
    "exchange",
    "open_tunnel",
    "proxy_of",
    "resolve",
    "seconds_text",
]

_MAX_BYTES = 64 << 10
_HEAD_END = b"\r\n\r\n"


class HttpReply(NamedTuple):
    """What came back. `body` may be cut.

    Attributes:
        begun: this machine's time when the request was sent.
        ended: and when the head of the reply was there.
    """

    status: int
    headers: Mapping[str, str]  # lower-case names
    body: bytes
    begun: float
    ended: float

    @property
    def code(self) -> str:
        """The store's word for an error; ``""``: there is none."""
        found = re.search(rb"<Code>([A-Za-z0-9.]{1,80})</Code>", self.body)
        return found.group(1).decode() if found else ""

    @property
    def date(self) -> float | None:
        """The server's time, in unix seconds and without their fractions; None: it tells none."""
        try:
            return parsedate_to_datetime(self.headers.get("date", "")).timestamp()
        except (TypeError, ValueError, IndexError):
            return None

    @property
    def is_of_store(self) -> bool:
        """Whether an object store said this."""
        if any(name.startswith(("x-oss-", "x-amz-")) for name in self.headers) or self.code:
            return True
        versioned = "etag" in self.headers or "last-modified" in self.headers
        return self.status == 200 and versioned and not self.is_page

    @property
    def is_page(self) -> bool:
        """Whether it is for people."""
        return "html" in self.headers.get("content-type", "") or b"<html" in self.body[:512].lower()

    @property
    def summary(self) -> str:
        """``HTTP 403 AccessDenied``, or with a page's title."""
        title = re.search(rb"<title[^>]*>([^<]{1,80})", self.body, re.IGNORECASE)
        words = self.code or (title.group(1).decode("utf-8", "replace").strip() if title else "")
        shown = words if self.code or not words else f"and a page {words!r}"
        return " ".join(filter(None, (f"HTTP {self.status}", shown)))


class NotHttpError(OSError):
    """What came back is no HTTP: `args` say what."""


class ProxyRefusedError(OSError):
    """The proxy opens no tunnel; `reply` is what it said."""

    def __init__(self, reply: HttpReply) -> None:
        super().__init__(reply.summary)
        self.reply = reply


def seconds_text(seconds: float) -> str:
    """``"12 ms"``, or ``"2.5 s"``."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def resolve(host: str, port: int, seconds: float) -> list[Any]:
    """Looks a name up.

    Returns:
        Addresses, as sockets take them: (family, address).

    Raises:
        socket.gaierror: there is no such name, or nobody who knows.
        TimeoutError: no answer in time.
    """
    answer: list[Any] = []

    def look() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answer.append(error)

    # A look-up cannot be stopped; a thread that hangs in one is left behind.
    thread = threading.Thread(target=look, daemon=True, name="ossmc-doctor-resolve")
    thread.start()
    thread.join(seconds)
    if not answer:
        raise TimeoutError(f"no answer in {seconds_text(seconds)}")
    if isinstance(answer[0], UnicodeError):
        raise socket.gaierror(socket.EAI_NONAME, "the name is malformed")
    if isinstance(answer[0], Exception):
        raise answer[0]
    return list(dict.fromkeys((family, address) for family, _, _, _, address in answer[0]))


def connect(host: str, port: int, seconds: float) -> socket.socket:
    """Makes a connection to the first address of a host that takes one."""
    deadline = time.monotonic() + seconds
    last: OSError = TimeoutError(f"no answer in {seconds_text(seconds)}")
    for family, address in resolve(host, port, seconds):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(left)
            sock.connect(address)
        except OSError as error:
            sock.close()
            last = error
        except BaseException:
            sock.close()
            raise
        else:
            sock.settimeout(seconds)
            return sock
    raise last


def proxy_of(url: str) -> tuple[str, int, str, str]:
    """Host, port, Proxy-Authorization and scheme of a proxy's URL. ValueError: it is none."""
    split = urlsplit(url if "://" in url else f"http://{url}")
    if not split.hostname:
        raise ValueError("the proxy has no host")
    port = split.port or (443 if split.scheme == "https" else 1080)
    secret = ""
    if split.username is not None:
        pair = f"{unquote(split.username)}:{unquote(split.password or '')}"
        secret = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    return split.hostname, port, secret, split.scheme


def open_tunnel(
    proxy: tuple[str, int, str], authority: str, seconds: float
) -> tuple[socket.socket, HttpReply]:
    """Has a proxy open a tunnel. ProxyRefusedError: it does not."""
    host, port, secret = proxy
    sock = connect(host, port, seconds)
    try:
        headers = {"Proxy-Authorization": secret} if secret else {}
        reply = exchange(sock, "CONNECT", authority, authority, headers, seconds)
        if reply.status // 100 != 2:
            raise ProxyRefusedError(reply)
    except BaseException:
        sock.close()
        raise
    return sock, reply


def exchange(
    sock: socket.socket,
    method: str,
    target: str,
    authority: str,
    headers: Mapping[str, str],
    seconds: float,
) -> HttpReply:
    """Sends a request, and reads what comes back within a time, or the beginning of it.

    Raises:
        NotHttpError: it is something else, or nothing.
        TimeoutError: not a word in time.
    """
    lines = [f"{method} {target} HTTP/1.1", f"Host: {authority}", "User-Agent: ossmc-doctor"]
    lines += ["Accept: */*", *(f"{name}: {value}" for name, value in headers.items())]
    if method != "CONNECT":
        lines.append("Connection: close")
    deadline = time.monotonic() + seconds
    begun = time.time()
    sock.settimeout(seconds)
    sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))
    data, ended = b"", 0.0
    while len(data) < _MAX_BYTES and not _is_complete(data, method):
        sock.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            piece = sock.recv(1 << 16)
        except (TimeoutError, socket.timeout):
            if _HEAD_END not in data:
                raise TimeoutError(f"no answer in {seconds_text(seconds)}") from None
            break
        except ConnectionResetError:
            break
        if not piece:
            break
        data += piece
        if not ended and _HEAD_END in data:
            ended = time.time()
        if not b"HTTP/".startswith(data[:5]) and not data.startswith(b"HTTP/"):
            raise NotHttpError("the reply is no HTTP")
    if _HEAD_END not in data:
        raise NotHttpError("the connection ended without a reply")
    return _parsed(data, begun, ended or time.time())


def _is_complete(data: bytes, method: str) -> bool:
    head, found, body = data.partition(_HEAD_END)
    if not found or (method == "CONNECT" and head.split(b" ", 2)[1:2] == [b"200"]):
        return bool(found)
    length = re.search(rb"(?im)^content-length:\s*(\d+)", head)
    return length is not None and len(body) >= int(length.group(1))


def _parsed(data: bytes, begun: float, ended: float) -> HttpReply:
    head, _, body = data.partition(_HEAD_END)
    first, *lines = head.decode("latin-1").split("\r\n")
    status = first.split(" ", 2)[1:2]
    if not status or not status[0].isdecimal():
        raise NotHttpError("the reply is no HTTP")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return HttpReply(int(status[0]), headers, body, begun, ended)
