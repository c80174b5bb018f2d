"""`tensors`: what a model consists of, out of its headers alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ossmodelconnector.command._exits import CommandError, Exit
from ossmodelconnector.command._output import bytes_text, columns, count_text, print_json, shown
from ossmodelconnector.command._session import Session
from ossmodelconnector.command._uris import parts_of
from ossmodelconnector.command._verb import verb
from ossmodelconnector.safetensors._format import DTYPES, HeaderError, TensorMeta
from ossmodelconnector.safetensors._shard import open_shards
from ossmodelconnector.safetensors._source import files_of

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector

__all__: list[str] = []


class _Tensor(NamedTuple):
    name: str
    meta: TensorMeta
    file: str

    def fields(self) -> dict[str, Any]:
        meta = self.meta
        shape = list(meta.shape)
        return {
            "name": self.name,
            "dtype": meta.dtype,
            "shape": shape,
            "bytes": meta.nbytes,
            "file": self.file,
        }


@verb("tensors")
@click.argument("uri")
@click.option("--variant", metavar="NAME", help="Of a folder with files of several, as fp16.")
def tensors(session: Session, uri: str, variant: str | None) -> None:
    """Shows names, types, shapes and sizes of a model's tensors. It reads headers alone.

    URI is a *.safetensors, a *.safetensors.index.json or a folder.
    """
    parts_of(uri)
    with session.connector() as connector:
        try:
            found = list(_tensors(connector, uri, variant))
        except HeaderError as error:
            raise CommandError(
                str(error),
                thing=uri,
                exit_code=Exit.WRONG_BYTES,
                next_step=f"ossmc cat --range 0-99 {uri}",
            ) from None
        except ValueError as error:  # several indexes, or pickled weights alone
            raise CommandError(
                str(error), thing=uri, exit_code=Exit.WRONG_USE, next_step=f"ossmc ls {uri}"
            ) from None
    total = sum(tensor.meta.nbytes for tensor in found)
    if session.how == "json":
        document = {"uri": uri, "tensors": [tensor.fields() for tensor in found]}
        print_json({**document, "count": len(found), "bytes": total})
    elif session.how == "quiet":
        print("\n".join(tensor.name for tensor in found))
    else:
        _print(found, total)


def _tensors(connector: OssModelConnector, uri: str, variant: str | None) -> Iterator[_Tensor]:
    """In the order of their bytes, file after file; of an index, what it names."""
    files = files_of(connector, uri, variant)
    shards = open_shards(connector, files.objects)
    try:
        for number, shard in enumerate(shards):
            for name, meta in shard.header.tensors.items():
                if files.shard_of is None or files.shard_of.get(name) == number:
                    yield _Tensor(name, meta, shard.uri)
    finally:
        for shard in shards:
            shard.close()


def _print(found: Sequence[_Tensor], total: int) -> None:
    rows = [("tensor", "type", "shape", "size")]
    for tensor in found:
        shape = " x ".join(map(str, tensor.meta.shape)) or "scalar"
        rows.append((shown(tensor.name), tensor.meta.dtype, shape, bytes_text(tensor.meta.nbytes)))
    print("\n".join(columns(rows, right=(3,))))
    files = len({tensor.file for tensor in found})
    values = sum(tensor.meta.nbytes * 8 // DTYPES[tensor.meta.dtype].bits for tensor in found)
    print(
        f"{count_text(len(found), 'tensor')} with {count_text(values, 'value')}, "
        f"{bytes_text(total)}, in {count_text(files, 'file')}"
    )
