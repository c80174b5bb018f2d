"""What a check is, what it finds, and how the checks run one after the other."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ossmodelconnector import _log
from ossmodelconnector.command._exits import Exit
from ossmodelconnector.command.doctor._context import Context

__all__ = [
    "Check",
    "Checked",
    "Finding",
    "failed",
    "ok",
    "run_checks",
    "said_by_store",
    "skipped",
    "warning",
]

Verdict = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        verdict: how it stands.
        evidence: what was seen, for people.
        way_out: what to type or to change; ``""`` where nothing is wrong.
        facts: the same as numbers and names, for programs.
        exit_code: what the command returns where this is the first failure.
    """

    verdict: Verdict
    evidence: str
    way_out: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    exit_code: Exit = Exit.FAILED


def ok(evidence: str, /, **facts: Any) -> Finding:
    """Nothing is wrong here."""
    return Finding("ok", evidence, facts=facts)


def skipped(evidence: str, way_out: str = "") -> Finding:
    """There was nothing to look at. What needs this check runs all the same."""
    return Finding("skipped", evidence, way_out)


def warning(evidence: str, way_out: str, /, **facts: Any) -> Finding:
    """It works, but slowly, or not for long, or not for everything."""
    return Finding("warning", evidence, way_out, facts)


def failed(evidence: str, way_out: str, code: Exit = Exit.FAILED, /, **facts: Any) -> Finding:
    """This is what keeps the library from working."""
    return Finding("failed", evidence, way_out, facts, code)


def said_by_store(error: Exception) -> str:
    """The text of a failed request, from the store's answer on."""
    text = str(error)
    return text[max(text.find("HTTP "), 0) :]


class Check(NamedTuple):
    """One thing to look at.

    Attributes:
        name: one word, the same in all formats.
        look: finds out. What it raises is a failure of this check.
        needs: the checks that must not have failed before.
    """

    name: str
    look: Callable[[Context], Finding]
    needs: tuple[str, ...] = ()


class Checked(NamedTuple):
    """A check that has run, and how long it took."""

    name: str
    finding: Finding
    seconds: float


def run_checks(
    checks: Sequence[Check], context: Context, on_checked: Callable[[Checked], object]
) -> list[Checked]:
    """Runs them in order.

    Args:
        checks: all of them; one that needs another comes after it.
        context: what they look at, and hand on to each other.
        on_checked: called after each.
    """
    done: list[Checked] = []
    reasons: dict[str, str] = {}  # why nothing can be built on a check: the first that failed
    for check in checks:
        start = time.monotonic()
        reason = next((reasons[name] for name in check.needs if name in reasons), "")
        if reason:
            finding = skipped(f"it needs {reason}, which failed")
            reasons[check.name] = reason
        else:
            finding = _look(check, context)
            if finding.verdict == "failed":
                reasons[check.name] = check.name
        done.append(Checked(check.name, finding, time.monotonic() - start))
        on_checked(done[-1])
    return done


def _look(check: Check, context: Context) -> Finding:
    try:
        return check.look(context)
    except OSError as error:
        _log.logger.debug("check %s", check.name, exc_info=True)
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return failed(
                f"{error.strerror}: no descriptor is left to look with",
                "ulimit -n 65536, and run it again",
            )
        return failed(_text_of(error), "run it again with -vv for the whole story")
    except Exception as error:  # a fault of the check is no reason to keep the others from running
        _log.logger.debug("check %s", check.name, exc_info=True)
        return failed(_text_of(error), "run it again with -vv, and report this as a fault")


def _text_of(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
