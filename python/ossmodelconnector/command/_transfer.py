"""The bytes of `pull`: what is there is checked, what is missing fetched and written."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Literal, NamedTuple

from ossmodelconnector import _core
from ossmodelconnector._errors import ChecksumError, ObjectChangedError
from ossmodelconnector.command._ahead import SMALL_BYTES, opened_ahead
from ossmodelconnector.command._local_files import Folder, Unfinished, crc64_of
from ossmodelconnector.command._pieces import pieces
from ossmodelconnector.command._pull_plan import Item

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._reader import ObjectReader
    from ossmodelconnector.command._progress import Counter

__all__ = ["Pulled", "fetch", "present"]

# So many are open at once: at 20 ms a round trip 128 small ones come 6,000 a second.
_SMALL_OPEN = 128
_LARGE_OPEN = 16
# So many are asked about at once.
_ASKED = 256


class Pulled(NamedTuple):
    """What became of an object.

    Attributes:
        state: whether its file was there, fetched, or what was left of it was completed.
        verified: what its bytes were checked by: ``"crc64"``, or as `ObjectReader.verified`.
        received: how many bytes were written.
    """

    item: Item
    state: Literal["present", "fetched", "resumed"]
    verified: str
    received: int


def present(
    connector: OssModelConnector, folder: Folder, items: Sequence[Item], checked: Counter
) -> dict[Item, Pulled]:
    """Those of the items whose files have the CRC-64 of their objects."""
    found: dict[Item, Pulled] = {}
    for begin in range(0, len(items), _ASKED):
        some = items[begin : begin + _ASKED]
        readers = connector.open_many((item.info.uri for item in some), prefetch=False)
        for item, reader in zip(some, readers):
            with reader:
                # An object that is not the listed one any more is for `fetch` to refuse.
                is_it = item.info.etag in ("", reader.etag)
                if is_it and reader.crc64 is not None:
                    with folder.opened(item.parts) as file:
                        if crc64_of(file) == reader.crc64:
                            found[item] = Pulled(item, "present", "crc64", 0)
            checked.add(item.info.size)
    return found


def fetch(
    connector: OssModelConnector, folder: Folder, items: Sequence[Item], written: Counter
) -> dict[Item, Pulled]:
    """Writes files.

    Args:
        connector: reads the objects.
        folder: where the files are.
        items: which; what an earlier run left of their files is completed.
        written: counts the bytes.

    Raises:
        ObjectChangedError: an object was overwritten since it was listed.
        ChecksumError: its bytes are not what was uploaded.
        OssError: or another of its kinds.
        CommandError: the disk is full, or a name is taken by something else.
    """
    done: dict[Item, Pulled] = {}

    def open_some(some: list[Item]) -> list[ObjectReader]:
        begun = [folder.size_of_unfinished(item.parts, item.version) > 0 for item in some]
        fresh = [item.info for item, is_begun in zip(some, begun) if not is_begun]
        readers = iter(connector.open_many(fresh))
        return [
            _for_the_rest(connector, item) if is_begun else next(readers)
            for item, is_begun in zip(some, begun)
        ]

    small = [item for item in items if item.info.size <= SMALL_BYTES]
    large = [item for item in items if item.info.size > SMALL_BYTES]
    for some, most in ((small, _SMALL_OPEN), (large, _LARGE_OPEN)):
        with closing(opened_ahead(some, open_some, most)) as opened:
            for item, reader in opened:
                with reader, Unfinished(folder, item.parts, item.version) as file:
                    done[item] = _write(connector, item, reader, file, written)
    return done


def _for_the_rest(connector: OssModelConnector, item: Item) -> ObjectReader:
    """A reader that fetches no more than is read, and knows the CRC-64: that costs a HEAD."""
    reader = connector.open(item.info.uri, prefetch=False)
    if reader.etag == item.info.etag or not item.info.etag:
        return reader
    reader.close()
    raise ObjectChangedError(
        f"{item.info.uri} was overwritten while it was pulled", uri=item.info.uri
    )


def _write(
    connector: OssModelConnector,
    item: Item,
    reader: ObjectReader,
    file: Unfinished,
    written: Counter,
) -> Pulled:
    begin = file.size
    if 0 < begin <= reader.size:
        crc = file.crc64()
        for piece in pieces(reader, begin, reader.size):
            file.write(piece)
            crc = _core.crc64(piece, crc)
            written.add(len(piece))
        if reader.crc64 in (crc, None):
            file.finish()
            verified = "crc64" if reader.crc64 is not None else reader.verified
            return Pulled(item, "resumed", verified, file.size - begin)
        # What was on the disk was not what had been written there.
        with connector.open(item.info) as anew:
            return _write_whole(item, anew, file, written)
    return _write_whole(item, reader, file, written)


def _write_whole(item: Item, reader: ObjectReader, file: Unfinished, written: Counter) -> Pulled:
    written.add(-file.size)
    file.begin_anew()
    try:
        for chunk in reader.chunks():
            file.write(chunk)
            written.add(len(chunk))
    except ChecksumError:
        file.remove()
        raise
    file.finish()
    return Pulled(item, "fetched", reader.verified, file.size)
