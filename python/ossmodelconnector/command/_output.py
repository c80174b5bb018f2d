"""What the command prints: text, JSON or next to nothing; and how it looks in a terminal."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import timezone
from typing import TYPE_CHECKING, Any, Literal, TextIO

from ossmodelconnector import _core

if TYPE_CHECKING:
    from ossmodelconnector._objects import ObjectInfo
    from ossmodelconnector.command._exits import Failure

__all__ = [
    "Format",
    "bytes_text",
    "columns",
    "count_text",
    "object_fields",
    "print_failure",
    "print_json",
    "print_note",
    "set_up_streams",
    "shown",
]

Format = Literal["human", "json", "quiet"]
_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")


def set_up_streams() -> None:
    """UTF-8 for pipes and files, whatever the locale; what a terminal cannot show is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):
            continue  # a test's, or a program's that called main()
        encoding = "utf-8"
        if stream.isatty():
            encoding = "ascii" if _is_plain_locale() else stream.encoding
        stream.reconfigure(encoding=encoding, errors="backslashreplace")


def _is_plain_locale() -> bool:
    chosen = os.environ.get("LC_ALL")
    if not chosen:
        chosen = os.environ.get("LANG")
        of_characters = os.environ.get("LC_CTYPE")
        # What Python itself has set where it found the C locale says nothing.
        if of_characters not in (None, "", "C.UTF-8", "C.utf8", "UTF-8"):
            chosen = of_characters
    return chosen in (None, "", "C", "POSIX")


def shown(text: str) -> str:
    """A key or a path for people: control characters, which terminals obey, are escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "replace").decode("ascii")
        for char in text
    )


def bytes_text(size: float) -> str:
    """``"4.0 MiB"``; below 1 KiB in bytes."""
    if size < 1024:
        return f"{size:.0f} B"
    at = -1
    while size >= 1023.95 and at < len(_UNITS) - 1:
        size /= 1024
        at += 1
    return f"{size:.1f} {_UNITS[at]}"


def count_text(number: int, word: str) -> str:
    """``"1 file"``, ``"2 files"``."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def columns(rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Lines of aligned columns; those whose numbers are in `right` end at one place."""
    table = [list(row) for row in rows]
    if not table:
        return []
    widths = [max(map(len, column)) for column in zip(*table)]
    lines = []
    for row in table:
        cells = [
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def object_fields(info: ObjectInfo) -> dict[str, Any]:
    """An object as JSON has it."""
    return {
        "uri": info.uri,
        "size": info.size,
        "etag": info.etag,
        "last_modified": info.last_modified.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "storage_class": info.storage_class,
        "version_id": info.version_id,
    }


def print_json(document: Any, to: TextIO | None = None) -> None:
    """One document, on one line."""
    print(json.dumps(document, ensure_ascii=False), file=to or sys.stdout)


def print_note(text: str, how: Format) -> None:
    """A warning, on stderr."""
    if how == "human":
        print(f"warning: {text}", file=sys.stderr)


def print_failure(failure: Failure, how: Format) -> None:
    """What happened, to what, and what to type next, on stderr."""
    failure = failure._replace(
        text=_core.without_secrets(failure.text),
        thing=_core.without_secrets(failure.thing),
        next_step=_core.without_secrets(failure.next_step),
    )
    with contextlib.suppress(OSError, ValueError):  # stderr may be closed
        if how == "json":
            document = {
                "kind": failure.kind,
                "message": failure.text,
                "thing": failure.thing,
                "exit_code": int(failure.exit_code),
                "next": failure.next_step,
                **failure.fields,
            }
            print_json({"error": document}, sys.stderr)
            return
        thing = failure.thing
        about = f"{shown(thing)}: " if thing and thing not in failure.text else ""
        print(f"error: {about}{shown(failure.text)}", file=sys.stderr)
        if failure.next_step:
            print(f"next: {shown(failure.next_step)}", file=sys.stderr)
