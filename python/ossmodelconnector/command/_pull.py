"""`pull`: objects into local files, checked; what is there already is not fetched again."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ossmodelconnector.command._exits import CommandError
from ossmodelconnector.command._local_files import Folder
from ossmodelconnector.command._output import bytes_text, count_text, print_json, shown
from ossmodelconnector.command._progress import Counter, progress
from ossmodelconnector.command._pull_plan import Item, Plan, check_case, chosen, has_twins, plan
from ossmodelconnector.command._session import Session
from ossmodelconnector.command._transfer import Pulled, fetch, present
from ossmodelconnector.command._uris import find, parts_of
from ossmodelconnector.command._verb import verb

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__: list[str] = []

# Enough for 100 Gbit/s at 20 ms. Memory that is used again is faster than new: of 1 GB in 4 objects
# the default, half of the machine, took 1.5 times the CPU and 1.6 times as long.
_MEMORY_BYTES = 256 << 20


@verb("pull")
@click.argument("uri")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False))
@click.option("--include", metavar="PATTERN", multiple=True, help="Only names like *.json.")
@click.option("--exclude", metavar="PATTERN", multiple=True, help="No names like *.bin.")
def pull(
    session: Session, uri: str, folder: str, include: tuple[str, ...], exclude: tuple[str, ...]
) -> None:
    """Copies an object, or all that is under a prefix, into the folder DIR.

    Files appear under their names when they are whole and their CRC-64 is right. Run again after
    whatever ended it, it fetches what is missing.
    """
    parts_of(uri)
    begin = time.monotonic()
    with session.connector(memory_bytes=_MEMORY_BYTES) as connector:
        found = find(connector, uri)
        named = chosen(found, uri, include, exclude)
        with Folder(folder) as into:
            root = os.fsencode(os.path.realpath(folder))
            made = plan(named, root, into.longest_name())
            if has_twins(made.items) and into.ignores_case():
                check_case(made.items)
            done = _run(session, connector, into, made)
    _report(session, uri, folder, done, time.monotonic() - begin)


def _run(session: Session, connector: Any, into: Folder, made: Plan) -> list[Pulled]:
    sizes = {item: into.size_of(item.parts) for item in made.items}
    candidates = [item for item in made.items if sizes[item] == item.info.size]
    checked = Counter()
    total = sum(item.info.size for item in candidates)
    with progress(session, "checking", total, checked.value):
        there = present(connector, into, candidates, checked)
    missing = [item for item in made.items if item not in there]
    left = {item: into.size_of_unfinished(item.parts, item.version) for item in missing}
    _check_space(into, missing, sum(left.values()))
    for parts in made.folders:
        into.make(parts)
    fetched = Counter()
    fetched.add(sum(left.values()))
    total = sum(item.info.size for item in missing)
    with progress(session, "pull", total, fetched.value):
        done = fetch(connector, into, missing, fetched)
    by_item = {**there, **done}
    return [by_item[item] for item in made.items]


def _check_space(into: Folder, missing: Sequence[Item], there: int) -> None:
    needed = sum(item.info.size for item in missing) - there
    free, more_files = into.free()
    if needed > free:
        text = f"{bytes_text(free)} are free, and {bytes_text(needed)} are needed"
    elif more_files is not None and len(missing) > more_files:
        text = f"the file system takes {more_files} more files, and {len(missing)} are needed"
    else:
        return
    raise CommandError(
        f"nothing was pulled: no space in {into.path}: {text}",
        thing=into.path,
        next_step=f"df -h {into.path}, or pull a part of it with --include",
    )


def _report(
    session: Session,
    uri: str,
    folder: str,
    done: Sequence[Pulled],
    seconds: float,
) -> None:
    received = sum(one.received for one in done)
    total = sum(one.item.info.size for one in done)
    if session.how == "json":
        files = [
            {
                "uri": one.item.info.uri,
                "path": str(Path(folder, one.item.name)),
                "size": one.item.info.size,
                "state": one.state,
                "verified": one.verified,
                "bytes_fetched": one.received,
            }
            for one in done
        ]
        document = {"uri": uri, "folder": folder, "files": files, "bytes": total}
        document.update(bytes_fetched=received, seconds=round(seconds, 3))
        print_json(document)
    elif session.how == "human":
        there = sum(one.state == "present" for one in done)
        already = f", {there} of them were there" if there else ""
        print(f"{count_text(len(done), 'file')}, {bytes_text(total)} in {shown(folder)}{already}")
        if received:
            rate = received / max(seconds, 1e-9)
            print(f"fetched {bytes_text(received)} in {seconds:.1f} s, {bytes_text(rate)}/s")
        unchecked = sum(one.verified not in ("crc64", "") for one in done)
        if unchecked:
            which = count_text(unchecked, "file")
            print(f"by length alone, not by CRC-64, which the store does not tell: {which}")
