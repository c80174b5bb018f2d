"""What data sets have in common: which objects are samples, and what errors of one do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from ossmodelconnector._errors import BucketNotFoundError, CredentialsError
from ossmodelconnector._log import logger

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._objects import ObjectList

__all__: list[str] = []

OnError = Literal["raise", "skip"]


def checked_on_error(on_error: object) -> OnError:
    """Returns it. ValueError: it is neither of its words."""
    if on_error not in ("raise", "skip"):
        raise ValueError(f'on_error must be "raise" or "skip", not {on_error!r}')
    return cast("OnError", on_error)


def skip_or_raise(on_error: OnError, uri: str, error: Exception) -> None:
    """Does with an object that cannot be read what `on_error` says.

    Skipped, the log says which it is, and why. A bucket or keys that fail are raised all the same:
    they say that no object will come.
    """
    if on_error == "raise" or isinstance(error, (BucketNotFoundError, CredentialsError)):
        raise error
    logger.warning("skipped %s: %s: %s", uri, type(error).__name__, error)


def transformed(transform: Callable[[Any], Any] | None, sample: Any, uri: str) -> Any:
    """Returns what a user's function makes of a sample. Its errors name the object."""
    if transform is None:
        return sample
    try:
        return transform(sample)
    except Exception as error:
        if hasattr(error, "add_note"):  # Python 3.11
            error.add_note(f"in transform of {uri}")
        raise


def listed_below(connector: OssModelConnector, uri: str) -> ObjectList:
    """Lists ``oss://bucket/prefix/`` by FastList, in the order that every process has."""
    bucket, _, prefix = uri[len("oss://") :].partition("/")
    listed = connector.list(bucket, prefix, fast=True)
    listed.sort()
    return listed


def rows_of_markers(objects: ObjectList) -> list[int]:
    """Which rows are folder markers, which are no samples: see `ObjectInfo.is_folder_marker`."""
    keys = objects.keys
    # Few objects are empty, so few keys are looked at.
    empty = np.flatnonzero(np.asarray(objects.sizes) == 0)
    return [row for row in map(int, empty) if keys[row].endswith("/")]
