"""Certificate authorities where the system has none: those of certifi, if it is installed."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

from ossmodelconnector import _core

__all__ = ["offer_certifi"]


@functools.cache
def offer_certifi() -> None:
    """Tells the core where certifi's are, for a system without any. certifi is not imported.

    Once in the process: it looks through all of `sys.path`.
    """
    found = importlib.util.find_spec("certifi")
    if found is not None and found.origin is not None:
        _core.set_certifi_file(str(Path(found.origin).with_name("cacert.pem")))
