"""Sends a reply: the head, then the body by sendfile, from memory, or through TLS."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Protocol

from aiohttp import web

from ossmodelconnector.local._record import RequestRecord
from ossmodelconnector.local._service import Answer
from ossmodelconnector.local._store import OpenObject
from ossmodelconnector.local._throttle import Pace

# One connection's turn: others wait while the system copies this much for a fast reader.
_SENDFILE_BYTES = 8 << 20
_READ_BYTES = 512 << 10
# Up to here copying costs less than what sendfile does besides.
_SMALL_BYTES = 256 << 10


class _Step(Protocol):
    async def __call__(self, begin: int, end: int) -> None:
        """Sends the bytes [begin, end) of the object."""


class _File:
    """What `loop.sendfile` wants of a file: its descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd


async def send(
    request: web.BaseRequest,
    answer: Answer,
    headers: Mapping[str, str],
    record: RequestRecord,
    pace: Pace | None,
    cut_after: int | None,
) -> web.StreamResponse:
    """Sends `answer` and returns the response for aiohttp to finish.

    Args:
        request: what is answered.
        answer: what to send; its content stays open.
        headers: all of the reply's, except those about its length.
        record: told how many bytes of the body are sent.
        pace: how fast to send, None for as fast as it goes.
        cut_after: bytes of the body after which to close the connection, None for never.

    Raises:
        ConnectionError: the client is gone.
    """
    length = len(answer.body) if answer.content is None else answer.end - answer.begin
    bodiless = request.method == "HEAD" or answer.status in (204, 304)
    if length <= _SMALL_BYTES and pace is None and cut_after is None and not bodiless:
        # Head and body in one write.
        record.bytes_sent = length
        body = _read(answer)
        return web.Response(status=answer.status, headers=headers, body=body)
    response = web.StreamResponse(status=answer.status, headers=headers)
    if answer.status not in (204, 304) and "Content-Length" not in headers:
        response.content_length = length
    cut = not bodiless and cut_after is not None and cut_after < length
    if cut:
        response.force_close()
    await response.prepare(request)
    if bodiless:
        return response
    if pace is not None:
        pace.begin_reply()
    begin, end = answer.begin, answer.begin + length
    if cut and cut_after is not None:
        end = begin + cut_after
    step, step_bytes = _plan(request, response, answer)
    while begin < end:
        if pace is not None:
            size = min(pace.burst_bytes, end - begin)
            await pace.wait(size)
        else:
            size = min(step_bytes, end - begin)
        await step(begin, begin + size)
        begin += size
        record.bytes_sent += size
    if cut:
        _transport(request).close()
    return response


def _read(answer: Answer) -> bytes:
    if answer.content is None:
        return answer.body
    return _bytes_of(answer.content, answer.begin, answer.end)


def _bytes_of(content: OpenObject, begin: int, end: int) -> bytes:
    if content.data is not None:
        return content.data[begin:end]
    data = os.pread(content.fd, end - begin, begin)
    if len(data) != end - begin:
        raise ConnectionResetError("the file became shorter while it was sent")
    return data


def _plan(
    request: web.BaseRequest, response: web.StreamResponse, answer: Answer
) -> tuple[_Step, int]:
    """Returns how to send a piece of the body, and how large pieces are best."""
    content = answer.content
    data = answer.body if content is None else content.data
    if content is None or data is not None:
        view = memoryview(data or b"")

        async def write(begin: int, end: int) -> None:
            await response.write(view[begin:end])

        return write, _READ_BYTES
    if _transport(request).get_extra_info("sslcontext") is not None:
        return _reading_step(response, content), _READ_BYTES
    return _sendfile_step(request, content), _SENDFILE_BYTES


def _reading_step(response: web.StreamResponse, content: OpenObject) -> _Step:
    async def read_and_write(begin: int, end: int) -> None:
        await response.write(_bytes_of(content, begin, end))

    return read_and_write


def _sendfile_step(request: web.BaseRequest, content: OpenObject) -> _Step:
    file = _File(content.fd)

    async def sendfile(begin: int, end: int) -> None:
        transport = _transport(request)
        if end - begin < _SENDFILE_BYTES:
            begin += _send_what_fits(transport, content.fd, begin, end)
            if begin == end:
                return
        try:
            sent = await asyncio.get_running_loop().sendfile(
                transport,
                file,  # type: ignore[arg-type]  # it reads no more than fileno()
                begin,
                end - begin,
                fallback=False,
            )
        except asyncio.SendfileNotAvailableError as error:
            # Said of any failure of the first call; sockets and files can sendfile, so it is the
            # client that went. aiohttp takes this error for that, and logs no traceback.
            raise ConnectionResetError("the client is gone") from error
        if sent != end - begin:
            # The length is promised: only a closed connection can tell the client.
            transport.abort()
            raise ConnectionResetError("the file became shorter while it was sent")

    return sendfile


def _send_what_fits(transport: asyncio.Transport, fd: int, begin: int, end: int) -> int:
    """Sends as much as the socket takes at once; returns how much that is.

    Bursts of a paced connection fit as a rule, and this costs half of what `loop.sendfile` does.
    """
    if transport.get_write_buffer_size() > 0:
        return 0
    try:
        sent = os.sendfile(transport.get_extra_info("socket").fileno(), fd, begin, end - begin)
    except BlockingIOError:
        return 0
    return sent


def _transport(request: web.BaseRequest) -> asyncio.Transport:
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client is gone")
    return transport
