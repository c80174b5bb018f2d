"""Paths as fsspec has them: ``bucket/key``, without a scheme and without a slash at either end."""

from __future__ import annotations

__all__: list[str] = []


def split_path(path: str) -> tuple[str, str]:
    """Returns bucket and key; the key is ``""`` for the bucket itself."""
    bucket, _, key = path.partition("/")
    return bucket, key


def uri_of(path: str) -> str:
    """Returns the URI of the object at `path`; the key stays as it is."""
    return f"oss://{path}"


def inside(path: str) -> str:
    """Returns what the keys begin with that lie in the directory `path`."""
    key = split_path(path)[1]
    return f"{key}/" if key else ""
