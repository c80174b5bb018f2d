"""Which bucket, key and query parameters the raw request target and the Host header name.

The target is taken apart byte by byte as it came: dot segments, ``//`` and ``%2F`` stay what they
are, and percent-encoding is undone exactly once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote_to_bytes

from ossmodelconnector.local._errors import ServiceError

_BUCKET_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61})[a-z0-9]", re.ASCII)
_ABSOLUTE_FORM = re.compile(r"https?://([^/?#]*)(.*)", re.ASCII | re.DOTALL | re.IGNORECASE)

MAX_KEY_BYTES = 1023


@dataclass(frozen=True)
class Target:
    """What a request is about.

    Attributes:
        bucket: ``""`` for the service itself.
        key: ``""`` for the bucket itself.
        query: the parameters in the order they came, decoded.
    """

    bucket: str
    key: str
    query: tuple[tuple[str, str], ...]

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The query as a dict; the first of equal names counts."""
        return dict(reversed(self.query))

    @property
    def resource(self) -> str:
        """What signatures call the resource: ``/``, ``/bucket/`` or ``/bucket/key``."""
        return f"/{self.bucket}/{self.key}" if self.bucket else "/"


class Addressing:
    """Knows which hosts stand for a bucket.

    Args:
        base_domains: endpoints under which ``bucket.domain`` is the bucket.
        cnames: custom domains, each bound to a bucket.
    """

    def __init__(self, base_domains: Sequence[str], cnames: Mapping[str, str]) -> None:
        self._base_domains = tuple(domain.lower().strip(".") for domain in base_domains)
        self._cnames = {host.lower(): bucket for host, bucket in cnames.items()}

    def locate(self, host: str) -> tuple[str, bool]:
        """Returns the bucket that `host` stands for, or ``""``, and whether paths may name one."""
        name = _without_port(host)
        if name in self._cnames:
            return self._cnames[name], False
        if name in self._base_domains:
            return "", False
        for domain in (*self._base_domains, "localhost"):
            if name.endswith("." + domain):
                return name[: -len(domain) - 1], False
        return "", True

    def serves_name(self, name: str) -> bool:
        """Whether `name` is a host that this server answers for by name."""
        name = name.lower()
        suffixes = tuple("." + domain for domain in (*self._base_domains, "localhost"))
        return name in self._cnames or name in self._base_domains or name.endswith(suffixes)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0][1:].lower()
    return host.partition(":")[0].lower().rstrip(".")


def parse_target(raw: str, host: str, addressing: Addressing) -> Target:
    """Takes a raw request target apart.

    Args:
        raw: the target as it stood in the request line, undecodable bytes as surrogates.
        host: value of the Host header.
        addressing: which hosts stand for a bucket.

    Raises:
        ServiceError: the name is not one the service has, or the target is not UTF-8.

    Example:
        >>> parse_target("/b-1/x%2541/../y?prefix=a+b", "127.0.0.1", Addressing((), {}))
        Target(bucket='b-1', key='x%41/../y', query=(('prefix', 'a b'),))
    """
    absolute = _ABSOLUTE_FORM.fullmatch(raw)
    if absolute is not None:
        host, raw = absolute.groups()
    path, _, query_text = raw.partition("?")
    query = tuple(
        (_decoded_parameter(name), _decoded_parameter(value))
        for name, _, value in (item.partition("=") for item in query_text.split("&") if item)
    )
    path = path[1:] if path.startswith("/") else path
    bucket, path_may_name_bucket = addressing.locate(host)
    if bucket:
        key = path
    elif path_may_name_bucket:
        name, _, key = path.partition("/")
        bucket = _decoded(name, "InvalidBucketName")
    elif path:
        raise ServiceError("SecondLevelDomainForbidden")
    else:
        key = ""
    if bucket and _BUCKET_NAME.fullmatch(bucket) is None:
        raise ServiceError("InvalidBucketName", details=[("BucketName", bucket)])
    target = Target(bucket, _decoded(key, "InvalidObjectName"), query)
    if target.key:
        check_key(target.key)
    return target


def check_key(key: str) -> None:
    """Raises a ServiceError, InvalidObjectName, if the service allows no such key."""
    try:
        size = len(key.encode("utf-8"))
    except UnicodeEncodeError:
        size = 0
    if not 1 <= size <= MAX_KEY_BYTES or key[0] in "/\\":
        raise ServiceError("InvalidObjectName", details=[("ObjectName", key)])


def is_bucket_name(name: str) -> bool:
    """Whether the service allows a bucket of that name."""
    return _BUCKET_NAME.fullmatch(name) is not None


def _decoded(text: str, code: str) -> str:
    try:
        return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8")
    except UnicodeDecodeError:
        raise ServiceError(code, "The name is not valid UTF-8.") from None


def _decoded_parameter(text: str) -> str:
    # Unlike in a path, a plus sign here is a space: some clients send queries as forms do.
    return _decoded(text.replace("+", "%20"), "InvalidArgument")
