"""What may be a provider of credentials. Who asks it: `_renewal`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any, Protocol

from ossmodelconnector import _log
from ossmodelconnector._credentials_chain import DefaultChain
from ossmodelconnector._credentials_files import CredentialsFileProvider
from ossmodelconnector._keys import Keys, adapt

__all__ = ["AnonymousCredentialsProvider", "CredentialsProvider"]

_SHAPES = (
    "an object with get_credentials(), as the providers of oss2.credentials and of "
    "alibabacloud_oss_v2.credentials are, or with get_credential(), as "
    "alibabacloud_credentials.client.Client is"
)
_KEY_PAIR = "for a key pair that is oss2.credentials.StaticCredentialsProvider(id, secret)"


class CredentialsProvider(Protocol):
    """What `cred_provider` takes: anything with this method.

    It returns an object with methods ``get_access_key_id()``, ``get_access_key_secret()`` and
    ``get_security_token()``, as oss2 has, or with attributes ``access_key_id``,
    ``access_key_secret`` and ``security_token``, as alibabacloud-oss-v2 has. ``expiration``
    (datetime in UTC, or unix seconds), an attribute or a method ``get_expiration()``, tells when
    they end; without it they are asked for anew from time to time, and when the server refuses
    them. Two empty strings as keys are anonymity: requests go unsigned.

    An object with ``get_credential()`` in its place is taken too, as
    ``alibabacloud_credentials.client.Client`` is.

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


class CredentialClient(Protocol):
    """The other shape that `cred_provider` takes: as alibabacloud_credentials' Client has it."""

    def get_credential(self) -> Any:
        """Returns the keys to use now, as `CredentialsProvider.get_credentials` does."""


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
        return f"{type(self).__name__}()"


def pickled_provider(provider: object) -> object:
    """What a connector's pickle holds for `provider`: of ours no private class, but its argument.

    That is the path of a credentials file, or None for the environment.
    """
    if isinstance(provider, CredentialsFileProvider):
        return str(provider.path)
    return None if isinstance(provider, DefaultChain) else provider


def restored_provider(pickled: Any) -> Any:
    """The provider that `pickled_provider` told of."""
    if isinstance(pickled, str):
        return CredentialsFileProvider(pickled)
    return DefaultChain() if pickled is None else pickled


def check_provider(provider: object) -> None:
    """Raises TypeError unless `provider` is of a shape that can be asked."""
    if is_anonymous(provider):
        return
    if isinstance(provider, type):
        raise TypeError(
            f"cred_provider must be {_SHAPES}, not a class: call {provider.__name__}(...) first"
        )
    method = _method_of(provider)
    if method is None:
        kind = f"{type(provider).__module__}.{type(provider).__qualname__}".replace("builtins.", "")
        raise TypeError(f"cred_provider must be {_SHAPES}, not {kind}; {_meant_by(provider)}")
    if inspect.iscoroutinefunction(method):
        raise TypeError(f"cred_provider must be {_SHAPES}; its method must not be async")


def is_anonymous(provider: object) -> bool:
    """Whether to send unsigned requests: by our provider, or by what the SDKs have for it."""
    kinds: list[Any] = [AnonymousCredentialsProvider]
    for module, name in (
        ("alibabacloud_oss_v2.credentials", "AnonymousCredentialsProvider"),
        ("oss2", "AnonymousAuth"),
    ):
        # Whoever has an instance has imported it.
        kind = getattr(sys.modules.get(module), name, None)
        if isinstance(kind, type):
            kinds.append(kind)
    return isinstance(provider, tuple(kinds))


def read_now(provider: object) -> Keys | None:
    """Keys that are known at construction, without a request.

    Those of a credentials file, whose faults are told there, and those that `from_env` has found.
    """
    if isinstance(provider, CredentialsFileProvider):
        return provider.get_credentials()
    return provider.found if isinstance(provider, DefaultChain) else None


def ask(provider: object) -> Keys:
    """Asks a provider that passed `check_provider`, and whatever it raises, raises."""
    method: Any = _method_of(provider)
    keys = adapt(method())
    if not keys.access_key_id:
        # So that it is found where a 403 is a riddle.
        _log.logger.info("%s gave empty keys: requests go unsigned", name_of(provider))
    return keys


def _method_of(provider: object) -> Callable[[], Any] | None:
    """How to ask. alibabacloud_credentials' Client has a get_credentials(config) that makes one."""
    for name in ("get_credentials", "get_credential"):
        method = getattr(provider, name, None)
        if not callable(method):
            continue
        try:
            inspect.signature(method).bind()
        except TypeError:
            continue  # it takes arguments
        except ValueError:
            pass  # built in, and has none that can be read
        found: Callable[[], Any] = method
        return found
    return None


def _meant_by(provider: object) -> str:
    """What to write for something that is no provider."""
    if hasattr(provider, "_sign_request"):  # oss2's Auth and its like
        if callable(getattr(getattr(provider, "credentials_provider", None), "get_credentials", 0)):
            return f"give its provider, auth.credentials_provider; {_KEY_PAIR}"
        return f"an Auth signs requests of oss2; {_KEY_PAIR}, with a token as its third argument"
    if callable(getattr(provider, "get_access_key_id", None)) or hasattr(provider, "access_key_id"):
        return f"these are credentials, not what gives them; {_KEY_PAIR}"
    if callable(provider):
        return (
            "for a function that gives credentials that is "
            "alibabacloud_oss_v2.credentials.CredentialsProviderFunc(function)"
        )
    if isinstance(provider, str):
        return f"for a file with keys that is cred_path=; {_KEY_PAIR}"
    return _KEY_PAIR


def name_of(provider: object) -> str:
    """What errors call a provider."""
    if isinstance(provider, CredentialsFileProvider):
        return f"credentials file {str(provider.path)!r}"
    return f"credentials provider {type(provider).__qualname__}"
