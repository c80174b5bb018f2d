"""ArchiveFile: a zip archive in OSS, received in its order, read in any."""

from __future__ import annotations

import io
import mmap
import zipfile
from typing import TYPE_CHECKING, Any

from ossmodelconnector._errors import ChecksumError

if TYPE_CHECKING:
    from ossmodelconnector._reader import ObjectReader

__all__ = ["ArchiveFile"]

# Of the end, at first: the directory of 1,500 records. A longer one costs one more round trip.
_TAIL_BYTES = 128 << 10
# Small records, such as the version, lie right before the directory.
_SMALL_RECORDS_BYTES = 4 << 10
# A read that needs more than has come receives so much at least; of more it receives them itself.
_STEP_BYTES = 16 << 20
_PAGE_BYTES = mmap.PAGESIZE


class ArchiveFile(io.RawIOBase):
    """A file for ``torch.load``, which reads the directory, then record after record, once each.

    It refers to two readers of one version of the object, which the caller owns: by one the file
    is received in its order, into memory of its own; by the other the directory at its end. Pages
    of a record that was read are given back to the system: whoever read it has a copy. What is
    read again comes by a request. For one thread.
    """

    def __init__(self, reader: ObjectReader, parts: ObjectReader, *, is_swept: bool) -> None:
        """Reads the directory.

        Args:
            reader: of the whole object, at its begin.
            parts: for what is read beside.
            is_swept: whether records will be read; False: bytes come as they are asked for.

        Raises:
            ValueError: it has none.
        """
        super().__init__()
        self._reader = reader
        self._parts = parts
        self._size = reader.size
        self._position = 0
        self._tail_begin = max(0, self._size - _TAIL_BYTES)
        self._tail = self._range(self._tail_begin, self._size)
        self._is_swept = False  # while the directory is read
        self._extend_tail()
        self._is_swept = is_swept
        self._filled = 0
        self._memory = mmap.mmap(-1, self._size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._is_gone = bytearray(self._size // _PAGE_BYTES + 1)  # by pages
        self._given_back_end = 0

    def check(self) -> None:
        """Receives what is missing at the end. ChecksumError: the file is not what was uploaded."""
        if not self._is_swept:
            return
        self._fill(self._size)
        # What was given back is zeros now.
        begin = max(self._tail_begin, self._given_back_end)
        if self._memory[begin:] != self._tail[begin - self._tail_begin :]:
            uri = self._reader.uri
            raise ChecksumError(f"{uri}: its end came twice, and not the same", uri=uri)

    # --- a file ---

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The position, in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Moves the position, and returns it."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if begin + offset < 0:
            raise ValueError(f"negative seek position {begin + offset}")
        self._position = begin + offset
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        """Fills the buffer; less only at the end."""
        view = memoryview(buffer).cast("B")
        begin = self._position
        end = min(self._size, begin + len(view))
        if end <= begin:
            return 0
        count = end - begin
        if begin >= self._tail_begin:
            view[:count] = self._tail[begin - self._tail_begin : end - self._tail_begin]
        elif not self._is_swept or self._was_given_back(begin, end):
            view[:count] = self._range(begin, end)
        elif end - max(begin, self._filled) > _STEP_BYTES:
            self._receive(begin, end, view[:count])
        else:
            self._copy(begin, end, view[:count])
        self._position = end
        return count

    # --- where bytes come from ---

    def _fill(self, end: int) -> None:
        if end <= self._filled:
            return
        end = min(self._size, max(end, self._filled + _STEP_BYTES))
        with memoryview(self._memory) as memory:
            self._reader.readinto(memory[self._filled : end])
        self._filled = end

    def _copy(self, begin: int, end: int, view: memoryview) -> None:
        """In steps: so a record that has waited here is not held twice."""
        for low in range(begin, end, _STEP_BYTES):
            high = min(end, low + _STEP_BYTES)
            self._fill(high)
            with memoryview(self._memory) as memory:
                view[low - begin : high - begin] = memory[low:high]
            self._give_back(low, high)

    def _receive(self, begin: int, end: int, view: memoryview) -> None:
        """A large record: no copy but of its first and last page, which hold others' bytes too."""
        self._fill(begin)
        have = self._filled
        with memoryview(self._memory) as memory:
            view[: have - begin] = memory[begin:have]
            self._reader.readinto(view[have - begin :])
            first, last = -(-have // _PAGE_BYTES) * _PAGE_BYTES, end // _PAGE_BYTES * _PAGE_BYTES
            memory[have:first] = view[have - begin : first - begin]
            memory[last:end] = view[last - begin :]
        self._filled = end
        self._give_back(begin, end)

    def _range(self, begin: int, end: int) -> bytes:
        return self._parts.read_ranges([(begin, end - begin)])[0]

    def _give_back(self, begin: int, end: int) -> None:
        first, last = -(-begin // _PAGE_BYTES), end // _PAGE_BYTES
        if last > first:
            self._given_back_end = max(self._given_back_end, last * _PAGE_BYTES)
            self._is_gone[first:last] = b"\1" * (last - first)
            self._memory.madvise(
                mmap.MADV_DONTNEED, first * _PAGE_BYTES, (last - first) * _PAGE_BYTES
            )

    def _was_given_back(self, begin: int, end: int) -> bool:
        return self._is_gone.find(1, begin // _PAGE_BYTES, (end - 1) // _PAGE_BYTES + 1) >= 0

    def _extend_tail(self) -> None:
        """Has the tail hold all of the directory, and the small records before it."""
        try:
            with zipfile.ZipFile(self) as archive:
                begin = archive.start_dir
        except zipfile.BadZipFile as error:
            raise ValueError(
                f"{self._reader.uri}: a zip archive without a directory: it is cut short ({error})"
            ) from None
        self._position = 0
        begin = max(0, begin - _SMALL_RECORDS_BYTES)
        if begin < self._tail_begin:
            self._tail = self._range(begin, self._tail_begin) + self._tail
            self._tail_begin = begin
