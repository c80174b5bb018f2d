"""Samples of objects: their bytes, in the order that they are asked for, and what errors do."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Callable, Literal, cast

from ossmodelconnector._errors import BucketNotFoundError, CredentialsError, OssError
from ossmodelconnector._log import logger
from ossmodelconnector._objects import ObjectInfo

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector.torch._sources import Objects

__all__ = [
    "OnError",
    "checked_on_error",
    "log_skipped",
    "may_be_skipped",
    "samples_of",
    "transformed",
]

OnError = Literal["raise", "skip"]
Transform = Callable[[Any], Any]


def checked_on_error(on_error: object) -> OnError:
    """Returns it. ValueError: it is neither of its words."""
    if on_error not in ("raise", "skip"):
        raise ValueError(f'on_error must be "raise" or "skip", not {on_error!r}')
    return cast("OnError", on_error)


def samples_of(
    connector: OssModelConnector,
    objects: Objects,
    numbers: Iterable[int],
    skip_or_raise: Callable[[str, OssError], None],
    **read_ahead: int | None,
) -> Iterator[tuple[Any, ...] | None]:
    """Reads objects, and gives the sample of each, in their order.

    Args:
        connector: reads them.
        objects: of which they are.
        numbers: which ones; taken as they are asked for, some ahead.
        skip_or_raise: called with the URI of an object that cannot be read, and the error.
        **read_ahead: of `OssModelConnector.read_objects`.

    Returns:
        An iterator over (ObjectInfo, bytes), or with a manifest's other columns (ObjectInfo, bytes,
        dict); None for an object that is skipped.
    """
    taken: deque[int] = deque()  # and not given yet

    def wanted() -> Iterator[str | ObjectInfo]:
        for number in numbers:
            taken.append(number)
            yield objects[number]

    pairs: Any = connector.read_objects(wanted(), on_error="return", **read_ahead)
    # Closed when this iterator is: requests in flight are given up then.
    with contextlib.closing(pairs):
        for info, data in pairs:
            number = taken.popleft()
            if isinstance(data, OssError):
                skip_or_raise(info if isinstance(info, str) else info.uri, data)
                yield None
            elif objects.has_columns:
                yield info, data, objects.columns(number)
            else:
                yield info, data


def may_be_skipped(error: Exception) -> bool:
    """Whether it says something of one object, and not that none will come."""
    return not isinstance(error, (BucketNotFoundError, CredentialsError))


def log_skipped(uri: str, error: Exception) -> None:
    """Says in the log that an object is left out, and why."""
    logger.warning("skipped %s: %s: %s", uri, type(error).__name__, error)


def transformed(transform: Transform | None, sample: Any, uri: str) -> Any:
    """Returns what a user's function makes of a sample. Its errors name the object."""
    if transform is None:
        return sample
    try:
        return transform(sample)
    except Exception as error:
        if hasattr(error, "add_note"):  # Python 3.11
            error.add_note(f"in transform of {uri}")
        raise
