"""What may be a provider of credentials, and the thread that asks it.

The core never calls a provider. When its cache is empty, old or refused by the server, it raises a
flag; one daemon thread a connector, the refresher, sees it, asks the provider, and puts the answer
or the failure into the core. So a slow provider holds up no transfer that has usable keys.
"""

from __future__ import annotations

import inspect
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from ossmodelconnector import _core, _log, _process
from ossmodelconnector._credentials_chain import ALIBABA_VARIABLES, OSS_VARIABLES, DefaultChain
from ossmodelconnector._credentials_files import CredentialsFileProvider
from ossmodelconnector._errors import CredentialsError
from ossmodelconnector._keys import Keys, UnusableCredentialsError, adapt, without_secret_values

__all__ = ["AnonymousCredentialsProvider", "CredentialsProvider"]

_SHAPES = (
    "an object with get_credentials(), as the providers of oss2.credentials and of "
    "alibabacloud_oss_v2.credentials are, or with get_credential(), as "
    "alibabacloud_credentials.client.Client is"
)
_KEY_PAIR = "for a key pair that is oss2.credentials.StaticCredentialsProvider(id, secret)"
_MAX_MESSAGE = 500


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
        """Returns the keys to use now. Called from a thread of the library, one call at a time."""


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
        _log.logger.info("%s gave empty keys: requests go unsigned", _name_of(provider))
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


def _name_of(provider: object) -> str:
    if isinstance(provider, CredentialsFileProvider):
        return f"credentials file {str(provider.path)!r}"
    return f"credentials provider {type(provider).__qualname__}"


class Refresher:
    """Feeds a connector's credentials cache from a provider, by one daemon thread.

    The thread is started by `start`, which every call that may send a request does first; it ends
    soon after `stop`. It refers to the feed and the provider, not to the connector, so that the
    connector can be collected. It waits in Python's own poll(), never inside the core: a daemon
    thread that is there when the interpreter ends is ended by force.
    """

    def __init__(self, feed: _core.CredentialsFeed, provider: object | None) -> None:
        # None: anonymous, there is nothing to ask.
        self._feed = feed
        self._provider: Any = provider
        self._keys: Keys | None = None
        self._known_secrets: set[str] = set()
        self._lock = threading.Lock()
        self._stopped = False
        self.started = provider is None

    def start(self) -> None:
        """Starts the thread if it does not run yet. Thread-safe, and cheap when it does."""
        if not self.started:
            self._start_thread()

    def stop(self) -> None:
        """Asks the thread to end, without waiting for it."""
        self._stopped = True
        if self.started and self._provider is not None:
            _wake(self._feed.event_fd)

    def put(self, keys: Keys) -> None:
        """Puts keys that are known already, before any request asks for them."""
        self._keys = keys
        self._known_secrets.update(filter(None, (keys.access_key_secret, keys.security_token)))
        self._feed.put(*keys)

    def successor(self, feed: _core.CredentialsFeed) -> Refresher:
        """For the child after a fork: a fresh refresher that starts with the keys held here."""
        successor = Refresher(feed, self._provider)
        successor._known_secrets = self._known_secrets
        keys = self._keys
        if keys is not None and (keys.expiration is None or keys.expiration > time.time()):
            successor.put(keys)
        return successor

    def ask(self) -> None:
        """Asks the provider once and hands the outcome to the core."""
        try:
            with _process.provider_calls:
                keys = ask(self._provider)
        # Even SystemExit: this is a failure of the provider, and requests wait for the answer.
        except BaseException as error:
            self._fail(error)
        else:
            self.put(keys)

    def _start_thread(self) -> None:
        with self._lock:
            if self.started or self._stopped:
                return
            thread = threading.Thread(
                target=self._run, name="ossmodelconnector-credentials", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:
                # No thread to be had (the interpreter ends, or a limit): ask here and now instead.
                self.ask()
                return
            self.started = True

    def _run(self) -> None:
        poller = select.poll()
        poller.register(self._feed.event_fd, select.POLLIN)
        while True:
            poller.poll()
            if self._stopped:
                return
            if self._feed.take_refresh_request():
                self.ask()

    def _fail(self, error: BaseException) -> None:
        name = _name_of(self._provider)
        if isinstance(error, CredentialsError):
            message = str(error)  # ours: it names the file, or the variables
        elif isinstance(error, UnusableCredentialsError):
            message = f"{name} {error}"
        else:
            message = f"{name} failed: {type(error).__name__}: {error}"
        message = self._redact(" ".join(message.split()))[:_MAX_MESSAGE]
        self._feed.put_failure(message)
        _log.hub.write(2, message)

    def _redact(self, text: str) -> str:
        secrets = set(self._known_secrets)
        for name in (*OSS_VARIABLES[1:], *ALIBABA_VARIABLES[1:]):
            secrets.add(os.environ.get(name, ""))
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, "[redacted]")
        return without_secret_values(text)


def _wake(event_fd: int) -> None:
    # An eventfd takes 8 bytes; that it is full, or closed already, means that nobody sleeps on it.
    with suppress(OSError):
        os.write(event_fd, (1).to_bytes(8, sys.byteorder))
