"""Keys that are had from the machine itself, by plain HTTP: the ECS RAM role, a credentials URI.

These services are one hop away: they are asked without a proxy, and not for long.
"""

from __future__ import annotations

import http.client
import io
import json
import re
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from ossmodelconnector._credentials_files import credentials_in_document
from ossmodelconnector._errors import CredentialsError
from ossmodelconnector._keys import Keys, NoMetadataError, UnusableCredentialsError, adapt

__all__: list[str] = []

# Where ECS instances find their metadata.
ADDRESS = ("100.100.100.200", 80)
_ROLES = "/latest/meta-data/ram/security-credentials/"
_ROLE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TOKEN = "/latest/api/token"
_TOKEN_SECONDS = 21600  # as long as Alibaba Cloud's own tools ask for
# Where there is no such service, the two requests that find it out take a second together.
_PATIENCE_SECONDS = 0.5
# Once it has answered, it may take its time.
_ANSWER_SECONDS = 2.0
_URI_SECONDS = 2.0
_URI_TRIES = 3
_URI_PAUSE_SECONDS = 0.2
_MAX_BODY_BYTES = 64 << 10


class _Answer(NamedTuple):
    status: int
    body: bytes


class EcsRole:
    """The RAM role of this ECS instance.

    The newer protocol, which begins with a token, is tried first; a service that does not know it,
    or whose reply to it cannot reach a container, is asked without one.

    Args:
        role: the role's name; ``""``: the service tells it.
        needs_token: never ask without a token.
    """

    def __init__(self, role: str = "", *, needs_token: bool = False) -> None:
        self._role = role
        self._needs_token = needs_token
        self._seconds = _PATIENCE_SECONDS

    def get_credentials(self) -> Keys:
        """Asks for the keys.

        Raises:
            NoMetadataError: there is no such service, or no role.
            CredentialsError: it gave none.
        """
        try:
            return self._ask_for_keys()
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, CredentialsError):
                raise
            fault = f"no answer from {ADDRESS[0]}: {type(error).__name__}"
            raise NoMetadataError(f"the ECS RAM role ({fault})") from None

    def _ask_for_keys(self) -> Keys:
        token = self._ask_for_token()
        headers = {"X-aliyun-ecs-metadata-token": token} if token else {}
        role = self._role
        if not role:
            role = self._get(_ROLES, headers).decode("ascii", "replace").strip()
            if not _ROLE.fullmatch(role):
                # A portal, say, that answers whatever it is asked.
                raise NoMetadataError(f"the ECS RAM role ({ADDRESS[0]} names none)")
        body = self._get(_ROLES + quote(role), headers)
        return _keys_in(body, f"the ECS RAM role {role[:64]!r}")

    def _ask_for_token(self) -> str:
        headers = {"X-aliyun-ecs-metadata-token-ttl-seconds": str(_TOKEN_SECONDS)}
        try:
            answer = _exchange("PUT", ADDRESS, _TOKEN, headers, self._seconds)
        except (OSError, http.client.HTTPException):
            if self._needs_token:
                raise
            return ""
        self._seconds = _ANSWER_SECONDS
        if answer.status == 200:
            return "".join(answer.body.decode("latin-1").split())
        if self._needs_token:
            raise CredentialsError(
                f"{ADDRESS[0]} gave no token (status {answer.status}), and "
                "ALIBABA_CLOUD_IMDSV1_DISABLED forbids to ask without one"
            )
        return ""

    def _get(self, path: str, headers: dict[str, str]) -> bytes:
        answer = _exchange("GET", ADDRESS, path, headers, self._seconds)
        self._seconds = _ANSWER_SECONDS
        if answer.status == 200 and answer.body.strip():
            return answer.body
        has_none = "has none: " if answer.status == 404 else ""
        raise NoMetadataError(f"the ECS RAM role ({ADDRESS[0]} {has_none}status {answer.status})")


