"""ObjectReader: an open object as a binary file."""

from __future__ import annotations

import contextlib
import io
import operator
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from ossmodelconnector import _core

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from typing_extensions import Self

    from ossmodelconnector._connector import OssModelConnector

__all__ = ["ObjectReader"]


class _NameWithSecret(str):
    """A name whose repr, which files around a reader put into theirs, hides what is secret."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(_core.without_secrets(str(self)))

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


class ObjectReader(_core.Cursor, io.BufferedIOBase):
    """An object of OSS, open for reading: what `OssModelConnector.open` returns.

    It reads as `io.BytesIO` over the same bytes does, and cannot be written to. From the open on,
    unless that was without prefetch, the object is fetched into memory in the background; a read of
    bytes that are not there yet waits for them, before all other transfers. Bytes that were read
    stay for reading again until the reader is closed or the memory budget wants them back.

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
        4193280
    """

    # Small reads are many: read, readinto, seek and the others that move the cursor are the core's
    # own methods (_core.Cursor), which has the member _core.
    __slots__ = ("_connector",)

    mode = "rb"

    # Kept alive, since it renews the reader's credentials; None once closed.
    _connector: OssModelConnector | None

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        """Raises TypeError: `OssModelConnector.open` makes readers."""
        raise TypeError(f"{cls.__name__} is not constructed: OssModelConnector.open returns one")

    @classmethod
    def _over(cls, core: _core.Reader, connector: OssModelConnector) -> Self:
        reader = _core.Cursor.__new__(cls)
        reader._core = core
        reader._connector = connector
        return reader

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
        uri = self._core.uri
        return uri if _core.without_secrets(uri) == uri else _NameWithSecret(uri)

    @property
    def size(self) -> int:
        """The object's size in bytes."""
        return self._core.size

    @property
    def etag(self) -> str:
        """The tag of the version that is read, without quotes."""
        return self._core.etag

    @property
    def crc64(self) -> int | None:
        """The CRC-64 (ECMA-182) of the whole object, as the server tells it.

        None where it tells none, with ``verify.crc64`` off, and, of an object that was opened
        without a request, before the first read.

        Example:
            >>> with connector.open("oss://bucket/model.safetensors", prefetch=False) as reader:
            ...     reader.crc64 == 8951253438464205709
            True
        """
        return self._core.crc64

    @property
    def version_id(self) -> str | None:
        """Which version of the object is read; None outside of versioned buckets.

        Of an object that was opened without a request, None before the first read too.

        Example:
            >>> reader.version_id is None
            True
        """
        return self._core.version_id or None

    @property
    def verified(self) -> Literal["crc64", "length+etag", "length+modified"]:
        """What the object's bytes have been checked by so far.

        ``"crc64"``: all of them were fetched, and their CRC-64 is the object's. Of an object that
        is not read as a whole, or whose CRC-64 the server does not tell, there is less to check:
        ``"length+etag"``: each reply's range and length were right, and its ETag, a strong one, was
        that of the version. ``"length+modified"``: a reply had none; length, Last-Modified and what
        else tells versions apart were the same in every reply that had them.

        Example:
            >>> data = reader.read()
            >>> reader.verified
            'crc64'
        """
        return self._core.verified

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

    def read_at(self, offset: int, buffer: WriteableBuffer) -> int:
        """Reads into `buffer` from a position, leaving the cursor alone. Safe from many threads.

        Args:
            offset: in bytes from the start; negative: ValueError.
            buffer: anything writable and contiguous.

        Returns:
            The number of bytes read: less than fits only at the end, 0 from there on.

        Example:
            >>> buffer = bytearray(65536)
            >>> reader.read_at(1 << 20, buffer)
            65536
        """
        try:
            return self._core.read_at(offset, buffer)
        except TypeError:
            if hasattr(offset, "__index__"):
                raise
            kind = type(offset).__name__
            raise TypeError(
                f"read_at(offset, buffer): the offset must be int, not {kind}, and comes first"
            ) from None

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

    def chunks(self) -> Iterator[memoryview]:
        """Iterates over the bytes from the cursor on, in place, without a copy.

        Each view is of the bytes up to the end of one chunk (``prefetch.chunkBytes``), and moves
        the cursor behind them. It is released when the next one is asked for, or the iterator is
        closed. What still refers to it then, such as an array over it, keeps its bytes in memory,
        where they count against the budget, until it is let go.

        Returns:
            An iterator over read-only memoryviews of format ``"B"``; none is empty.

        Raises:
            ChecksumError: from the iterator, where all bytes have come and do not match the
                object's CRC-64: forget the ones before.

        Example:
            >>> import hashlib
            >>> digest = hashlib.sha256()
            >>> for chunk in reader.chunks():
            ...     digest.update(chunk)
        """
        self._check_open()
        return self._chunks()

    def _chunks(self) -> Iterator[memoryview]:
        while True:
            chunk = self._core.next_chunk()
            if chunk is None:
                return
            view = memoryview(chunk)
            del chunk
            try:
                yield view
            finally:
                with contextlib.suppress(BufferError):  # somebody has an array over it
                    view.release()
                del view

    def getbuffer(self) -> memoryview:
        """Returns the whole object as a read-only memoryview, without a copy.

        It waits for all of the object. The view keeps its memory, which counts against the budget,
        until it is released or dropped, even after the reader is closed.

        `hashlib.file_digest` asks for it, as of every file that has it, and so takes the whole
        object into memory; `chunks` shows how to digest one in pieces.

        Returns:
            A read-only memoryview of format ``"B"`` and of length `size`.

        Raises:
            MemoryBudgetError: the budget can never hold it beside the views that live: read in
                pieces, by `chunks` or `readinto`.

        Example:
            >>> view = reader.getbuffer()
            >>> header_size = 8 + int.from_bytes(view[:8], "little")
            >>> tensor = numpy.frombuffer(view, dtype=numpy.float32, offset=header_size)
        """
        return memoryview(self._core.getbuffer())

    # As the base has them, but that they say whose close it was.

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __iter__(self) -> Self:
        self._check_open()
        return self

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
        shown = _core.without_secrets(self.uri)
        return f"<ObjectReader {shown!r}, {self.size} bytes{state}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        shown = _core.without_secrets(self.uri)
        raise TypeError(
            f"cannot pickle the open reader of {shown!r}: pickle the connector and open it again"
        )

    def _after_fork_in_child(self) -> None:
        """Gives the reader a fresh start in the child; called by the fork hook."""
        if self._connector is not None and not self.closed:
            self._core.after_fork_in_child()

    def _check_open(self) -> None:
        self._core.check_open()
