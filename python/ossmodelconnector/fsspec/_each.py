"""A call for many objects where some may fail: the result, or the error, of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ossmodelconnector._errors import (
    AccessDeniedError,
    ChecksumError,
    CredentialsError,
    ObjectArchivedError,
    ObjectChangedError,
    ObjectNotFoundError,
    OssError,
)

__all__: list[str] = []

Item = TypeVar("Item")
Result = TypeVar("Result")

# What is wrong with an object, or its name; other errors are the line's or the store's.
_OF_ONE_OBJECT = (
    AccessDeniedError,
    ChecksumError,
    IsADirectoryError,
    ObjectArchivedError,
    ObjectChangedError,
    ObjectNotFoundError,
    ValueError,
)


def result_or_error_of_each(
    call: Callable[[Sequence[Item]], Sequence[Result]], items: Sequence[Item]
) -> list[Result | Exception]:
    """Returns what `call` makes of each item; of one that it cannot, the error.

    Args:
        call: makes a list of results of items, or raises the error of any of them.
        items: what for.
    """
    try:
        results: list[Result | Exception] = [*call(items)]
        return results
    except _OF_ONE_OBJECT as error:
        if len(items) == 1 or isinstance(error, CredentialsError):
            return [error] * len(items)
    except OssError as error:
        return [error] * len(items)
    middle = len(items) // 2
    return [
        *result_or_error_of_each(call, items[:middle]),
        *result_or_error_of_each(call, items[middle:]),
    ]
