"""`ls`: objects and folders."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from ossmodelconnector._errors import ObjectNotFoundError
from ossmodelconnector.command._output import bytes_text, count_text, object_fields, shown
from ossmodelconnector.command._session import Session
from ossmodelconnector.command._uris import parts_of
from ossmodelconnector.command._verb import verb

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._objects import ObjectInfo

__all__: list[str] = []


class _Listing:
    """What is printed, and counted while it is."""

    def __init__(
        self, bucket: str, prefix: str, folders: Iterable[str], objects: Iterable[ObjectInfo]
    ) -> None:
        self.bucket = bucket
        self.prefix = prefix
        self.folders = list(folders)
        self.objects = objects
        self.count = 0
        self.bytes = 0

    def counted(self) -> Iterator[ObjectInfo]:
        for info in self.objects:
            self.count += 1
            self.bytes += info.size
            yield info


@verb("ls")
@click.argument("uri")
@click.option("-l", "--long", "is_long", is_flag=True, help="Size, time and storage class too.")
@click.option("-r", "--recursive", is_flag=True, help="All that is below, not folder by folder.")
@click.option("--fast", is_flag=True, help="The same by FastList: many requests at once.")
@click.option("--summary", is_flag=True, help="How many objects and bytes, at the end.")
def ls(
    session: Session, uri: str, is_long: bool, recursive: bool, fast: bool, summary: bool
) -> None:
    """Lists the objects under URI: oss://BUCKET/ or oss://BUCKET/PREFIX."""
    bucket, prefix = parts_of(uri)
    with session.connector() as connector:
        if recursive or fast:
            listing = _Listing(bucket, prefix, (), _all(connector, bucket, prefix, fast))
        else:
            listing = _folder(connector, bucket, prefix)
        if session.how == "json":
            _print_json(listing)
        elif session.how == "quiet":
            for info in listing.counted():
                print(info.uri)
        else:
            _print_text(listing, is_long)
            if summary:
                print(_summary(listing))
        if prefix and not listing.count and not listing.folders:
            raise ObjectNotFoundError(f"there is nothing under {uri}", uri=uri)


def _all(
    connector: OssModelConnector, bucket: str, prefix: str, fast: bool
) -> Iterable[ObjectInfo]:
    if not fast:
        return connector.iter_objects(bucket, prefix)
    objects = connector.list(bucket, prefix, True)
    objects.sort()
    return objects


def _folder(connector: OssModelConnector, bucket: str, prefix: str) -> _Listing:
    found = connector.list(bucket, prefix, delimiter="/")
    # Of a folder that was named without its slash people want to see what is in it.
    if prefix and not len(found) and found.common_prefixes == (f"{prefix}/",):
        prefix += "/"
        found = connector.list(bucket, prefix, delimiter="/")
    return _Listing(bucket, prefix, found.common_prefixes, found)


def _name(key: str, prefix: str) -> str:
    """A key without the folder that is listed."""
    return key[prefix.rfind("/") + 1 :] or key


def _print_text(listing: _Listing, is_long: bool) -> None:
    for folder in listing.folders:
        name = shown(_name(folder, listing.prefix))
        print(f"{'':>10}  {'':19}  {'folder':<10}  {name}" if is_long else name)
    for info in listing.counted():
        name = shown(_name(info.key, listing.prefix))
        if is_long:
            time = info.last_modified.strftime("%Y-%m-%d %H:%M:%S")
            name = f"{bytes_text(info.size):>10}  {time}  {info.storage_class:<10}  {name}"
        print(name)


def _summary(listing: _Listing) -> str:
    folders = f"{count_text(len(listing.folders), 'folder')}, " if listing.folders else ""
    text = f"{folders}{count_text(listing.count, 'object')}, {bytes_text(listing.bytes)}"
    return f"{text} ({listing.bytes:,} bytes)"


def _print_json(listing: _Listing) -> None:
    """One document, written as it comes: a listing may be long."""
    write = sys.stdout.write
    head = {"bucket": listing.bucket, "prefix": listing.prefix, "folders": listing.folders}
    write(json.dumps(head, ensure_ascii=False)[:-1] + ', "objects": [')
    for info in listing.counted():
        write(", " if listing.count > 1 else "")
        write(json.dumps(object_fields(info), ensure_ascii=False))
    write(f'], "count": {listing.count}, "bytes": {listing.bytes}}}\n')
