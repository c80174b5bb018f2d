"""The connectors of a process that runs tasks: one for the same arguments."""

from __future__ import annotations

import hashlib
import inspect
import os
import pickle
import threading
from collections.abc import Mapping
from typing import Any

from ray import cloudpickle

from ossmodelconnector._connector import OssModelConnector

__all__: list[str] = []

_lock = threading.Lock()
_connectors: dict[bytes, OssModelConnector] = {}  # guarded by _lock


def _after_fork_in_child() -> None:
    # A thread that is not here may hold it.
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)

_NAMES = tuple(inspect.signature(OssModelConnector.from_env).parameters)


class ConnectorArguments:
    """What tasks make their connector of, by `OssModelConnector.from_env`.

    It is constant, and pickles with what it was given, keys included: a task needs them. No text
    has them: `repr` says which arguments there are.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        if not isinstance(arguments, Mapping):
            raise TypeError(
                "connector_args must be a dict of OssModelConnector's arguments, of which each "
                f"process makes a connector of its own, not {type(arguments).__name__}"
            )
        unknown = [name for name in arguments if name not in _NAMES]
        if unknown:
            raise TypeError(
                f"connector_args has {unknown[0]!r}, which is no argument of OssModelConnector: "
                f"they are {', '.join(_NAMES)}"
            )
        self._names = tuple(arguments)
        # Once: the same bytes in all tasks, so that their processes know them again.
        self._pickled = cloudpickle.dumps(dict(arguments))

    def connector(self) -> OssModelConnector:
        """Returns this process's connector for these arguments; it stays open for later tasks."""
        key = hashlib.sha256(self._pickled).digest()
        with _lock:
            found = _connectors.get(key)
            if found is None or found.closed:
                found = OssModelConnector.from_env(**pickle.loads(self._pickled))
                _connectors[key] = found
        return found

    def __repr__(self) -> str:
        return f"<connector_args: {', '.join(self._names) or 'none'}>"
