"""Paths as fsspec has them: ``bucket/key``, without a scheme and without a slash at either end."""

from __future__ import annotations

from errno import EISDIR

__all__: list[str] = []


def split_path(path: str) -> tuple[str, str]:
    """Returns bucket and key; the key is ``""`` for the bucket itself."""
    bucket, _, key = path.partition("/")
    return bucket, key


def uri_of(path: str) -> str:
    """Returns the URI of the object at `path`; the key stays as it is.

    Raises:
        IsADirectoryError: the path is a bucket.
    """
    if not split_path(path)[1]:
        raise IsADirectoryError(EISDIR, "this is a bucket, and no object of one", path)
    return f"oss://{path}"


def bucket_and_prefix(path: str) -> tuple[str, str]:
    """Returns the bucket of the directory `path`, and what the keys of its files begin with.

    Raises:
        NotImplementedError: the path names no bucket.
    """
    bucket, key = split_path(path)
    if not bucket:
        raise NotImplementedError("buckets are not listed: give a path that begins with one's name")
    return bucket, f"{key}/" if key else ""


def is_marker(key: str) -> bool:
    """Whether it is the key of a directory's marker, which no path names."""
    return key.endswith("/")
