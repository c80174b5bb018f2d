"""FileCrc: the CRC-64 of a file, put together of that of its parts, in whatever order they come."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ossmodelconnector import _core

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ossmodelconnector.safetensors._format import Header

__all__ = ["FileCrc"]


class FileCrc:
    """Notes whole tensors of a file as they come. Owned by its `Shard`. Thread-safe.

    A header without holes and all tensors are all of a file.
    """

    def __init__(self, header_crc: int, header: Header) -> None:
        self._header_crc = header_crc
        self._tensors = header.tensors
        self._sized = sum(1 for meta in header.tensors.values() if meta.nbytes)
        self._crcs: dict[str, int] = {}  # guarded by _lock
        self.renew_lock()

    def renew_lock(self) -> None:
        """In a forked child, where nobody is left to unlock it."""
        self._lock = threading.Lock()

    def note(self, name: str, data: Buffer) -> bool:
        """Takes in the bytes of a tensor. False: it came before, and had others."""
        if not self._tensors[name].nbytes:
            return True
        crc = _core.crc64(data)
        with self._lock:
            return self._crcs.setdefault(name, crc) == crc

    def whole(self) -> int | None:
        """The CRC-64 of the file; None: not all of it has come."""
        with self._lock:
            if len(self._crcs) < self._sized:
                return None
            crc = self._header_crc
            for name, meta in self._tensors.items():
                if meta.nbytes:
                    crc = _core.crc64_combine(crc, self._crcs[name], meta.nbytes)
        return crc
