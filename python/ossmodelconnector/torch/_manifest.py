"""Manifests: files that list objects, one a row, with whatever else is known of each."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ossmodelconnector.torch import _require
from ossmodelconnector.torch._texts import Texts

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector

__all__ = ["Manifest", "Rows", "is_manifest", "read_manifest"]

_SUFFIXES = (".jsonl", ".csv", ".parquet")
# csv refuses longer fields by default; a caption, or a label in base64, may be long.
_LONGEST_FIELD = 1 << 30


class Manifest(NamedTuple):
    """Attributes: uris: of the objects. columns: the others, by row; None: there are none."""

    uris: Texts
    columns: Rows | None


class Rows(Protocol):
    """Dicts, by number."""

    def __getitem__(self, index: int, /) -> dict[str, Any]: ...


class JsonRows:
    """Dicts, kept as lines of JSON."""

    def __init__(self, lines: Texts) -> None:
        self._lines = lines

    def __getitem__(self, index: int) -> dict[str, Any]:
        row: dict[str, Any] = json.loads(self._lines[index])
        return row


class ArrowRows:
    """The rows of a table of pyarrow as dicts."""

    def __init__(self, table: Any) -> None:
        self._table = table.combine_chunks()

    def __getitem__(self, index: int) -> dict[str, Any]:
        row: dict[str, Any] = self._table.slice(index, 1).to_pylist()[0]
        return row


def is_manifest(source: object) -> bool:
    """Whether its name ends as that of a manifest."""
    return isinstance(source, (str, os.PathLike)) and os.fspath(source).endswith(_SUFFIXES)


def read_manifest(connector: OssModelConnector | None, source: str | os.PathLike[str]) -> Manifest:
    """Reads all of it.

    Args:
        connector: for one on OSS.
        source: a URI or a path whose name says what it is.

    Raises:
        ValueError: it has no column ``uri``, or a row does not hold; the text names it.
        ImportError: it is parquet, and pyarrow is missing.
        OSError: it cannot be read.
    """
    name = os.fspath(source)
    if name.endswith(".parquet"):
        return _of_parquet(connector, name)
    text = _opened(connector, name).read().decode("utf-8-sig")
    rows = _rows_of_jsonl(name, text) if name.endswith(".jsonl") else _rows_of_csv(name, text)
    uris, columns = Texts(), Texts()
    has_columns = False
    for where, row in rows:
        uris.append(_checked_uri(where, row.pop("uri", None)))
        has_columns = has_columns or bool(row)
        columns.append(json.dumps(row, ensure_ascii=False))
    return Manifest(uris, JsonRows(columns) if has_columns else None)


def _opened(connector: OssModelConnector | None, name: str) -> io.BufferedIOBase:
    if name.startswith("oss://"):
        assert connector is not None
        return connector.open(name)
    return io.BytesIO(Path(name).read_bytes())


def _rows_of_jsonl(name: str, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{where}: no valid JSON: {error!s:.200}") from None
        if not isinstance(row, dict):
            raise ValueError(f"{where}: a row must be an object with a uri, not {line:.80}")
        yield where, row


def _rows_of_csv(name: str, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    _require_uri(name, reader.fieldnames or ())
    try:
        for row in reader:
            where = f"{name}, line {reader.line_num}"
            if None in row or None in row.values():
                raise ValueError(f"{where}: it has not as many fields as the first line has names")
            yield where, row
    except csv.Error as error:
        raise ValueError(f"{name}, line {reader.line_num}: {error}") from None


def _of_parquet(connector: OssModelConnector | None, name: str) -> Manifest:
    parquet = _require.pyarrow_parquet()
    with _opened(connector, name) as file:
        try:
            table = parquet.read_table(file)
        except ValueError as error:  # of pyarrow, all that says what is wrong with the file
            raise ValueError(f"{name}: {error}") from None
    _require_uri(name, table.column_names)
    rows = enumerate(table.column("uri").to_pylist(), 1)
    uris = Texts(_checked_uri(f"{name}, row {number}", uri) for number, uri in rows)
    others = table.drop_columns(["uri"])
    return Manifest(uris, ArrowRows(others) if others.num_columns else None)


def _require_uri(name: str, columns: Iterable[str]) -> None:
    columns = list(columns)
    if columns.count("uri") != 1:
        raise ValueError(f"{name} must have one column uri; its columns are {columns!r:.200}")


def _checked_uri(where: str, uri: object) -> str:
    if not isinstance(uri, str) or not uri.startswith("oss://"):
        raise ValueError(f"{where}: uri must be oss://bucket/key, not {uri!r:.200}")
    return uri
