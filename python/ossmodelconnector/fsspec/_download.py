"""Objects into local files: a file is there as a whole, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from ossmodelconnector._reader import ObjectReader

__all__: list[str] = []


def copy_to(reader: ObjectReader, out: BinaryIO, callback: Any) -> None:
    """Writes all of an object, chunk by chunk; its CRC-64 is checked at the end."""
    callback.set_size(reader.size)
    for chunk in reader.chunks():
        out.write(chunk)
        callback.relative_update(len(chunk))


def save(reader: ObjectReader, target: Path, callback: Any) -> None:
    """Writes an object into the file `target`, under another name until it is whole.

    Folders are made. What was there before is replaced.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".ossmc-{secrets.token_hex(8)}.part")
    try:
        with unfinished.open("xb") as out:
            copy_to(reader, out, callback)
        unfinished.replace(target)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise


def check_targets(root: str, targets: Iterable[str]) -> None:
    """Refuses names that would be written outside of `root`, or twice.

    Raises:
        ValueError: a key such as ``a/../../b`` leads there, or one is another's, such as ``a//b``.
    """
    top = _absolute(root)
    taken: dict[Path, str] = {}
    for target in targets:
        where = _absolute(target)
        if where != top and top not in where.parents:
            raise ValueError(f"{target!r} would be written outside of {root!r}: to {str(where)!r}")
        other = taken.setdefault(where, target)
        if other is not target:
            raise ValueError(f"{target!r} and {other!r} are the same file")


def _absolute(path: str) -> Path:
    """Without "..", and links as they are: whoever made one in the folder meant it."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() follows links
