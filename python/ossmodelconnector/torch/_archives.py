"""The samples of a tar: files that are named alike, in the layout of webdataset."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from typing import NamedTuple

from ossmodelconnector.torch._progress import DONE

__all__ = ["TarSample", "samples_of_tar"]

_BLOCK = tarfile.BLOCKSIZE
_STEP_BYTES = 1 << 20
# What a header that says more of the next one may have: paths, not contents.
_LONGEST_HEADER = 1 << 20
_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)", re.DOTALL)
_PAX_RECORD = re.compile(rb"(\d+) ([^=]+)=")


class TarSample(NamedTuple):
    """Attributes: fields: by extension, and ``__key__``. place: where the next one begins."""

    fields: dict[str, str | bytes]
    place: int


class _Entry(NamedTuple):
    name: str
    begin: int
    size: int


def samples_of_tar(file: io.BufferedIOBase, uri: str) -> Iterator[TarSample]:
    """Reads samples from the file's position on, which is that of a header, to the file's end.

    The last one's place is `DONE`; where there is none, its fields are empty.

    Raises:
        tarfile.ReadError: that is no tar, or it is cut short, or has a file twice.
    """
    fields: dict[str, str | bytes] = {}
    for entry in _entries(file, uri):
        match = _NAME.fullmatch(entry.name)
        if match is None or _is_hidden(entry.name):
            file.seek(-(-entry.size // _BLOCK) * _BLOCK, io.SEEK_CUR)
            continue
        key, extension = match[1], match[2].lower()
        if fields and fields["__key__"] != key:
            yield TarSample(fields, entry.begin)
            fields = {}
        if extension in fields:
            raise tarfile.ReadError(f"{uri}: it has {entry.name!r:.200} twice in one sample")
        fields["__key__"] = key
        fields[extension] = _read(file, entry.size, uri)
    # To the end, where the tar's CRC-64 is compared: before its last sample is given.
    while file.read(_STEP_BYTES):
        pass
    yield TarSample(fields, DONE)


def _is_hidden(name: str) -> bool:
    """Whether it is none of the samples', but says something of the whole, by its name."""
    base = name.rpartition("/")[2]
    return base.startswith("__") and base.endswith("__")


def _entries(file: io.BufferedIOBase, uri: str) -> Iterator[_Entry]:
    """The regular files. Whoever takes one reads its content, or goes past it."""
    begin: int | None = None  # of the first header that speaks of this file
    name: str | None = None
    size: int | None = None
    while True:
        place = file.tell()
        header = file.read(_BLOCK)
        if not header:
            return  # without the blocks of zeros at the end: some programs write none
        try:
            info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # typeshed has it not
            return
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{uri}: no header of a tar at {place}: {error}") from None
        begin = place if begin is None else begin
        if info.type == tarfile.GNUTYPE_LONGNAME:
            name = _read_header(file, info.size, uri).rstrip(b"\0").decode(errors="surrogateescape")
        elif info.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            records = _pax_records(_read_header(file, info.size, uri))
            if b"path" in records:
                name = records[b"path"].decode(errors="surrogateescape")
            if b"size" in records:
                size = int(records[b"size"])
        elif info.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError(f"{uri}: {info.name!r:.200} is a sparse file")
        else:
            length = info.size if size is None else size
            if info.isreg():
                yield _Entry(name or info.name, begin, length)
            elif info.type in tarfile.SUPPORTED_TYPES:  # links and folders have no content
                pass
            else:
                file.seek(-(-length // _BLOCK) * _BLOCK, io.SEEK_CUR)
            begin = name = size = None
            continue
        if info.type == tarfile.XGLTYPE:
            begin = None


def _read_header(file: io.BufferedIOBase, size: int, uri: str) -> bytes:
    if size > _LONGEST_HEADER:
        raise tarfile.ReadError(f"{uri}: a header of {size} bytes")
    return _read(file, size, uri)


def _pax_records(data: bytes) -> dict[bytes, bytes]:
    """Records of the form ``30 path=name``, where 30 is the length of all that and a newline."""
    records = {}
    place = 0
    while match := _PAX_RECORD.match(data, place):
        end = place + int(match[1])
        records[match[2]] = data[match.end() : end - 1]
        place = max(end, match.end())
    return records


def _read(file: io.BufferedIOBase, size: int, uri: str) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise tarfile.ReadError(f"{uri}: it ends in the middle of a file")
    file.read(-size % _BLOCK)
    return data
