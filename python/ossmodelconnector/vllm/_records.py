"""Our log records where vLLM shows its own."""

from __future__ import annotations

import logging

__all__ = ["early", "show_records"]

# For what is told before vLLM has handlers: a record of its own loggers goes to stderr then, one of
# ours nowhere.
early = logging.getLogger("vllm.ossmodelconnector")


def show_records() -> None:
    """Gives the logger "ossmodelconnector" vLLM's handlers and level, where nobody set any.

    vLLM shows the logger "vllm" alone, and gives it handlers only when it reads its configuration:
    so this is called when there is something to tell. A second call changes nothing.
    """
    ours, theirs = logging.getLogger("ossmodelconnector"), logging.getLogger("vllm")
    handled = [one for one in ours.handlers if not isinstance(one, logging.NullHandler)]
    if handled or not theirs.handlers or (ours.propagate and logging.getLogger().handlers):
        return  # somebody shows them already, or vLLM shows nothing yet
    for handler in theirs.handlers:
        ours.addHandler(handler)
    if ours.level == logging.NOTSET:
        ours.setLevel(theirs.getEffectiveLevel())
