"""`stat`: what the store says about objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ossmodelconnector.command._output import bytes_text, object_fields, print_json, shown
from ossmodelconnector.command._session import Session
from ossmodelconnector.command._uris import object_named
from ossmodelconnector.command._verb import verb

if TYPE_CHECKING:
    from ossmodelconnector._objects import ObjectInfo

__all__: list[str] = []


@verb("stat")
@click.argument("uris", metavar="URI...", nargs=-1, required=True)
def stat(session: Session, uris: tuple[str, ...]) -> None:
    """Shows size, time, ETag and storage class of objects."""
    for uri in uris:
        object_named(uri)
    with session.connector() as connector:
        infos = [connector.stat(uri) for uri in uris]
    if session.how == "json":
        print_json({"objects": [object_fields(info) for info in infos]})
    elif session.how == "human":
        print("\n\n".join(map(_text, infos)))


def _text(info: ObjectInfo) -> str:
    lines = {
        "uri": shown(info.uri),
        "size": f"{bytes_text(info.size)} ({info.size:,} bytes)",
        "modified": info.last_modified.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "etag": shown(info.etag),
        "class": shown(info.storage_class),
        "version": shown(info.version_id or ""),
    }
    return "\n".join(f"{name:<9} {value}" for name, value in lines.items() if value)
