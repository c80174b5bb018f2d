"""LocalServer: what users and tests make, and what they may ask of it."""

from __future__ import annotations

import os
import socket
import warnings
import weakref
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType

from ossmodelconnector.local._http import HttpServer
from ossmodelconnector.local._record import OnRequest, RequestLog, RequestRecord
from ossmodelconnector.local._service import Service
from ossmodelconnector.local._signature import Credential, SignatureVerifier
from ossmodelconnector.local._store import DEFAULT_CONTENT_TYPE, Store
from ossmodelconnector.local._target import Addressing
from ossmodelconnector.local._tls import CertificateAuthority, serving_context, write_ca_file

DEFAULT_CREDENTIAL = Credential("local-access-key-id", "local-access-key-secret")

_SIGNATURES = ("any", "v1", "v4")


class LocalServer:
    """An OSS server on this machine, for tests and for trying things out. It only reads.

    It runs on a thread of its own from construction to `close()`. One that is dropped is closed
    too, with a ResourceWarning, and so is one that is there at the end of the program. What clients
    may do is what the service allows: signatures V1 and V4 in headers and URLs, HEAD, ranged GET
    with conditions, ListObjects V1 and V2, ListBuckets. IP addresses and localhost are addressed
    path style, ``bucket.localhost`` and names under `virtual_host` virtual-hosted style. Every
    method may be called from any thread.

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
        if isinstance(buckets, str):
            raise TypeError(f"buckets takes several names: buckets=[{buckets!r}]")
        credentials = _checked_credentials(credentials)
        if virtual_host is None:
            virtual_host = (f"oss-{region}.aliyuncs.com",)
        elif isinstance(virtual_host, str):
            virtual_host = (virtual_host,)
        addressing = Addressing(virtual_host, cnames or {})
        self._verifier = SignatureVerifier(credentials, signature, region)
        self._log = RequestLog() if log_requests else None
        self._host = host
        self._scheme = "https" if tls else "http"
        self._ca_file: Path | None = None
        listener = _listen(host, port)
        try:
            self._port = int(listener.getsockname()[1])
            context = None
            if tls:
                authority = CertificateAuthority()
                context = serving_context(authority, _reachable(host), addressing.serves_name)
                self._ca_file = write_ca_file(authority)
            self._store = Store(None if directory is None else Path(directory), buckets)
            self._service = Service(self._store, self._verifier, anonymous=anonymous, region=region)
            self._http = HttpServer(
                listener,
                context,
                self._ca_file,
                addressing,
                self._service,
                self._store,
                rate_per_connection,
                self._log,
            )
        except BaseException:
            listener.close()
            if self._ca_file is not None:
                self._ca_file.unlink(missing_ok=True)
            raise
        self._http.latency = latency
        self._end = weakref.finalize(self, _stop, self._http, os.getpid())

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
    def on_request(self) -> OnRequest | None:
        """Called with the `RequestRecord` of every request, on the server's thread.

        It must not block that; it returns what to do to the request, or None. None: no such hook.
        """
        return self._http.on_request

    @on_request.setter
    def on_request(self, hook: OnRequest | None) -> None:
        self._http.on_request = hook

    @property
    def latency(self) -> float:
        """Seconds before the first byte of every reply; may be changed at any time."""
        return self._http.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._http.latency = seconds

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
        self._check_open()
        _require_texts(bucket=bucket)
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
            TypeError: `data` is something else; a str must be encoded, or be made a Path. Also
                elsewhere: a name is no str.
            ValueError: the service allows no such key.
        """
        self._check_open()
        _require_texts(bucket=bucket, key=key)
        _require_data(data, (bytes, bytearray, memoryview, Path), "bytes or a pathlib.Path")
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
        self._check_open()
        _require_texts(bucket=bucket, key=key)
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
        self._check_open()
        _require_texts(bucket=bucket, key=key)
        _require_data(data, (bytes, bytearray, memoryview), "bytes")
        return self._store.put_version(bucket, key, bytes(data), checksum=crc64)

    def delete_version(self, bucket: str, key: str) -> str:
        """Deletes an object as in a versioned bucket: its latest version is a delete marker then.

        Returns:
            The marker's id.

        Raises:
            LookupError: there is no such bucket.
        """
        self._check_open()
        _require_texts(bucket=bucket, key=key)
        return self._store.delete_version(bucket, key)

    def set_credentials(self, *credentials: Credential) -> None:
        """Replaces the access keys that are accepted."""
        self._check_open()
        self._verifier.set_credentials(_checked_credentials(credentials))

    def deny(self, bucket: str, key: str | None = None) -> None:
        """Answers AccessDenied to requests for an object, or for everything in a bucket."""
        self._check_open()
        _require_texts(bucket=bucket, key=key or "")
        self._service.deny(bucket, key)

    def allow(self, bucket: str, key: str | None = None) -> None:
        """Takes back the `deny` of the same arguments."""
        self._check_open()
        _require_texts(bucket=bucket, key=key or "")
        self._service.allow(bucket, key)

    def wait_for_checksums(self, timeout: float | None = None) -> bool:
        """Waits until the CRC-64 of all files that were there at the start is known.

        Before that, a reply about a large file may come a second late and without one.

        Args:
            timeout: seconds; None waits for as long as it takes.

        Returns:
            Whether they are known now.
        """
        self._check_open()
        return self._store.wait_until_precomputed(timeout)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return not self._end.alive

    def close(self) -> None:
        """Closes all connections and ends the server. A second call does nothing."""
        self._end()

    def __enter__(self) -> LocalServer:
        self._check_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # What could not be made has no end.
        end = getattr(self, "_end", None)
        if end is not None and end.alive:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        return f"<LocalServer {self.endpoint}{', closed' if self.closed else ''}>"

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the local server is closed: make a new one")


def _stop(http: HttpServer, process: int) -> None:
    # In a forked child there is no thread to end, and the file is the parent's.
    if os.getpid() == process:
        http.stop()


def _require_texts(**names: object) -> None:
    for what, name in names.items():
        if not isinstance(name, str):
            raise TypeError(f"{what} must be str, not {type(name).__name__}")


def _require_data(data: object, kinds: tuple[type, ...], words: str) -> None:
    if not isinstance(data, kinds):
        raise TypeError(
            f"data must be {words}, not {type(data).__name__}: encode a text"
            + (", or make a Path of a file's name" if Path in kinds else "")
        )


def _checked_credentials(credentials: Iterable[Credential]) -> tuple[Credential, ...]:
    checked = (credentials,) if isinstance(credentials, Credential) else tuple(credentials)
    for credential in checked:
        if not isinstance(credential, Credential):
            raise TypeError(
                "credentials takes Credential(access_key_id, access_key_secret), not "
                f"{type(credential).__name__}"
            )
    return checked


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
