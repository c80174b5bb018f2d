"""`verify`: are the bytes in the store, or those on the disk, the ones that were uploaded?"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ossmodelconnector._errors import OssError
from ossmodelconnector.command._exits import CommandError, Exit, failure_of
from ossmodelconnector.command._local_files import Folder, crc64_of
from ossmodelconnector.command._output import bytes_text, print_json, shown
from ossmodelconnector.command._progress import Counter, arrived, progress
from ossmodelconnector.command._pull_plan import Item, chosen, plan
from ossmodelconnector.command._session import Session
from ossmodelconnector.command._uris import find, parts_of
from ossmodelconnector.command._verb import verb

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._objects import ObjectInfo

__all__: list[str] = []

# So many objects at once; of large ones a few fill the line.
_THREADS = 16


class _Checked(NamedTuple):
    """What became of an object: what it was checked by, or what is wrong."""

    info: ObjectInfo
    verified: str
    fault: str
    exit_code: Exit


@verb("verify")
@click.argument("uri")
@click.option(
    "--against",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False),
    help="Compare the files in DIR instead, by size and CRC-64.",
)
@click.option("--include", metavar="PATTERN", multiple=True, help="Only names like *.json.")
@click.option("--exclude", metavar="PATTERN", multiple=True, help="No names like *.bin.")
def verify(
    session: Session,
    uri: str,
    against: str | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
) -> int:
    """Receives an object, or all under a prefix, and checks it by its CRC-64. Keeps no byte."""
    parts_of(uri)
    with session.connector() as connector:
        found = find(connector, uri)
        named = chosen(found, uri, include, exclude)
        if against is None:
            checked = _in_the_store(session, connector, [info for _, info in named])
        else:
            checked = _on_the_disk(session, connector, named, against)
    return _report(session, uri, against, checked)


def _in_the_store(
    session: Session, connector: OssModelConnector, objects: Sequence[ObjectInfo]
) -> list[_Checked]:
    total = sum(info.size for info in objects)
    with arrived(connector) as done, progress(session, "verify", total, done):
        return _each(
            connector, objects, lambda info: _Checked(info, connector.verify(info), "", Exit.RIGHT)
        )


def _each(
    connector: OssModelConnector,
    objects: Sequence[ObjectInfo],
    check: Callable[[ObjectInfo], _Checked],
) -> list[_Checked]:
    """Checks many at once; what is wrong with one does not keep the others from it."""

    def one(info: ObjectInfo) -> _Checked:
        try:
            return check(info)
        except OssError as error:
            failure = failure_of(error, "verify")
            return _Checked(info, "", failure.text, failure.exit_code)

    with _threads(connector) as threads:
        waiting: list[Future[_Checked]] = [threads.submit(one, info) for info in objects]
        return [future.result() for future in waiting]


@contextmanager
def _threads(connector: OssModelConnector) -> Iterator[ThreadPoolExecutor]:
    """Threads that Ctrl-C ends: their calls fail when the connector is closed."""
    threads = ThreadPoolExecutor(_THREADS, "ossmc-verify")
    try:
        yield threads
    except BaseException:
        threads.shutdown(wait=False, cancel_futures=True)
        connector.close()
        raise
    finally:
        threads.shutdown()


def _on_the_disk(
    session: Session,
    connector: OssModelConnector,
    named: Sequence[tuple[str, ObjectInfo]],
    against: str,
) -> list[_Checked]:
    done = Counter()
    total = sum(info.size for _, info in named)
    with Folder(against) as folder:
        root = os.fsencode(os.path.realpath(against))
        items = plan(named, root, folder.longest_name()).items
        with progress(session, "verify", total, done.value):
            return [_compared(connector, folder, item, done) for item in items]


def _compared(connector: OssModelConnector, folder: Folder, item: Item, done: Counter) -> _Checked:
    info = item.info
    size = folder.size_of(item.parts)
    path = folder.name_of(item.parts)
    try:
        if size is None:
            return _Checked(info, "", f"{path} is not there", Exit.NOT_FOUND)
        if size != info.size:
            text = f"{path} has {size} bytes, and the object {info.size}"
            return _Checked(info, "", text, Exit.WRONG_BYTES)
        with connector.open(info.uri, prefetch=False) as reader:
            expected = reader.crc64
        if expected is None:
            return _Checked(info, "length", "", Exit.RIGHT)
        with folder.opened(item.parts) as file:
            crc = crc64_of(file)
        if crc != expected:
            text = f"{path} has the CRC-64 {crc}, and the object {expected}"
            return _Checked(info, "", text, Exit.WRONG_BYTES)
        return _Checked(info, "crc64", "", Exit.RIGHT)
    except OssError as error:
        failure = failure_of(error, "verify")
        return _Checked(info, "", failure.text, failure.exit_code)
    finally:
        done.add(info.size)


def _report(session: Session, uri: str, against: str | None, checked: Sequence[_Checked]) -> int:
    wrong = [one for one in checked if one.fault]
    total = sum(one.info.size for one in checked)
    # The worst first: wrong bytes say more than a line that was cut.
    code = next(
        (code for code in _ORDER if any(one.exit_code == code for one in wrong)), Exit.RIGHT
    )
    if session.how == "json":
        objects = [
            {
                "uri": one.info.uri,
                "size": one.info.size,
                "verified": one.verified or None,
                "fault": one.fault or None,
            }
            for one in checked
        ]
        document: dict[str, Any] = {"uri": uri, "against": against, "objects": objects}
        document.update(count=len(checked), bytes=total, wrong=len(wrong))
        print_json(document)
    elif session.how == "human":
        _print(checked, wrong, total)
    if not wrong:
        return Exit.RIGHT
    where = "" if against is None else f" --against {against}"
    step = f"ossmc pull {uri} {against}" if against is not None else f"ossmc verify {uri}"
    raise CommandError(
        f"{len(wrong)} of {len(checked)} objects are not right: {wrong[0].fault}",
        thing=wrong[0].info.uri,
        exit_code=code,
        next_step=f"{step}, then: ossmc verify {uri}{where}" if where else step,
    )


_ORDER = (
    Exit.WRONG_BYTES,
    Exit.NO_PERMISSION,
    Exit.NOT_FOUND,
    Exit.NETWORK,
    Exit.FAILED,
    Exit.WRONG_USE,
)


def _print(checked: Sequence[_Checked], wrong: Sequence[_Checked], total: int) -> None:
    for one in wrong:
        print(f"wrong  {shown(one.info.uri)}: {shown(one.fault)}")
    right = len(checked) - len(wrong)
    kinds = sorted({one.verified for one in checked if one.verified})
    by = f" by {', '.join(kinds)}" if kinds else ""
    print(f"{right} of {len(checked)} objects are right{by}, {bytes_text(total)} in all")
    if any(kind != "crc64" for kind in kinds):
        print("of objects without crc64 the store tells no CRC-64: their bytes were not compared")
