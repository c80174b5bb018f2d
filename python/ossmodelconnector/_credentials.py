"""Where the keys come from: providers and the credentials file. Who asks them: `_renewal`."""

from __future__ import annotations

import json
import os
import re
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ossmodelconnector._errors import CredentialsError

__all__ = ["AnonymousCredentialsProvider", "CredentialsProvider"]

_SHAPES = (
    "an object with get_credentials(), as the providers of oss2.credentials and of "
    "alibabacloud_oss_v2.credentials are"
)


class CredentialsProvider(Protocol):
    """What `cred_provider` takes: anything with this method.

    It returns an object with methods ``get_access_key_id()``, ``get_access_key_secret()`` and
    ``get_security_token()``, as oss2 has, or with attributes ``access_key_id``,
    ``access_key_secret`` and ``security_token``, as alibabacloud-oss-v2 has. An attribute
    ``expiration`` (datetime in UTC, or unix seconds) tells when they end; without it they are asked
    for anew from time to time, and when the server refuses them.

    Example:
        >>> import types
        >>> class FromVault:
        ...     def get_credentials(self):
        ...         return types.SimpleNamespace(access_key_id="id", access_key_secret="secret")
        >>> provider: CredentialsProvider = FromVault()
    """

    def get_credentials(self) -> Any:
        """Returns the keys to use now.

        Called in the thread of a caller of the connector, which waits meanwhile: so it needs time
        limits of its own. One call at a time for each connector.
        """


class Keys(NamedTuple):
    """A key pair, its token (``""``: none), and when it ends in unix seconds (None: unknown)."""

    access_key_id: str
    access_key_secret: str
    security_token: str
    expiration: float | None

    def __repr__(self) -> str:
        return "<Keys: not shown>"


class UnusableCredentialsError(ValueError):
    """What a provider gave cannot be used. The text goes on from the provider's name."""


class AnonymousCredentialsProvider:
    """Reads public buckets without keys: requests go unsigned.

    Example:
        >>> connector = OssModelConnector(
        ...     "https://oss-cn-hangzhou.aliyuncs.com",
        ...     cred_provider=AnonymousCredentialsProvider(),
        ... )
    """

    def get_credentials(self) -> Keys:
        """Returns empty keys."""
        return Keys("", "", "", None)

    def __repr__(self) -> str:
        return "AnonymousCredentialsProvider()"


class EnvironmentProvider:
    """OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and OSS_SESSION_TOKEN, read anew at each call."""

    def get_credentials(self) -> Keys:
        names = ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET")
        missing = [name for name in names if not os.environ.get(name)]
        if missing:
            raise CredentialsError(
                f"no credentials in the environment: set {' and '.join(missing)}, "
                "or pass cred_provider or cred_path"
            )
        token = os.environ.get("OSS_SESSION_TOKEN", "")
        return Keys(os.environ[names[0]], os.environ[names[1]], token, None)


