"""Objects of OSS as files of fsspec, and so of what reads through it: pandas, Arrow, Dask, zarr.

Example:
    >>> import fsspec
    >>> with fsspec.open("ossmc://bucket/vocabulary.txt", "r") as lines:
    ...     first = next(lines)
"""

from __future__ import annotations

try:
    import fsspec
except ImportError as _error:
    raise ImportError(
        "ossmodelconnector.fsspec needs fsspec: pip install 'ossmodelconnector[fsspec]'"
    ) from _error

from ossmodelconnector._public import name_package as _name_package
from ossmodelconnector.fsspec._files import OssModelFile
from ossmodelconnector.fsspec._filesystem import OssModelFileSystem

__all__ = ["OssModelFile", "OssModelFileSystem", "register_oss"]


def register_oss() -> None:
    """Has fsspec take ``oss://`` for this file system too, in this process, instead of ossfs.

    Example:
        >>> register_oss()
    """
    fsspec.register_implementation("oss", OssModelFileSystem, clobber=True)


_name_package(__name__, vars())
