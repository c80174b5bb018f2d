"""What can be wrong with a run."""

from __future__ import annotations


class BenchError(Exception):
    """The harness itself cannot go on."""


class UnavailableError(Exception):
    """A client cannot run on this machine; its row is left out, and the text says why."""


class RunError(Exception):
    """A client's process failed, or what it did is not what was to be measured."""
