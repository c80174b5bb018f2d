"""What files of a node copy are called: the name is the state."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Key", "Name", "parse_name"]

# What a whole file was checked by.
CHECKED = ("crc64", "etag")
_NAME = re.compile(r"([0-9a-f]{24})-([0-9a-f]{24})\.(part|fetch|crc64|etag)(\.keep)?\Z")


class Key(NamedTuple):
    """Which object, and which version of it: digests."""

    object: str
    version: str

    @classmethod
    def of(cls, endpoint: str, uri: str, etag: str, size: int) -> Key:
        return cls(_digest(endpoint, uri), _digest(etag, size))

    def __str__(self) -> str:
        return f"{self.object}-{self.version}"

    @property
    def part(self) -> str:
        """Of the file while it is filled."""
        return f"{self}.part"

    @property
    def fetch(self) -> str:
        """Of the lock of whoever fills it."""
        return f"{self}.fetch"

    def whole(self, checked: str, *, is_kept: bool) -> str:
        """Of the file when it is whole, and was checked by one of `CHECKED`."""
        return f"{self}.{checked}{'.keep' if is_kept else ''}"

    def wholes(self) -> Iterator[Name]:
        """All names that it can have then."""
        for checked in CHECKED:
            for is_kept in (True, False):
                yield Name(self.whole(checked, is_kept=is_kept), self, checked, is_kept)


class Name(NamedTuple):
    """A name, and what it says.

    Attributes:
        text: the name.
        key: whose it is.
        state: ``"part"``, ``"fetch"``, or one of `CHECKED`.
        is_kept: whether it stays when nobody uses it.
    """

    text: str
    key: Key
    state: str
    is_kept: bool


def parse_name(text: str) -> Name | None:
    """What a name in the folder says; None: it is none of ours."""
    match = _NAME.match(text)
    if match is None:
        return None
    return Name(text, Key(match[1], match[2]), match[3], match[4] is not None)


def _digest(*fields: object) -> str:
    text = json.dumps(fields)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]
