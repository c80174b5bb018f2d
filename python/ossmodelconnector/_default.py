"""The process's own connector, for calls that are given none."""

from __future__ import annotations

import os
import threading

from ossmodelconnector._connector import OssModelConnector

__all__: list[str] = []

_lock = threading.RLock()
_connector: OssModelConnector | None = None


def _after_fork_in_child() -> None:
    # A thread that is not here may hold it.
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)


def connector_or_default(connector: OssModelConnector | None) -> OssModelConnector:
    """Returns `connector`; for None one by `OssModelConnector.from_env`, the same each time.

    It is made at first use, and closed at the interpreter's end.
    """
    global _connector
    if connector is not None:
        if not isinstance(connector, OssModelConnector):
            raise TypeError(
                f"connector must be an OssModelConnector or None, not {type(connector).__name__}"
            )
        return connector
    with _lock:
        if _connector is None or _connector.closed:
            _connector = OssModelConnector.from_env()
        return _connector
