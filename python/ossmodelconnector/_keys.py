"""What every source of credentials gives in the end: a key pair, its token, and when they end."""

from __future__ import annotations

import inspect
import math
import re
from datetime import datetime, timezone
from typing import Any, NamedTuple

from ossmodelconnector._errors import CredentialsError

__all__: list[str] = []

_SECRET_IN_A_TEXT = re.compile(
    r"""((?:secret|token)\w*\\?["']?\s*[:=]\s*\\?["']?)[^\s"',&}\\]+""", re.IGNORECASE
)


class Keys(NamedTuple):
    """A key pair, its token (``""``: none), and when it ends in unix seconds (None: unknown).

    Empty keys are anonymity: requests go unsigned.
    """

    access_key_id: str
    access_key_secret: str
    security_token: str
    expiration: float | None

    def __repr__(self) -> str:
        return "<Keys: not shown>"


class UnusableCredentialsError(ValueError):
    """What a provider gave cannot be used. The text goes on from the provider's name."""


class NoMetadataError(CredentialsError):
    """There is no metadata service, or it knows of no role: this is no ECS instance with one."""


def adapt(credentials: Any) -> Keys:
    """Makes Keys of what a provider gave, in any shape, or raises UnusableCredentialsError.

    Expiry is not judged here: this machine's clock may be off, the store's is what counts.
    """
    if credentials is None:
        raise UnusableCredentialsError("gave None for credentials")
    if inspect.iscoroutine(credentials):
        credentials.close()  # it never runs; without this Python warns of it
        raise UnusableCredentialsError("gave a coroutine: its method must not be async")

    def field(name: str) -> str:
        value = _value_of(credentials, name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise UnusableCredentialsError(f"gave {name} as {type(value).__name__}, not str")
        return value

    if _value_of(credentials, "access_key_id") == _value_of(credentials, "access_key_secret") == "":
        return Keys("", "", "", None)
    keys = Keys(
        field("access_key_id"),
        field("access_key_secret"),
        field("security_token"),
        _unix_seconds(_value_of(credentials, "expiration")),
    )
    for name in ("access_key_id", "access_key_secret"):
        if not getattr(keys, name):
            kind = type(credentials).__name__
            raise UnusableCredentialsError(f"gave a {kind} that has no {name}, or an empty one")
    for name, value in zip(Keys._fields, keys[:3]):
        # Most often a line break at the end of a variable or a file.
        if not all("!" <= char <= "~" for char in value):
            raise UnusableCredentialsError(
                f"gave {name} with a blank, a line break or a non-ASCII character in it: "
                "set it without"
            )
    return keys


def without_secret_values(text: str) -> str:
    """For texts of others: replies and URLs of credential services stand in them."""
    return _SECRET_IN_A_TEXT.sub(r"\1[redacted]", text)


def _value_of(credentials: Any, name: str) -> Any:
    getter = getattr(credentials, f"get_{name}", None)
    return getter() if callable(getter) else getattr(credentials, name, None)


def _unix_seconds(expiration: Any) -> float | None:
    if expiration is None:
        return None
    if isinstance(expiration, datetime):
        if expiration.tzinfo is None:
            expiration = expiration.replace(tzinfo=timezone.utc)
        return float(expiration.timestamp())
    if isinstance(expiration, (int, float)) and not isinstance(expiration, bool):
        try:
            return float(expiration)
        except OverflowError:
            return math.inf
    kind = type(expiration).__name__
    raise UnusableCredentialsError(f"gave expiration as {kind}, not datetime or unix seconds")