class CredentialsUri:
    """What ALIBABA_CLOUD_CREDENTIALS_URI names: an http or https URL that gives keys as JSON."""

    def __init__(self, uri: str) -> None:
        try:
            parts = urlsplit(uri)
            port = parts.port or {"http": 80, "https": 443}[parts.scheme]
            host = (parts.hostname or "").encode("idna").decode()
            path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            self._target = quote(path, safe="/?%:@!$&'()*+,;=~")
        except (ValueError, KeyError):
            host = ""
        if not host:
            # Not shown: there may be a secret in it.
            raise CredentialsError(
                "ALIBABA_CLOUD_CREDENTIALS_URI is no URL like http://localhost:7002/path"
            )
        self._address = (host, port)
        self._is_tls = parts.scheme == "https"

    def get_credentials(self) -> Keys:
        """Asks for the keys.

        Raises:
            CredentialsError: there is no answer, or no keys in it.
        """
        host, port = self._address
        name = f"ALIBABA_CLOUD_CREDENTIALS_URI ({host}:{port})"
        fault = ""
        # Mostly a helper process beside this one, which may just be starting.
        for pause in (0, *[_URI_PAUSE_SECONDS] * (_URI_TRIES - 1)):
            time.sleep(pause)
            try:
                answer = _exchange(
                    "GET", self._address, self._target, {}, _URI_SECONDS, self._is_tls
                )
            except (OSError, http.client.HTTPException) as error:
                fault = f"gave no answer: {type(error).__name__}"
                continue
            if answer.status == 200:
                return _keys_in(answer.body, name)
            fault = f"gave status {answer.status}"
            if answer.status < 500:
                break
        raise CredentialsError(f"{name} {fault}")


def _keys_in(body: bytes, name: str) -> Keys:
    try:
        document = json.loads(body)
        if not isinstance(document, dict):
            raise UnusableCredentialsError("gave no JSON object")
        code = document.get("Code", "Success")
        if code != "Success":
            raise UnusableCredentialsError(f"gave Code {str(code)[:40]!r}")
        return adapt(credentials_in_document(document))
    except UnusableCredentialsError as error:
        raise CredentialsError(f"{name} {error}") from None
    except (ValueError, RecursionError):
        raise CredentialsError(
            f"{name} gave no JSON with AccessKeyId and AccessKeySecret"
        ) from None


class _BoundedStream(io.RawIOBase):
    """A socket as http.client reads it, all of it until one moment, however the bytes come in."""

    def __init__(self, sock: socket.socket, seconds_left: Callable[[], float]) -> None:
        self._sock = sock
        self._seconds_left = seconds_left

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._seconds_left())
        return self._sock.recv_into(buffer)


def _exchange(
    method: str,
    address: tuple[str, int],
    target: str,
    headers: dict[str, str],
    seconds: float,
    is_tls: bool = False,
) -> _Answer:
    """One request on a connection of its own, over within `seconds` but for the name's look-up."""
    deadline = time.monotonic() + seconds

    def seconds_left() -> float:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        return left

    host, port = address
    name = f"[{host}]" if ":" in host else host
    lines = [f"{method} {target} HTTP/1.1", f"Host: {name}:{port}", "Connection: close"]
    if method == "PUT":
        lines.append("Content-Length: 0")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(address, timeout=seconds) as plain:
        plain.settimeout(seconds_left())
        sock = _with_tls(plain, host) if is_tls else plain
        with sock:
            sock.settimeout(seconds_left())
            sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
            stream: Any = _BoundedStream(sock, seconds_left)
            response = http.client.HTTPResponse(stream, method=method)
            response.begin()
            body = response.read(_MAX_BODY_BYTES)
            response.close()
            return _Answer(response.status, body)


def _with_tls(sock: socket.socket, host: str) -> socket.socket:
    return ssl.create_default_context().wrap_socket(sock, server_hostname=host)
