"""Renewal: who asks a connector's credentials provider, and what becomes of the answer.

The core never calls a provider, and there is no thread that would. When its cache is empty, old or
refused by the server, the next caller asks: one that waits for bytes, at once; one that has keys
which end soon, before its own work. It does so in its own thread, with no lock of the core held.
One caller asks at a time; others wait for the answer, as they wait for bytes.
"""

from __future__ import annotations

import os
import time
from contextvars import ContextVar
from typing import Any

from ossmodelconnector import _core, _log, _process
from ossmodelconnector._credentials import ask, name_of
from ossmodelconnector._credentials_chain import ALIBABA_VARIABLES, OSS_VARIABLES
from ossmodelconnector._errors import CredentialsError
from ossmodelconnector._keys import Keys, UnusableCredentialsError, without_secret_values

__all__: list[str] = []

_MAX_MESSAGE = 500
# How long a caller lets the greenlet of its thread that asks go on, before it looks again itself.
_YIELD_SECONDS = 0.1
_YIELD_STEP_SECONDS = 0.005

# The renewals whose providers run around this code: a call by one of them must not wait for it.
# A context variable, for a thread is not enough: greenlets share one, and a provider may have more.
_asking: ContextVar[tuple[Renewal, ...]] = ContextVar("ossmodelconnector_asking", default=())


class Renewal:
    """The provider of one connector, and the core's cache that it feeds.

    The core calls `ask` and `await_answer` in threads of callers. It refers to this object weakly:
    the connector owns it.
    """

    def __init__(self, feed: _core.CredentialsFeed, provider: object | None) -> None:
        # None: anonymous, there is nothing to ask.
        self._feed = feed
        self._provider: Any = provider
        self._keys: Keys | None = None
        self._known_secrets: set[str] = set()

    def put(self, keys: Keys) -> None:
        """Puts keys that are known already, or that the provider has given."""
        self._keys = keys
        self._known_secrets.update(filter(None, (keys.access_key_secret, keys.security_token)))
        self._feed.put(*keys)

    def after_fork_in_child(self, feed: _core.CredentialsFeed) -> None:
        """Goes on with another feed, which gets the keys that are held."""
        self._feed = feed
        keys = self._keys
        if keys is not None and (keys.expiration is None or keys.expiration > time.time()):
            feed.put(*keys)

    def ask(self) -> None:
        """Asks the provider, and hands the answer, or what kind of failure it was, to the core.

        What is no Exception, such as KeyboardInterrupt, SystemExit or GreenletExit, is the
        caller's: it goes on to it, and the question is the next caller's.
        """
        token = _asking.set((*_asking.get(), self))
        try:
            with _process.provider_calls:
                keys = ask(self._provider)
        except Exception as error:
            self._fail(error)
        else:
            self.put(keys)
        finally:
            _asking.reset(token)

    def await_answer(self, is_same_thread: bool) -> None:
        """What a caller does that waits while another one asks. CredentialsError: it is the same.

        `is_same_thread`: the other one is a greenlet of this thread, which stands still while the
        core waits here. Where time.sleep() is gevent's or eventlet's it goes on meanwhile.
        """
        if self in _asking.get():
            raise CredentialsError(
                f"{name_of(self._provider)} uses the connector that it is to give keys to: give "
                "it a connector, or a client, of its own"
            )
        if not is_same_thread:
            return
        end = time.monotonic() + _YIELD_SECONDS
        while self._feed.awaits_answer() and time.monotonic() < end:
            time.sleep(_YIELD_STEP_SECONDS)

    def _fail(self, error: Exception) -> None:
        name = name_of(self._provider)
        if isinstance(error, CredentialsError):
            message = str(error)  # ours: it names the file, or the variables
        elif isinstance(error, UnusableCredentialsError):
            message = f"{name} {error}"
        else:
            message = f"{name} failed: {type(error).__name__}: {error}"
        message = self._redact(" ".join(message.split()))[:_MAX_MESSAGE]
        self._feed.put_failure(message)
        _log.write(2, message)

    def _redact(self, text: str) -> str:
        secrets = set(self._known_secrets)
        for name in (*OSS_VARIABLES[1:], *ALIBABA_VARIABLES[1:]):
            secrets.add(os.environ.get(name, ""))
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, "[redacted]")
        return without_secret_values(text)
