"""Scripts for the fault server, and what its tests look at afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import quote

from support.fault_server import ETAG, FaultServer, Reply, Request, Script

CHUNK = 64 << 10
BUCKET = "faults-1"
URI = f"oss://{BUCKET}/ramp.bin"
MAX_ATTEMPTS = 3
# It gives up sooner than the default, but not because of a machine that is busy for some seconds.
CONFIG = {"timeout.readSeconds": 60, "retry.maxAttempts": MAX_ATTEMPTS}
# For stalls. A busy machine may make others.
IMPATIENT = {"timeout.stallSeconds": 1}
REQUEST_ID = "5C3D9175B6FC201293AD0000"


class Once:
    """A script for the first request of each range whose begin it is given."""

    def __init__(self, begins: Iterable[int], change: Callable[[Reply], object]) -> None:
        self._begins = set(begins)
        self._change = change

    def __call__(self, request: Request, reply: Reply) -> None:
        if request.begin in self._begins:
            self._begins.remove(request.begin)
            self._change(reply)


def always(change: Callable[[Reply], object]) -> Script:
    """A script for all requests but the first, which tells the object's version."""

    def script(request: Request, reply: Reply) -> None:
        if request.begin > 0:
            change(reply)

    return script


def fail(reply: Reply, status: int, body: bytes, **headers: str) -> None:
    """Makes it a reply without any of the object's headers."""
    reply.status, reply.body = status, body
    reply.headers = {"Content-Length": str(len(body)), "x-oss-request-id": REQUEST_ID}
    reply.headers.update({name.replace("_", "-"): value for name, value in headers.items()})


def refuse(reply: Reply, status: int, code: str, fields: str = "", **headers: str) -> None:
    """Makes it an error of OSS."""
    text = f"<Error><Code>{code}</Code><Message>{code} it is.</Message>{fields}</Error>"
    fail(reply, status, text.encode(), **headers)


# --- changes of a reply to a range


def break_off(reply: Reply, at: int, end: str) -> None:
    reply.body, reply.end = reply.body[:at], end


def without_last_chunk(reply: Reply) -> None:
    del reply.headers["Content-Length"]
    reply.headers["Transfer-Encoding"] = "chunked"
    reply.body, reply.end = f"{len(reply.body):x}\r\n".encode() + reply.body + b"\r\n", "close"


def shorten(reply: Reply) -> None:
    reply.body = reply.body[: CHUNK // 3]
    reply.headers["Content-Length"] = str(len(reply.body))


def lengthen(reply: Reply) -> None:
    reply.body += b"x" * 1000
    reply.headers["Content-Length"] = str(len(reply.body))


def whole_object(reply: Reply) -> None:
    reply.status = 200
    del reply.headers["Content-Range"]
    reply.headers["Content-Length"] = str(1 << 30)
    reply.body = b"x" * (1 << 20)


def set_header(name: str, value: str) -> Callable[[Reply], None]:
    def change(reply: Reply) -> None:
        reply.headers[name] = value

    return change


def multipart(reply: Reply) -> None:
    reply.headers["Content-Type"] = "multipart/byteranges; boundary=b"
    del reply.headers["Content-Range"]


def huge_head(reply: Reply) -> None:
    reply.headers["x-filler"] = "x" * (1 << 20)


def stall_before(reply: Reply) -> None:
    reply.delay = 90


def stall_within(reply: Reply) -> None:
    reply.body, reply.end = reply.body[: CHUNK // 2], "stall"


def trickle(reply: Reply) -> None:
    reply.rate = 4


def flip(reply: Reply) -> None:
    middle = len(reply.body) // 2
    flipped = bytes([reply.body[middle] ^ 4])
    reply.body = reply.body[:middle] + flipped + reply.body[middle + 1 :]


def list_page(keys: Iterable[str], next_token: str = "", size: int = 5) -> bytes:
    """A page of ListObjectsV2 as OSS writes it; the ETags are the fault server's."""
    contents = "".join(
        f"<Contents><Key>{quote(key)}</Key><LastModified>2024-06-02T01:30:05.000Z</LastModified>"
        f"<ETag>{ETAG}</ETag><Size>{size}</Size><StorageClass>Standard</StorageClass></Contents>"
        for key in keys
    )
    more = f"<NextContinuationToken>{next_token}</NextContinuationToken>" if next_token else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>'
        f"<EncodingType>url</EncodingType><IsTruncated>{str(bool(next_token)).lower()}"
        f"</IsTruncated>{more}{contents}</ListBucketResult>"
    ).encode()


def requests_of_chunk(faults: FaultServer, index: int) -> list[Request]:
    """The requests for chunk `index`, those that resume it too."""
    begin = index * CHUNK
    return [request for request in faults.requests if begin <= request.begin < begin + CHUNK]
