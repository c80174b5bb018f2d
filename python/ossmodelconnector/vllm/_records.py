"""Our log records where vLLM shows its own."""

from __future__ import annotations

import logging

__all__ = ["show_records"]


def show_records() -> None:
    """Gives the logger "ossmodelconnector" vLLM's handlers and level, where nobody set any.

    vLLM shows the logger "vllm" alone. A second call changes nothing.
    """
    ours, theirs = logging.getLogger("ossmodelconnector"), logging.getLogger("vllm")
    handled = [one for one in ours.handlers if not isinstance(one, logging.NullHandler)]
    if handled or (ours.propagate and logging.getLogger().handlers):
        return  # somebody shows them already
    for handler in theirs.handlers:
        ours.addHandler(handler)
    if ours.level == logging.NOTSET:
        ours.setLevel(theirs.getEffectiveLevel())
