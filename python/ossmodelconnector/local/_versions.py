"""The versions of objects in versioned buckets."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import count
from typing import Generic, TypeVar

_Content = TypeVar("_Content")


@dataclass(frozen=True)
class Version(Generic[_Content]):
    """One version of an object.

    Attributes:
        version_id: unique in the server.
        content: None for a delete marker.
    """

    version_id: str
    content: _Content | None


class VersionHistory(Generic[_Content]):
    """The versions of each object that has any. Any thread may call anything."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], list[Version[_Content]]] = {}
        self._numbers = count(1)
        self._lock = threading.Lock()

    def add(self, bucket: str, key: str, content: _Content | None) -> str:
        """Makes `content` the latest version, None a delete marker; returns its id."""
        with self._lock:
            # As long as one of the service's, and with what queries encode.
            version_id = f"CAEQNhiBgMDJ+/{next(self._numbers):010d}ZCA0BYiIDc4MGZjZGI2OTBjOTRm=="
            version = Version(version_id, content)
            self._versions.setdefault((bucket, key), []).append(version)
        return version_id

    def latest(self, bucket: str, key: str) -> Version[_Content] | None:
        """Returns the latest version; None: the object has no versions."""
        with self._lock:
            versions = self._versions.get((bucket, key))
            return versions[-1] if versions else None

    def find(self, bucket: str, key: str, version_id: str) -> Version[_Content] | None:
        """Returns the version of that id, None if there is none."""
        with self._lock:
            for version in self._versions.get((bucket, key), ()):
                if version.version_id == version_id:
                    return version
        return None

    def forget(self, bucket: str, key: str) -> None:
        """Makes the object one without versions."""
        with self._lock:
            self._versions.pop((bucket, key), None)
