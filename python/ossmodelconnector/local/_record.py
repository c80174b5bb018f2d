"""What the server remembers of a request, and what a test may do to it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Union

# Old records make way for new ones: a server that runs for days must not fill the memory.
_MAX_RECORDS = 20_000


@dataclass
class RequestRecord:
    """One request, and what became of it so far.

    Attributes:
        method: HTTP method.
        bucket: ``""`` for requests to the service itself.
        key: ``""`` for requests to a bucket.
        query: decoded parameters.
        headers: lower-case name to value, as sent.
        range: value of the Range header, None without.
        connection_id: counts the connections of the server, from 1.
        raw_target: the request target as it came.
        started: `time.monotonic()` when the request had arrived.
        status: HTTP status of the reply, 0 before it is known.
        code: the service's error code, ``""`` if it is none.
        request_id: x-oss-request-id of the reply.
        bytes_sent: bytes of the reply's body handed to the system.
        finished: `time.monotonic()` when that was done, None before.
    """

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    range: str | None
    connection_id: int
    raw_target: str
    request_id: str
    started: float = field(default_factory=time.monotonic)
    status: int = 0
    code: str = ""
    bytes_sent: int = 0
    finished: float | None = None


@dataclass(frozen=True)
class Reply:
    """What `LocalServer.on_request` wants instead of, or of, the ordinary reply.

    Attributes:
        status: sent instead of the ordinary reply; None keeps that one.
        code: error code; with `status` and without `body` it makes an error document.
        headers: laid over the reply's headers; an empty value removes the header.
        body: with `status`: the body.
        delay: seconds to wait before the first byte.
        cut_after: bytes of the body after which the connection is closed, None for never.

    Example:
        >>> server.on_request = lambda record: Reply(503, "ServiceUnavailable")
        >>> server.on_request = lambda record: Reply(headers={"ETag": '"other"'})
    """

    status: int | None = None
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    delay: float = 0.0
    cut_after: int | None = None


# None: go on; a number: go on after so many seconds.
OnRequest = Callable[[RequestRecord], Union[Reply, float, None]]


class RequestLog:
    """The records of the last requests, oldest first. Any thread may call anything."""

    def __init__(self) -> None:
        self._records: deque[RequestRecord] = deque(maxlen=_MAX_RECORDS)
        self._lock = threading.Lock()

    def add(self, record: RequestRecord) -> None:
        """Appends a record; the server goes on filling it in."""
        with self._lock:
            self._records.append(record)

    def snapshot(self) -> list[RequestRecord]:
        """Returns the records there are."""
        with self._lock:
            return list(self._records)

    def clear(self) -> None:
        """Forgets them all."""
        with self._lock:
            self._records.clear()