class CredentialsFileProvider:
    """The credentials file of `cred_path`, read anew at each call.

    A JSON object with AccessKeyId, AccessKeySecret and, optionally, SecurityToken and Expiration
    (``2024-08-02T15:04:05Z``); other keys are ignored. Whoever renews the keys replaces the file
    before they expire.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()

    def __repr__(self) -> str:
        return f"CredentialsFileProvider({str(self.path)!r})"

    def get_credentials(self) -> Keys:
        try:
            text = self.path.read_text(encoding="utf-8")
        except OSError as error:
            raise self._fault(f"cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise self._fault("is not UTF-8 text") from None
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            # Where it broke, never what stood there.
            place = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
            raise self._fault(f"is not valid JSON{place}") from None
        if not isinstance(fields, dict):
            raise self._fault("holds no JSON object at its top")
        access_key_id = self._text(fields, "AccessKeyId", required=True)
        access_key_secret = self._text(fields, "AccessKeySecret", required=True)
        token = self._text(fields, "SecurityToken", required=False)
        expiration = self._text(fields, "Expiration", required=False)
        return Keys(access_key_id, access_key_secret, token, self._expires(expiration))

    def _text(self, fields: dict[str, Any], name: str, *, required: bool) -> str:
        value = fields.get(name)
        if value is None or value == "":
            if required:
                fault = "has no" if name not in fields else "has an empty"
                raise self._fault(f"{fault} {name}")
            return ""
        if not isinstance(value, str):
            raise self._fault(f"has a {name} that is not a string")
        return value

    def _expires(self, text: str) -> float | None:
        if not text:
            return None
        form = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z", text, re.ASCII)
        if form:
            try:
                moment = datetime.strptime(form[1], "%Y-%m-%dT%H:%M:%S")
            except ValueError:
                pass
            else:
                return moment.replace(tzinfo=timezone.utc).timestamp()
        raise self._fault(f"has Expiration {text[:40]!r}, which is not like 2024-08-02T15:04:05Z")

    def _fault(self, fault: str) -> CredentialsError:
        return CredentialsError(
            f"credentials file {str(self.path)!r} {fault}; it must be a JSON object with "
            "AccessKeyId, AccessKeySecret and, optionally, SecurityToken and Expiration"
        )


def pickled_provider(provider: object) -> object:
    """What a connector's pickle holds for `provider`: of ours no private class, but its argument.

    That is the path of a credentials file, or None for the environment.
    """
    if isinstance(provider, CredentialsFileProvider):
        return str(provider.path)
    return None if isinstance(provider, EnvironmentProvider) else provider


def restored_provider(pickled: Any) -> CredentialsProvider:
    """The provider that `pickled_provider` told of."""
    if isinstance(pickled, str):
        return CredentialsFileProvider(pickled)
    return EnvironmentProvider() if pickled is None else pickled


def check_provider(provider: object) -> None:
    """Raises TypeError unless `provider` is of a shape that can be asked."""
    if isinstance(provider, type):
        raise TypeError(
            f"cred_provider must be {_SHAPES}, not a class: call {provider.__name__}(...) first"
        )
    if not callable(getattr(provider, "get_credentials", None)):
        raise TypeError(
            f"cred_provider must be {_SHAPES}, not {type(provider).__name__}; for a key pair that "
            "is oss2.credentials.StaticCredentialsProvider(id, secret)"
        )


def is_anonymous(provider: object) -> bool:
    """Whether to send unsigned requests: our provider of that name, or alibabacloud-oss-v2's."""
    return type(provider).__name__ == "AnonymousCredentialsProvider"


def read_now(provider: CredentialsFileProvider) -> Keys:
    """Reads a credentials file whose absence or fault should be told before any request."""
    try:
        return adapt(provider.get_credentials())
    except UnusableCredentialsError as error:
        raise CredentialsError(f"{_name_of(provider)} {error}") from None


def adapt(credentials: Any) -> Keys:
    """Makes Keys of what a provider gave, in either shape, or raises UnusableCredentialsError."""
    if credentials is None:
        raise UnusableCredentialsError("gave None for credentials")

    def field(name: str, *, required: bool) -> str:
        getter = getattr(credentials, f"get_{name}", None)
        value = getter() if callable(getter) else getattr(credentials, name, None)
        if value is None or value == "":
            if required:
                kind = type(credentials).__name__
                raise UnusableCredentialsError(f"gave a {kind} that has no {name}, or an empty one")
            return ""
        if not isinstance(value, str):
            raise UnusableCredentialsError(f"gave {name} as {type(value).__name__}, not str")
        return value

    keys = Keys(
        field("access_key_id", required=True),
        field("access_key_secret", required=True),
        field("security_token", required=False),
        _unix_seconds(getattr(credentials, "expiration", None)),
    )
    check_keys(keys)
    return keys


def check_keys(keys: Keys) -> None:
    """Refuses keys that have expired or cannot go into a header. Shows none of them."""
    for name, value in zip(Keys._fields, keys[:3]):
        # Most often a line break at the end of a variable or a file.
        if not all("!" <= char <= "~" for char in value):
            raise UnusableCredentialsError(
                f"gave {name} with a blank, a line break or a non-ASCII character in it"
            )
    if keys.expiration is not None and keys.expiration <= time.time():
        # Not fromtimestamp: the number may be anything.
        ended = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(max(0.0, keys.expiration)))
        raise UnusableCredentialsError(f"gave credentials that expired at {ended}")


def _name_of(provider: object) -> str:
    if isinstance(provider, CredentialsFileProvider):
        return f"credentials file {str(provider.path)!r}"
    return f"credentials provider {type(provider).__qualname__}"


def _unix_seconds(expiration: Any) -> float | None:
    if expiration is None:
        return None
    if isinstance(expiration, datetime):
        if expiration.tzinfo is None:
            expiration = expiration.replace(tzinfo=timezone.utc)
        return float(expiration.timestamp())
    if isinstance(expiration, (int, float)) and not isinstance(expiration, bool):
        return float(expiration)
    kind = type(expiration).__name__
    raise UnusableCredentialsError(f"gave expiration as {kind}, not datetime or unix seconds")
