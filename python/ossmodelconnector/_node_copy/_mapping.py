"""Files mapped into memory."""

from __future__ import annotations

import contextlib
import errno
import mmap
import sys
from typing import TypeVar

__all__ = ["map_file"]

_Map = TypeVar("_Map", bound=mmap.mmap)


def map_file(cls: type[_Map], fd: int, size: int, flags: int) -> _Map:
    """Maps a whole file for reading and writing, in huge pages where the system has them for files.

    OSError: the file system has no such mappings, or the process no address space.
    """
    protection = mmap.PROT_READ | mmap.PROT_WRITE
    try:
        if sys.version_info >= (3, 13):  # older ones keep a descriptor of their own
            mapping = cls(fd, size, flags, protection, trackfd=False)
        else:
            mapping = cls(fd, size, flags, protection)
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.EACCES):
            raise OSError(
                error.errno,
                f"node_copy: the file system has no such mappings (mmap: {error.strerror}): give "
                "node_copy a folder of another one",
            ) from None
        raise
    with contextlib.suppress(OSError):  # tmpfs may be without
        mapping.madvise(mmap.MADV_HUGEPAGE)
    return mapping
