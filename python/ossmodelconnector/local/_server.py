"""The server itself: sockets, its thread, and what users and tests may ask of it."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from types import TracebackType
from weakref import WeakKeyDictionary

from aiohttp import web

from ossmodelconnector.local._errors import ServiceError, head_error_header
from ossmodelconnector.local._record import OnRequest, Reply, RequestLog, RequestRecord
from ossmodelconnector.local._sending import send
from ossmodelconnector.local._service import Answer, Service
from ossmodelconnector.local._signature import Credential, SignatureVerifier
from ossmodelconnector.local._store import DEFAULT_CONTENT_TYPE, Store
from ossmodelconnector.local._target import Addressing, Target, parse_target
from ossmodelconnector.local._throttle import Pace
from ossmodelconnector.local._tls import CertificateAuthority, serving_context, write_ca_file

_logger = logging.getLogger("ossmodelconnector.local")

DEFAULT_CREDENTIAL = Credential("local-access-key-id", "local-access-key-secret")

_SIGNATURES = ("any", "v1", "v4")
# A marker and a prefix of 1,023 bytes each are 6 KiB when percent-encoded, tokens longer.
_MAX_LINE_BYTES = 64 << 10
_KEEP_ALIVE_SECONDS = 60.0
_SHUTDOWN_SECONDS = 0.05
_NOWHERE = Target("", "", ())


class _Connection:
    """What belongs to one client connection."""

    def __init__(self, number: int, pace: Pace | None) -> None:
        self.number = number
        self.pace = pace


class LocalServer:
    """An OSS server on this machine, for tests and for trying things out. It only reads.

    It runs on a thread of its own from construction to `close()`. What clients may do is what the
    service allows: signatures V1 and V4 in headers and URLs, HEAD, ranged GET with conditions,
    ListObjects V1 and V2, ListBuckets. IP addresses and localhost are addressed path style,
    ``bucket.localhost`` and names under `virtual_host` virtual-hosted style. Every method may be
    called from any thread.

    Args:
        directory: folder whose sub-folders are buckets and whose files are objects; it may change
            while the server runs. None: what `put_object` adds is all there is.
        host: address or name to listen on, IPv6 without brackets.
        port: 0 for a free one.
        buckets: names of buckets to make.
        credentials: the access keys to accept.
        anonymous: whether requests without a signature may read.
        signature: the version to insist on, ``"v1"`` or ``"v4"``; ``"any"`` takes both.
        region: what V4 signatures must name, and where buckets say they are.
        tls: https, with a throw-away certificate authority; see `ca_file`.
        latency: seconds before the first byte of every reply.
        rate_per_connection: bytes per second on every connection, None for no limit.
        virtual_host: domains under which ``bucket.domain`` is a bucket; by default the public
            endpoint of `region`.
        cnames: custom domains, each with the bucket it is bound to.
        log_requests: whether `requests` fills.

    Attributes:
        on_request: called with the `RequestRecord` of every request, on the server's thread, which
            it must not block; returns what to do to the request, or None. None for no such hook.
        latency: as above; may be changed at any time.

    Raises:
        OSError: the address cannot be listened on, or `directory` is no folder.
        ValueError: an argument makes no sense.

    Example:
        >>> with LocalServer(buckets=["models"]) as server:
        ...     server.put_object("models", "a.bin", b"weights")
        ...     server.endpoint.startswith("http://127.0.0.1:")
        True
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        buckets: Iterable[str] = (),
        credentials: Iterable[Credential] = (DEFAULT_CREDENTIAL,),
        anonymous: bool = False,
        signature: str = "any",
        region: str = "cn-hangzhou",
        tls: bool = False,
        latency: float = 0.0,
        rate_per_connection: float | None = None,
        virtual_host: Sequence[str] | None = None,
        cnames: Mapping[str, str] | None = None,
        log_requests: bool = True,
    ) -> None:
        if signature not in _SIGNATURES:
            raise ValueError(f"signature must be one of {', '.join(_SIGNATURES)}: {signature!r}")
        if rate_per_connection is not None and rate_per_connection <= 0:
            raise ValueError(f"rate_per_connection must be positive: {rate_per_connection!r}")
        if latency < 0:
            raise ValueError(f"latency must not be negative: {latency!r}")
        if virtual_host is None:
            virtual_host = (f"oss-{region}.aliyuncs.com",)
        elif isinstance(virtual_host, str):
            virtual_host = (virtual_host,)
        self.on_request: OnRequest | None = None
        self.latency = latency
        self._rate = rate_per_connection
        self._addressing = Addressing(virtual_host, cnames or {})
        self._verifier = SignatureVerifier(credentials, signature, region)
        self._log = RequestLog() if log_requests else None
        self._connections: WeakKeyDictionary[asyncio.BaseTransport, _Connection] = (
            WeakKeyDictionary()
        )
        self._numbers = count(1)
        self._request_numbers = count(1)
        self._request_id_prefix = secrets.token_hex(6).upper()
        self._ca_file: Path | None = None
        self._closed = False
        self._listener = _listen(host, port)
        try:
            self._port = int(self._listener.getsockname()[1])
            self._host = host
            self._scheme = "https" if tls else "http"
            context = None
            if tls:
                authority = CertificateAuthority()
                context = serving_context(authority, _reachable(host), self._addressing.serves_name)
                self._ca_file = write_ca_file(authority)
            self._store = Store(None if directory is None else Path(directory), buckets)
        except BaseException:
            self._listener.close()
            self._remove_ca_file()
            raise
        self._service = Service(self._store, self._verifier, anonymous=anonymous, region=region)
        # uvloop, if it were the default, has no sendfile.
        self._loop = asyncio.SelectorEventLoop()
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(context, started), name="ossmc-local-server", daemon=True
        )
        self._thread.start()
        started.result()

    @property
    def endpoint(self) -> str:
        """Scheme, host and port to connect to, such as ``http://127.0.0.1:41725``."""
        host = _reachable(self._host)
        return f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{self._port}"

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return self._port

    @property
    def ca_file(self) -> str | None:
        """PEM file with the certificate to trust, there until `close()`; None without TLS."""
        return None if self._ca_file is None else str(self._ca_file)

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests so far, oldest first: the last 20,000 at most."""
        return [] if self._log is None else self._log.snapshot()

    def reset_requests(self) -> None:
        """Empties `requests`."""
        if self._log is not None:
            self._log.clear()

    def create_bucket(self, bucket: str) -> None:
        """Makes an empty bucket; one that is there stays as it is.

        Raises:
            ValueError: the service allows no such name.
        """
        self._store.create_bucket(bucket)

    def put_object(
        self,
        bucket: str,
        key: str,
        data: bytes | bytearray | memoryview | Path,
        *,
        storage_class: str = "Standard",
        last_modified: datetime | float | None = None,
        object_type: str | None = None,
        content_type: str = DEFAULT_CONTENT_TYPE,
        etag: str | None = None,
        crc64: bool | int = True,
    ) -> None:
        """Adds an object, or replaces it. It is kept in memory; the folder stays as it is.

        It has no versions; those that `put_version` made are forgotten.

        Args:
            bucket: which one; it must exist.
            key: every key that the service allows, also those that no file can have.
            data: the content, or the path of a file to read it from at every request.
            storage_class: e.g. ``"Archive"``, whose objects cannot be read.
            last_modified: aware datetime or Unix time; by default now, or the file's.
            object_type: by default ``"Normal"`` for small objects, ``"Multipart"`` for others.
            content_type: value of the Content-Type header.
            etag: by default the MD5 of small objects, and one per version for others.
            crc64: True for the right checksum, False for none, a number for that number.

        Raises:
            LookupError: there is no such bucket.
            ValueError: the service allows no such key.
        """
        if isinstance(last_modified, datetime):
            last_modified = last_modified.timestamp()
        self._store.put(
            bucket,
            key,
            data if isinstance(data, (bytes, Path)) else bytes(data),
            storage_class=storage_class,
            object_type=object_type,
            content_type=content_type,
            last_modified=last_modified,
            etag=etag,
            checksum=crc64,
        )

    def delete_object(self, bucket: str, key: str) -> None:
        """Makes an object disappear, with its versions; a file of the folder is only hidden."""
        self._store.delete(bucket, key)

    def put_version(self, bucket: str, key: str, data: bytes, *, crc64: bool | int = True) -> str:
        """Adds a version of an object, as in a versioned bucket; it becomes the current one.

        Replies about the object then have x-oss-version-id, and its versions can be asked for by
        ``versionId``. An object that `put_object` made before has none; it is replaced.

        Args:
            bucket: which one; it must exist.
            key: every key that the service allows.
            data: the content, which is kept in memory.
            crc64: as for `put_object`.

        Returns:
            The version's id.

        Raises:
            LookupError: there is no such bucket.
            ValueError: the service allows no such key.

        Example:
            >>> server.create_bucket("models")
            >>> first = server.put_version("models", "a.bin", b"first")
            >>> first != server.put_version("models", "a.bin", b"second")
            True
        """
        return self._store.put_version(bucket, key, bytes(data), checksum=crc64)

    def delete_version(self, bucket: str, key: str) -> str:
        """Deletes an object as in a versioned bucket: its latest version is a delete marker then.

        Returns:
            The marker's id.

        Raises:
            LookupError: there is no such bucket.
        """
        return self._store.delete_version(bucket, key)

    def set_credentials(self, *credentials: Credential) -> None:
        """Replaces the access keys that are accepted."""
        self._verifier.set_credentials(credentials)

    def deny(self, bucket: str, key: str | None = None) -> None:
        """Answers AccessDenied to requests for an object, or for everything in a bucket."""
        self._service.deny(bucket, key)

    def allow(self, bucket: str, key: str | None = None) -> None:
        """Takes back the `deny` of the same arguments."""
        self._service.allow(bucket, key)

    def wait_for_checksums(self, timeout: float | None = None) -> bool:
        """Waits until the CRC-64 of all files that were there at the start is known.

        Before that, a reply about a large file may come a second late and without one.

        Args:
            timeout: seconds; None waits for as long as it takes.

        Returns:
            Whether they are known now.
        """
        return self._store.wait_until_precomputed(timeout)

    def close(self) -> None:
        """Closes all connections and ends the server. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._store.close()
        self._remove_ca_file()

    def __enter__(self) -> LocalServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _remove_ca_file(self) -> None:
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
                record.raw_target,
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
            _logger.exception("on_request failed for %s %s", record.method, record.raw_target)
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
            _logger.exception("cannot answer %s %s", record.method, record.raw_target)
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


def _listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens on the first address of `host`, an IPv4 one if it has one."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = min(found, key=lambda item: item[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listener


def _reachable(host: str) -> str:
    """Returns the address to connect to where `host` means every address of the machine."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
