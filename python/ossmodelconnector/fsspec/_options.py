"""storage_options: which connector a file system has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ossmodelconnector._connector import OssModelConnector
from ossmodelconnector._credentials import AnonymousCredentialsProvider
from ossmodelconnector._default import connector_or_default
from ossmodelconnector._keys import Keys

__all__: list[str] = []

# What of them is secret, or says whose it is.
SECRET_OPTIONS = ("key", "secret", "token")


class _StaticKeys:
    """A provider of keys that do not change."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def get_credentials(self) -> Keys:
        return self._keys


def connector_of(
    *,
    endpoint: str | None,
    region: str | None,
    cred_path: Any,
    cred_provider: Any,
    config: Mapping[str, Any] | None,
    key: str | None,
    secret: str | None,
    token: str | None,
    anon: bool,
) -> OssModelConnector | None:
    """Returns a connector by these options; None where none is given: the process's own."""
    provider = cred_provider
    ways = [
        name
        for name, is_given in (
            ("cred_path", bool(cred_path)),
            ("cred_provider", cred_provider is not None),
            ("key and secret", bool(key or secret or token)),
            ("anon", bool(anon)),
        )
        if is_given
    ]
    if len(ways) > 1:
        raise ValueError(f"give one of {', '.join(ways[:-1])} and {ways[-1]}, not both")
    if key or secret or token:
        if not (key and secret):
            raise ValueError(f"a {'secret' if key else 'key'} is missing: give key= and secret=")
        provider = _StaticKeys(Keys(key, secret, token or "", None))
    elif anon:
        provider = AnonymousCredentialsProvider()
    if not any((endpoint, region, cred_path, config)) and provider is None:
        connector_or_default(None)  # tells now what is missing
        return None
    return OssModelConnector.from_env(
        endpoint=endpoint, region=region, cred_path=cred_path, cred_provider=provider, config=config
    )
