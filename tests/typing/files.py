"""A reader goes wherever a binary file does: it is an `IO[bytes]` and a `BinaryIO`."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pickle
import shutil
import tarfile
import wave
import zipfile
from typing import IO, BinaryIO, Union

import numpy as np
import PIL.Image
from ossmodelconnector import ObjectReader, OssModelConnector
from typing_extensions import assert_type


def takes_io(file: IO[bytes]) -> bytes:
    return file.read()


def takes_binary_io(file: BinaryIO) -> bytes:
    return file.read()


def takes_path_or_file(file: Union[str, IO[bytes]]) -> None:  # noqa: UP007 - as pandas has it
    """Like pandas' readers and torch.load."""


def standard_library(reader: ObjectReader) -> None:
    json.load(reader)
    assert_type(io.TextIOWrapper(reader, encoding="utf-8").read(), str)
    assert_type(io.BufferedReader(reader).read(1), bytes)
    zipfile.ZipFile(reader).namelist()
    with tarfile.open(fileobj=reader) as archive:
        archive.getnames()
    with wave.open(reader) as sound:
        sound.getnframes()
    with wave.open(reader, "rb") as sound:
        sound.getnframes()
    with gzip.open(reader) as unpacked:
        unpacked.read()
    pickle.load(reader)
    shutil.copyfileobj(reader, io.BytesIO())


def other_libraries(reader: ObjectReader) -> None:
    PIL.Image.open(reader).convert("RGB")
    np.load(reader)
    np.frombuffer(reader.getbuffer(), dtype=np.float32)


def annotated(connector: OssModelConnector) -> None:
    file: IO[bytes] = connector.open("oss://bucket/key")
    binary: BinaryIO = connector.open("oss://bucket/key")
    base: io.BufferedIOBase = connector.open("oss://bucket/key")
    takes_io(connector.open("oss://bucket/key"))
    takes_binary_io(connector.open("oss://bucket/key"))
    takes_path_or_file(connector.open("oss://bucket/key"))
    text: IO[str] = connector.open("oss://bucket/key", binary=False)
    csv.reader(text)
    for one in (file, binary, base):
        one.close()


def as_files_do(reader: ObjectReader) -> None:
    with reader as same:
        assert_type(same, ObjectReader)
    assert_type([line for line in reader], list[bytes])  # noqa: C416 - the iterator is what counts
    assert_type(reader.read(), bytes)
    assert_type(reader.read(None), bytes)
    assert_type(reader.read1(), bytes)
    assert_type(reader.readline(), bytes)
    assert_type(reader.readlines(), list[bytes])
    assert_type(reader.readinto(bytearray(8)), int)
    assert_type(reader.readinto(memoryview(bytearray(8))), int)
    assert_type(reader.seek(-8, io.SEEK_END), int)
    assert_type(reader.tell(), int)
    assert_type(reader.peek(), bytes)
    assert_type(reader.closed, bool)
    assert_type(reader.mode, str)
    assert_type(reader.name, str)


def beyond_files(reader: ObjectReader) -> None:
    assert_type(reader.read_at(8, bytearray(8)), int)
    assert_type(reader.read_ranges([(0, 8)]), list[bytes])
    assert_type(reader.read_ranges((offset, 8) for offset in range(8)), list[bytes])
    assert_type(reader.getbuffer(), memoryview)
    assert_type((reader.bucket, reader.key, reader.uri, reader.etag), tuple[str, str, str, str])
    assert_type(reader.size, int)
