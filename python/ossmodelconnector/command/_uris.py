"""What a URI on the command line means: an object, or all that is under a prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ossmodelconnector._errors import BucketNotFoundError, ObjectNotFoundError
from ossmodelconnector.command._exits import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._objects import ObjectInfo

__all__ = ["Found", "find", "object_named", "parts_of"]


class Found(NamedTuple):
    """The objects that a URI means.

    Attributes:
        objects: all of them.
        prefix: what their keys have in common, before their names; ``""`` for a single object of
            no folder.
        is_one: whether the URI names one object.
    """

    objects: list[ObjectInfo]
    prefix: str
    is_one: bool


def parts_of(uri: str) -> tuple[str, str]:
    """The bucket, and what stands behind it."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "oss" or not bucket:
        raise CommandError(
            f"{uri!r} is no oss://BUCKET/KEY",
            thing=uri,
            exit_code=Exit.WRONG_USE,
            next_step="ossmc ls oss://BUCKET/",
        )
    return bucket, key


def object_named(uri: str) -> None:
    """Refuses a URI that names no object, before any request."""
    bucket, key = parts_of(uri)
    if not key:
        raise CommandError(
            f"{uri!r} names a bucket, and no object in it",
            thing=uri,
            exit_code=Exit.WRONG_USE,
            next_step=f"ossmc ls oss://{bucket}/",
        )


def find(connector: OssModelConnector, uri: str) -> Found:
    """Finds the object of that name, or else what is under it as a folder.

    Raises:
        ObjectNotFoundError: there is neither.
        OssError: or another of its kinds.
    """
    bucket, key = parts_of(uri)
    missing: ObjectNotFoundError | None = None
    if key and not key.endswith("/"):
        try:
            info = connector.stat(uri)
        except BucketNotFoundError:
            raise
        except ObjectNotFoundError as error:
            missing = error
            key += "/"
        else:
            return Found([info], key[: key.rfind("/") + 1], True)
    objects: Iterable[ObjectInfo] = connector.iter_objects(bucket, key)
    found = list(objects)
    if not found:
        raise missing or ObjectNotFoundError(f"there is nothing under {uri}", uri=uri)
    return Found(found, key, False)
