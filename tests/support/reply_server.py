"""A raw HTTP server that answers as one of support.reply_forms says.

Every form has a folder of its own: ``/bucket/<number>/object`` is the object, and a listing with
the prefix ``<number>/`` is that of the form. Replies are made of the form's data and sent as they
are, by sockets and threads alone.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from support.reply_forms import CHANGED_AT, Form, Reply, page_of

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_REASONS = {200: "OK", 204: "No Content", 206: "Partial Content", 416: "Range Not Satisfiable"}


@dataclass
class ReplyServer:
    """A context manager. `requests` has the method and the target of each that came."""

    forms: Sequence[Form]
    requests: list[tuple[str, str]] = field(default_factory=list)

    def __enter__(self) -> ReplyServer:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    @property
    def endpoint(self) -> str:
        host, port = self._listener.getsockname()
        return f"http://{host}:{port}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        data = b""
        with sock, contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                while b"\r\n\r\n" not in data:
                    more = sock.recv(65536)
                    if not more:
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                line, *rest = head.decode("latin-1").split("\r\n")
                method, target, _ = line.split(" ", 2)
                headers = {name.lower(): value for name, value in (h.split(": ") for h in rest)}
                self.requests.append((method, target))
                if not self._answer(sock, method, target, headers):
                    return

    def _answer(
        self, sock: socket.socket, method: str, target: str, headers: Mapping[str, str]
    ) -> bool:
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/bucket/":
            form = self.forms[int(query["prefix"].split("/")[0])]
            return self._send(sock, "GET", form.page, 200, {}, page_of(form, query))
        form = self.forms[int(parts.path.split("/")[2])]
        whole = form.data
        base = {"ETag": '"E1"', "Last-Modified": "Fri, 01 Mar 2024 10:00:00 GMT"}
        asked = _RANGE.fullmatch(headers.get("range", ""))
        if method == "HEAD" or asked is None:
            return self._send(sock, method, form.head, 200, base, whole)
        begin, end = int(asked[1]), min(int(asked[2]) + 1, len(whole))
        change = form.get
        if begin >= CHANGED_AT and form.later is not None:
            change = form.later
        if begin >= len(whole):
            return self._send(sock, method, change, 416, {}, b"<Error/>", begin, end, whole)
        base["Content-Range"] = f"bytes {begin}-{end - 1}/{len(whole)}"
        return self._send(sock, method, change, 206, base, whole[begin:end], begin, end, whole)

    def _send(
        self,
        sock: socket.socket,
        method: str,
        change: Reply,
        status: int,
        base: Mapping[str, str],
        body: bytes,
        begin: int = 0,
        end: int = 0,
        whole: bytes = b"",
    ) -> bool:
        """False: the connection ends with it."""
        time.sleep(change.delay)
        body = {"part": body, "whole": whole, "none": b""}[change.body]
        headers = {**base, "Content-Length": str(len(body)), "x-oss-request-id": "ID"}
        if change.only_these:
            headers = {"Content-Length": str(len(body))}
        if change.framing != "length":
            del headers["Content-Length"]
        if change.framing == "chunked":
            headers["Transfer-Encoding"] = "chunked"
        for name, value in change.headers.items():
            headers.pop(name, None)
            if value is not None:
                headers[name] = value.format(begin=begin, last=end - 1, total=len(whole))
        status = change.status or status
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Other')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        if method == "HEAD" or status in (204, 304):
            body = b""
        elif change.framing == "chunked":
            chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
            body = chunk + b"0\r\n\r\n"
        sock.sendall(head + body)
        return change.framing != "close"
