"""`cat`: bytes of objects to stdout."""

from __future__ import annotations

import os
import re
import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple

import click

from ossmodelconnector.command._exits import CommandError, Exit
from ossmodelconnector.command._local_files import write_all
from ossmodelconnector.command._pieces import pieces
from ossmodelconnector.command._progress import Counter, progress
from ossmodelconnector.command._session import Session
from ossmodelconnector.command._uris import object_named
from ossmodelconnector.command._verb import verb

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector

__all__: list[str] = []


class _Range(NamedTuple):
    """As curl's --range has it: both ends are part of it."""

    first: int | None  # None: the last `last` bytes
    last: int | None  # None: to the end

    def within(self, size: int) -> tuple[int, int]:
        """Begin and end in an object of that size."""
        if self.first is None:
            return max(0, size - (self.last or 0)), size
        return min(self.first, size), size if self.last is None else min(self.last + 1, size)


@verb("cat")
@click.argument("uris", metavar="URI...", nargs=-1, required=True)
@click.option("--range", "text", metavar="A-B", help="Bytes A to B, both included; A- or -LAST.")
def cat(session: Session, uris: tuple[str, ...], text: str | None) -> None:
    """Writes objects to stdout, as they are, one behind the other."""
    for uri in uris:
        object_named(uri)
    wanted = None if text is None else _range(text)
    sys.stdout.flush()
    out = sys.stdout.fileno()
    with session.connector() as connector:
        for uri in uris:
            if wanted is None:
                _whole(session, connector, uri, out)
            else:
                _part(session, connector, uri, wanted, out)


def _whole(session: Session, connector: OssModelConnector, uri: str, out: int) -> None:
    done = Counter()
    with connector.open(uri) as reader, _progress(session, reader.size, done, out):
        for chunk in reader.chunks():
            write_all(out, chunk)
            done.add(len(chunk))


def _part(
    session: Session, connector: OssModelConnector, uri: str, wanted: _Range, out: int
) -> None:
    done = Counter()
    with connector.open(uri, prefetch=False) as reader:
        begin, end = wanted.within(reader.size)
        if begin >= end and reader.size:
            raise CommandError(
                f"{uri} has {reader.size} bytes: nothing of it is in that range",
                thing=uri,
                exit_code=Exit.WRONG_USE,
                next_step=f"ossmc cat --range 0-{reader.size - 1} {uri}",
            )
        with _progress(session, end - begin, done, out):
            for piece in pieces(reader, begin, end):
                write_all(out, piece)
                done.add(len(piece))


def _progress(
    session: Session, total: int, done: Counter, out: int
) -> AbstractContextManager[None]:
    # In a terminal the bytes themselves are to be seen.
    return progress(session, "cat", total, done.value, silent=os.isatty(out))


def _range(text: str) -> _Range:
    match = re.fullmatch(r"(\d*)-(\d*)", text, re.ASCII)
    first = int(match[1]) if match and match[1] else None
    last = int(match[2]) if match and match[2] else None
    if (first is None and not last) or (first is not None and last is not None and first > last):
        raise click.BadParameter(
            f"{text!r} is no range; valid are A-B, A- and -LAST, such as 0-99", param_hint="--range"
        )
    return _Range(first, last)
