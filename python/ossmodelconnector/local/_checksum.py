"""CRC-64 (the xz variant, as the service computes it) over bytes and files."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable

# Crc64(data, value) continues `value`, the CRC of what came before.
Crc64 = Callable[[bytes, int], int]

_POLYNOMIAL = 0xC96C5795D7870F42
_MASK = 0xFFFFFFFFFFFFFFFF
_BLOCK_BYTES = 1 << 20
# Byte by byte in Python is for small objects only: 1 MiB takes some tenths of a second.
_SLOW_LIMIT_BYTES = 1 << 20


@functools.lru_cache(maxsize=1)
def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ _POLYNOMIAL if value & 1 else value >> 1
        table.append(value)
    return tuple(table)


def crc64_by_table(data: bytes, value: int = 0) -> int:
    """Returns the CRC-64 of what `value` is the CRC of, followed by `data`; slow, but always there.

    Example:
        >>> crc64_by_table(b"123456789")
        11051210869376104954
    """
    table = _table()
    value ^= _MASK
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ _MASK


@functools.lru_cache(maxsize=1)
def _fast_crc64() -> Crc64 | None:
    """Returns this package's own compiled CRC-64, else that of crcmod, else None."""
    try:
        compiled: Crc64 = importlib.import_module("ossmodelconnector._core").crc64
        return compiled
    except ImportError:
        pass
    try:
        crcmod = importlib.import_module("crcmod")
    except ImportError:
        return None
    if not getattr(importlib.import_module("crcmod.crcmod"), "_usingExtension", False):
        return None
    made: Crc64 = crcmod.mkCrcFun(0x142F0E1EBA9EA3693, initCrc=0, xorOut=_MASK, rev=True)
    return made


def crc64(data: bytes) -> int | None:
    """Returns the CRC-64 of `data`, None if that would take too long on this machine."""
    fast = _fast_crc64()
    if fast is not None:
        return fast(data, 0)
    return crc64_by_table(data) if len(data) <= _SLOW_LIMIT_BYTES else None


def crc64_of_file(fd: int, size: int, is_cancelled: Callable[[], bool]) -> int | None:
    """Returns the CRC-64 of the first `size` bytes of an open file, without moving its position.

    None if the file is shorter, if it would take too long on this machine, or when cancelled.
    """
    fast = _fast_crc64()
    if fast is None and size > _SLOW_LIMIT_BYTES:
        return None
    update = crc64_by_table if fast is None else fast
    value = offset = 0
    while offset < size:
        block = os.pread(fd, min(_BLOCK_BYTES, size - offset), offset)
        if not block or is_cancelled():
            return None
        value = update(block, value)
        offset += len(block)
    return value
