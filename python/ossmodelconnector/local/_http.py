"""What answers: the sockets, the connections, and the thread that serves them."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from pathlib import Path
from weakref import WeakKeyDictionary

from aiohttp import web

from ossmodelconnector.local._errors import ServiceError, head_error_header
from ossmodelconnector.local._record import OnRequest, Reply, RequestLog, RequestRecord
from ossmodelconnector.local._sending import send
from ossmodelconnector.local._service import Answer, Service
from ossmodelconnector.local._store import Store
from ossmodelconnector.local._target import Addressing, Target, parse_target
from ossmodelconnector.local._throttle import Pace

_logger = logging.getLogger("ossmodelconnector.local")

# A marker and a prefix of 1,023 bytes each are 6 KiB when percent-encoded, tokens longer.
_MAX_LINE_BYTES = 64 << 10
_KEEP_ALIVE_SECONDS = 60.0
_SHUTDOWN_SECONDS = 0.05
# Of a presigned URL; in a key it is percent-encoded.
_SECRET = re.compile(
    r"((?:signature|security-token)(?:=|%3D|%253D))(?:(?!%26)[^&])*", re.IGNORECASE
)
_NOWHERE = Target("", "", ())


class _Connection:
    """What belongs to one client connection."""

    def __init__(self, number: int, pace: Pace | None) -> None:
        self.number = number
        self.pace = pace


class HttpServer:
    """Serves a `Service` from a thread of its own, from construction to `stop`.

    The thread keeps it alive, and so it refers to nothing that a user holds: the `LocalServer` that
    was made can go.

    Args:
        listener: the socket, which listens already.
        context: for https.
        ca_file: removed by `stop`.
        addressing: which hosts name which buckets.
        service: answers, out of `store`.
        store: closed by `stop`.
        rate: bytes per second on every connection, None for no limit.
        log: of the requests, or None.

    Attributes:
        on_request, latency: as `LocalServer` has them; read once for each request.
    """

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext | None,
        ca_file: Path | None,
        addressing: Addressing,
        service: Service,
        store: Store,
        rate: float | None,
        log: RequestLog | None,
    ) -> None:
        self.on_request: OnRequest | None = None
        self.latency = 0.0
        self._listener = listener
        self._ca_file = ca_file
        self._addressing = addressing
        self._service = service
        self._store = store
        self._rate = rate
        self._log = log
        self._connections: WeakKeyDictionary[asyncio.BaseTransport, _Connection] = (
            WeakKeyDictionary()
        )
        self._numbers = count(1)
        self._request_numbers = count(1)
        self._request_id_prefix = secrets.token_hex(6).upper()
        # uvloop, if it were the default, has no sendfile.
        self._loop = asyncio.SelectorEventLoop()
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(context, started), name="ossmc-local-server", daemon=True
        )
        self._thread.start()
        started.result()

    def stop(self) -> None:
        """Closes all connections, ends the thread, and removes what was made for the server."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._store.close()
        if self._ca_file is not None:
            self._ca_file.unlink(missing_ok=True)

    # What follows runs on the server's thread.

    def _run(self, context: ssl.SSLContext | None, started: Future[None]) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve(context, started))
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        except BaseException as error:
            if not started.done():
                started.set_exception(error)
            else:
                raise
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()

    async def _serve(self, context: ssl.SSLContext | None, started: Future[None]) -> None:
        protocol = web.Server(
            self._handle,
            access_log=None,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_LINE_BYTES,
        )
        server = await self._loop.create_server(
            protocol,
            sock=self._listener,
            backlog=1024,
            ssl=context,
        )
        # Made here: an event of Python 3.9 belongs to the loop that runs at the time.
        self._stop = asyncio.Event()
        started.set_result(None)
        await self._stop.wait()
        server.close()
        # A connection that was accepted just now is known to the protocol in the next turns.
        for _ in range(3):
            await asyncio.sleep(0)
        transports = [handler.transport for handler in protocol.connections]
        await protocol.shutdown(_SHUTDOWN_SECONDS)
        for transport in transports:
            # A mere close would wait for a client that does not read; without one, however, older
            # Python versions warn of a TLS transport that was never closed.
            if isinstance(transport, asyncio.WriteTransport):
                transport.close()
                # A TLS transport that is closed already has nothing to abort, and Python 3.11.2
                # (Debian 12) fails on it.
                with suppress(AttributeError):
                    transport.abort()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        # An aborted transport closes its socket in the next turns of the loop.
        for _ in range(3):
            await asyncio.sleep(0)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client is gone")
        connection = self._connections.get(transport)
        if connection is None:
            pace = None if self._rate is None else Pace(self._rate)
            connection = _Connection(next(self._numbers), pace)
            self._connections[transport] = connection
        headers = {name.lower(): value for name, value in request.headers.items()}
        target, refusal = _NOWHERE, None
        try:
            target = parse_target(request.raw_path, headers.get("host", ""), self._addressing)
        except ServiceError as error:
            refusal = error
        record = RequestRecord(
            method=request.method,
            bucket=target.bucket,
            key=target.key,
            query=target.parameters,
            headers=headers,
            range=headers.get("range"),
            connection_id=connection.number,
            raw_target=request.raw_path,
            request_id=f"{self._request_id_prefix}{next(self._request_numbers):012X}",
        )
        if self._log is not None:
            self._log.add(record)
        answer = Answer()
        try:
            wish = self._wish(record)
            if wish.status is not None:
                answer = _answer_as_wished(wish, record)
            else:
                answer = await self._answer(record, target, headers, refusal)
            record.status = answer.status
            delay = self.latency + wish.delay
            if delay > 0:
                await asyncio.sleep(delay)
            reply_headers = self._reply_headers(answer, record, wish)
            return await send(
                request, answer, reply_headers, record, connection.pace, wish.cut_after
            )
        except ConnectionError:
            # aiohttp logs a traceback of what a handler raises, but none of a reply that finds its
            # connection closed, and this is such a one.
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
            return web.Response(status=408)
        finally:
            if answer.content is not None:
                answer.content.close()
            record.finished = time.monotonic()
            _logger.info(
                "%s %s %s -> %d %s, %d bytes in %.1f ms",
                record.method,
                _shown(record.raw_target),
                record.range or "-",
                record.status,
                record.code or "-",
                record.bytes_sent,
                (record.finished - record.started) * 1e3,
            )

    def _wish(self, record: RequestRecord) -> Reply:
        hook = self.on_request
        try:
            wish = None if hook is None else hook(record)
        except Exception:
            _logger.exception(
                "on_request failed for %s %s", record.method, _shown(record.raw_target)
            )
            return Reply(500, "InternalError")
        if isinstance(wish, Reply):
            return wish
        return Reply() if wish is None else Reply(delay=wish)

    async def _answer(
        self,
        record: RequestRecord,
        target: Target,
        headers: Mapping[str, str],
        refusal: ServiceError | None,
    ) -> Answer:
        try:
            if refusal is not None:
                raise refusal
            return await self._service.answer(record.method, target, headers)
        except ServiceError as error:
            return _error_answer(error, record)
        except Exception:
            _logger.exception("cannot answer %s %s", record.method, _shown(record.raw_target))
            return _error_answer(ServiceError("InternalError"), record)

    def _reply_headers(self, answer: Answer, record: RequestRecord, wish: Reply) -> dict[str, str]:
        headers = {"Server": "AliyunOSS", "x-oss-request-id": record.request_id}
        headers.update(answer.headers)
        elapsed_ms = (time.monotonic() - record.started) * 1e3
        headers["x-oss-server-time"] = str(int(elapsed_ms))
        for name, value in wish.headers.items():
            for known in [known for known in headers if known.lower() == name.lower()]:
                del headers[known]
            if value:
                headers[name] = value
        return headers


def _shown(target: str) -> str:
    return _SECRET.sub(r"\1[redacted]", target)


def _error_answer(error: ServiceError, record: RequestRecord) -> Answer:
    record.code = error.code
    body = error.xml(record.request_id, record.headers.get("host", ""))
    headers = {"Content-Type": "application/xml", "x-oss-ec": error.ec, **error.headers}
    if record.method == "HEAD":
        headers["x-oss-err"] = head_error_header(body)
        body = b""
    return Answer(error.status, headers, body)


def _answer_as_wished(wish: Reply, record: RequestRecord) -> Answer:
    if wish.code and wish.body is None:
        return _error_answer(ServiceError(wish.code, status=wish.status), record)
    record.code = wish.code
    return Answer(wish.status or 200, {}, wish.body or b"")
