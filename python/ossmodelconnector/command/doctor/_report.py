"""What was found, for people and for programs; no secret is in it."""

from __future__ import annotations

import platform
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ossmodelconnector import _core
from ossmodelconnector._build_info import build_info
from ossmodelconnector.command._exits import Exit
from ossmodelconnector.command._output import shown
from ossmodelconnector.command.doctor._check import Checked
from ossmodelconnector.command.doctor._context import Context

__all__ = ["document", "exit_code", "lines_of", "summary"]

# Raised when a name here changes its meaning or goes.
FORM = 1
_INDENT = " " * 26


def exit_code(done: Iterable[Checked]) -> Exit:
    """That of the first failure: those behind it may come of it."""
    return next(
        (one.finding.exit_code for one in done if one.finding.verdict == "failed"), Exit.RIGHT
    )


def lines_of(one: Checked, context: Context, width: int | None) -> list[str]:
    """A check for people; None: lines are not wrapped."""
    finding = one.finding
    head = f"{finding.verdict:<8} {one.name:<16} "
    lines = _wrapped(head, shown(_clean(finding.evidence, context)), width)
    if finding.way_out:
        lines += _wrapped(f"{'':<20}next: ", shown(_clean(finding.way_out, context)), width)
    return lines


def summary(done: Sequence[Checked]) -> str:
    """One line at the end."""
    counts: Counter[str] = Counter(one.finding.verdict for one in done)
    words = [f"{counts[name]} {name}" for name in ("failed", "warning", "skipped") if counts[name]]
    first = next((one.name for one in done if one.finding.verdict == "failed"), "")
    told = ", ".join([f"{counts['ok']} ok", *words])
    return f"{told}; begin with {first}" if first else told


def document(done: list[Checked], context: Context) -> dict[str, Any]:
    """The report, in the form that docs/troubleshooting.md describes."""
    code = exit_code(done)
    return {
        "doctor": FORM,
        "exit_code": int(code),
        "summary": summary(done),
        "endpoint": _clean(context.options.endpoint, context),
        "uri": _clean(context.options.uri if context.options.bucket else "", context),
        "checks": [
            {
                "check": one.name,
                "verdict": one.finding.verdict,
                "evidence": _clean(one.finding.evidence, context),
                "next": _clean(one.finding.way_out, context),
                "seconds": round(one.seconds, 3),
                "facts": _clean_all(one.finding.facts, context),
            }
            for one in done
        ],
        "python": platform.python_version(),
        "system": platform.platform(),
        "build": build_info(),
    }


def _wrapped(head: str, text: str, width: int | None) -> list[str]:
    if width is None:
        return [head + text]
    return textwrap.wrap(
        text,
        max(width, 60),
        initial_indent=head,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [head.rstrip()]


def _clean(text: str, context: Context) -> str:
    """No secret: neither one that is known, nor what looks like one in an address."""
    for secret in sorted(context.secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return _core.without_secrets(text)


def _clean_all(facts: Any, context: Context) -> Any:
    if isinstance(facts, str):
        return _clean(facts, context)
    if isinstance(facts, Mapping):
        return {name: _clean_all(value, context) for name, value in facts.items()}
    if isinstance(facts, (list, tuple)):
        return [_clean_all(value, context) for value in facts]
    return facts
