"""ObjectReader: an open object as a binary file."""

from __future__ import annotations

import io
import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from ossmodelconnector import _core
    from ossmodelconnector._connector import OssModelConnector

__all__ = ["ObjectReader"]


class ObjectReader(io.BufferedIOBase):
    """An object of OSS, open for reading: what `OssModelConnector.open` returns.

    It reads as `io.BytesIO` over the same bytes does, and cannot be written to. From the open on,
    the object is fetched into memory in the background; a read of bytes that are not there yet
    waits for them, before all other transfers. Bytes that were read stay for reading again until
    the reader is closed or the memory budget wants them back.

    Every byte is of the version that was opened: if the object is overwritten meanwhile, reads
    raise `ObjectChangedError`. A read that fails moves no cursor, and may be tried again. Reads
    raise `OssError` or one of its kinds, and ValueError once the reader or its connector is closed.

    Any thread may use it; calls that move the cursor take turns. `read_at`, `read_ranges` and
    `getbuffer` leave the cursor alone. The reader keeps its connector alive until it is closed.

    Example:
        >>> with connector.open("oss://bucket/model.safetensors") as reader:
        ...     header_size = int.from_bytes(reader.read(8), "little")
        ...     reader.seek(-1024, io.SEEK_END)
        ...     tail = reader.read()
    """

    # Small reads are many: each reading method is one call into the core, which does all checks.
    __slots__ = ("_connector", "_core")

    mode = "rb"

    def __init__(self, core: _core.Reader, connector: OssModelConnector) -> None:
        self._core = core
        # Kept alive, since it serves the reader's credentials; None once closed.
        self._connector: OssModelConnector | None = connector

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self._core.bucket

    @property
    def key(self) -> str:
        """The object's name in its bucket."""
        return self._core.key

    @property
    def uri(self) -> str:
        """``oss://bucket/key``."""
        return self._core.uri

    @property
    def name(self) -> str:
        """The same as `uri`, under the name that files have for it."""
        return self._core.uri

    @property
    def size(self) -> int:
        """The object's size in bytes."""
        return self._core.size

    @property
    def etag(self) -> str:
        """The tag of the version that is read, without quotes."""
        return self._core.etag

    @property
    def closed(self) -> bool:
        """Whether the reader, or its connector, was closed."""
        return self._core.closed

    def readable(self) -> bool:
        """True; ValueError once closed."""
        self._check_open()
        return True

    def seekable(self) -> bool:
        """True; ValueError once closed."""
        self._check_open()
        return True

    def writable(self) -> bool:
        """False; ValueError once closed."""
        self._check_open()
        return False

    def read(self, size: int | None = -1, /) -> bytes:
        """Reads up to `size` bytes from the cursor on.

        Args:
            size: how many bytes; negative or None: all that are left.

        Returns:
            The bytes: fewer than `size` only at the end of the object, where they are ``b""``.

        Example:
            >>> data = reader.read(4 * 1024 * 1024)
        """
        return self._core.read(-1 if size is None else size)

    def read1(self, size: int | None = -1, /) -> bytes:
        """The same as `read`: it waits for all `size` bytes, as `io.BytesIO.read1` gives them."""
        return self._core.read(-1 if size is None else size)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Reads into a buffer, without a copy in between: the fastest way to read.

        Args:
            buffer: anything writable and contiguous, such as a bytearray or a numpy array.

        Returns:
            The number of bytes read: less than fits only at the end of the object, where it is 0.

        Example:
            >>> buffer = bytearray(4 * 1024 * 1024)
            >>> count = reader.readinto(buffer)
        """
        return self._core.readinto(buffer)

    def readinto1(self, buffer: WriteableBuffer, /) -> int:
        """The same as `readinto`."""
        return self._core.readinto(buffer)

    def readline(self, size: int | None = -1, /) -> bytes:
        r"""Reads a line with its ``b"\n"``, at most `size` bytes; negative or None: no limit."""
        return self._core.readline(-1 if size is None else size)

    def readlines(self, hint: int | None = None, /) -> list[bytes]:
        """Reads lines until they amount to `hint` bytes; None or not positive: all of them."""
        limit = 0 if hint is None else operator.index(hint)
        if limit <= 0:
            return list(self)
        lines, total = [], 0
        for line in self:
            lines.append(line)
            total += len(line)
            if total >= limit:
                break
        return lines

    def peek(self, size: int = 0, /) -> bytes:
        """Returns bytes from the cursor on without moving it: at least one, unless at the end.

        Args:
            size: how many bytes are wanted; more or fewer may come.
        """
        return self._core.peek(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Moves the cursor, which costs nothing by itself; beyond the end is allowed.

        Args:
            offset: in bytes.
            whence: `io.SEEK_SET` (from the start), `io.SEEK_CUR` or `io.SEEK_END`.

        Returns:
            The new position. Before the start: ValueError with SEEK_SET, else 0 is taken.
        """
        return self._core.seek(offset, whence)

    def tell(self) -> int:
        """Returns the cursor's position in bytes."""
        return self._core.tell()

    def read_at(self, offset: int, buffer: WriteableBuffer) -> int:
        """Reads into `buffer` from a position, leaving the cursor alone. Safe from many threads.

        Args:
            offset: in bytes from the start; negative: ValueError.
            buffer: anything writable and contiguous.

        Returns:
            The number of bytes read: less than fits only at the end, 0 from there on.

        Example:
            >>> count = reader.read_at(1 << 20, buffer)
        """
        return self._core.read_at(offset, buffer)

    def read_ranges(self, ranges: Iterable[tuple[int, int]]) -> list[bytes]:
        """Reads several ranges, all asked for at once. Safe from many threads.

        Args:
            ranges: pairs of (offset, length) in bytes.

        Returns:
            The bytes of each, in the same order; short only where a range passes the end.

        Example:
            >>> head, tail = reader.read_ranges([(0, 8), (reader.size - 8, 8)])
        """
        return self._core.read_ranges(list(ranges))

    def getbuffer(self) -> memoryview:
        """Returns the whole object as a read-only memoryview, without a copy.

        It waits for all of the object. The view keeps its memory, which counts against the budget,
        until it is released or dropped, even after the reader is closed.

        Returns:
            A read-only memoryview of format ``"B"`` and of length `size`.

        Raises:
            MemoryBudgetError: the budget can never hold it beside the views that live.

        Example:
            >>> view = reader.getbuffer()
            >>> tensor = numpy.frombuffer(view, dtype=numpy.float16, offset=header_size)
        """
        return memoryview(self._core.getbuffer())

    def flush(self) -> None:
        """Does nothing; ValueError once closed."""
        self._check_open()

    def close(self) -> None:
        """Releases the reader's memory and ends its transfers; a second close does nothing.

        A read that waits for bytes in another thread ends with ValueError. Views by `getbuffer`
        stay valid.
        """
        self._core.close()
        self._connector = None

    def __repr__(self) -> str:
        state = " (closed)" if self.closed else ""
        return f"<ObjectReader {self.uri!r}, {self.size} bytes{state}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            f"cannot pickle the open reader of {self.uri!r}: pickle the connector and open it again"
        )

    def _after_fork_in_child(self) -> None:
        """Gives the reader a fresh start in the child; called by the fork hook."""
        held: object = self._core
        # Forked again before it was used?
        core = held._core if isinstance(held, _FirstUseAfterFork) else self._core
        if core.closed:
            return
        core.after_fork_in_child()
        self._core = cast("_core.Reader", _FirstUseAfterFork(self, core))

    def _check_open(self) -> None:
        if self._core.closed:
            raise ValueError("I/O operation on closed file.")


class _FirstUseAfterFork:
    """Stands in for a reader's core in a forked child until the first call that may send a request.

    The threads that serve requests stayed in the parent. They are started anew here, so that the
    reading methods need not look for them at every call.
    """

    __slots__ = ("_core", "_reader")

    def __init__(self, reader: ObjectReader, core: _core.Reader) -> None:
        self._reader = reader
        self._core = core

    def __getattr__(self, name: str) -> Any:
        connector = self._reader._connector
        if name in _SENDING_METHODS and connector is not None:
            connector._start_helpers()
            self._reader._core = self._core
        return getattr(self._core, name)


_SENDING_METHODS = frozenset(
    ("read", "readinto", "readline", "peek", "read_at", "read_ranges", "getbuffer")
)
