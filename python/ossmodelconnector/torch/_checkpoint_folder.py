"""A folder of safetensors files as a distributed checkpoint."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)

from ossmodelconnector.safetensors._format import HeaderError
from ossmodelconnector.safetensors._frameworks import framework_of, stored_as
from ossmodelconnector.safetensors._shard import Shard, open_shards
from ossmodelconnector.safetensors._source import files_of
from ossmodelconnector.torch._plan_items import check_within, target_of
from ossmodelconnector.torch._transfer import Source, Transfer

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector

__all__ = ["Folder", "open_folder", "read_folder"]

# Where torch's writer says, in a file's metadata, which part of a tensor is in it.
_SHARDING = "DCP_SHARDING_INFO"
_OFFSETS = "saved_offsets"


class Folder(NamedTuple):
    """A folder that is open.

    Attributes:
        shards: its files.
        metadata: what they hold; its `storage_data` tells a `Source` for each tensor.
    """

    shards: Sequence[Shard]
    metadata: Metadata


def open_folder(connector: OssModelConnector, uri: str) -> Folder:
    """Opens the files of a folder, whose headers tell what a checkpoint's metadata would.

    Args:
        connector: lists the folder, and reads an index.
        uri: its prefix, which ends in ``/``.

    Raises:
        ObjectNotFoundError: there is no safetensors file.
        HeaderError: a file is none, or two do not agree.
        OssError: or another of its kinds.
    """
    files = files_of(connector, uri, None)
    shards = open_shards(connector, files.objects)
    with ExitStack() as opened:
        for shard in shards:
            opened.callback(shard.close)
        metadata = Metadata(state_dict_metadata={}, storage_data={})
        for number, shard in enumerate(shards):
            _add_file(metadata, number, shard, files.shard_of)
        for name in files.shard_of or ():
            if name not in metadata.state_dict_metadata:
                raise HeaderError(
                    f"{files.index_uri}: no file of the folder has the tensor {name!r:.200}"
                )
        opened.pop_all()
    return Folder(shards, metadata)


def _add_file(metadata: Any, number: int, shard: Shard, shard_of: Any) -> None:
    framework = framework_of("pt", "cpu")
    offsets_of = _saved_offsets(shard)
    for name, meta in shard.header.tensors.items():
        if shard_of is not None and shard_of.get(name) != number:
            continue
        dtype, shape = stored_as(framework, meta)
        offsets = torch.Size(offsets_of.get(name, [0] * len(shape)))
        if len(offsets) != len(shape):
            raise HeaderError(
                f"{shard.uri}: tensor {name!r:.200} of shape {list(shape)} should begin at "
                f"{list(offsets)} of its whole"
            )
        size = torch.Size(low + size for low, size in zip(offsets, shape))
        chunk = ChunkStorageMetadata(offsets=offsets, sizes=torch.Size(shape))
        stored = metadata.state_dict_metadata.get(name)
        if stored is None:
            properties = TensorProperties(dtype=dtype)
            metadata.state_dict_metadata[name] = TensorStorageMetadata(properties, size, [chunk])
        else:
            if MetadataIndex(name, offsets) in metadata.storage_data:
                raise HeaderError(
                    f"{shard.uri}: tensor {name!r:.200} stands in another file of the folder too: "
                    "a folder holds one model"
                )
            if stored.properties.dtype != dtype or len(stored.size) != len(size):
                raise HeaderError(
                    f"{shard.uri}: the part of tensor {name!r:.200} here is of another type or of "
                    "other dimensions than the one in another file"
                )
            stored.size = torch.Size(map(max, stored.size, size))
            stored.chunks.append(chunk)
        begin = shard.header.data_begin + meta.data_offsets[0]
        metadata.storage_data[MetadataIndex(name, offsets)] = Source(number, begin, dtype, shape)


def _saved_offsets(shard: Shard) -> dict[str, list[int]]:
    """Where the tensors of a file begin in their wholes, by name, as far as the file says it."""
    text = (shard.header.metadata or {}).get(_SHARDING)
    if text is None:
        return {}
    try:
        found = {name: list(map(int, one[_OFFSETS])) for name, one in json.loads(text).items()}
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise HeaderError(f"{shard.uri}: its {_SHARDING} does not hold: {error!r:.200}") from None
    if any(low < 0 for offsets in found.values() for low in offsets):
        raise HeaderError(f"{shard.uri}: its {_SHARDING} has an offset below 0")
    return found


def read_folder(
    connector: OssModelConnector,
    folder: Folder,
    items: Sequence[Any],
    planner: Any,
    group_bytes: int,
) -> None:
    """Reads all items of a plan, and hands them to the planner.

    Args:
        connector: the folder's.
        folder: where they are.
        items: in any order.
        planner: of the load.
        group_bytes: so much is received at once.

    Raises:
        OssError: or one of its kinds.
    """
    transfer = Transfer(connector, [shard.reader for shard in folder.shards], group_bytes)
    sources = [(folder.metadata.storage_data[item.storage_index], item) for item in items]
    for source, item in sorted(sources, key=lambda pair: (pair[0].file, pair[0].begin)):
        check_within(item, source.shape)
        name, target = item.storage_index.fqn, target_of(item, planner)
        transfer.add_tensor(name, source, item.storage_offsets, target, _is_right)
        transfer.then(functools.partial(planner.commit_tensor, item, target))
    transfer.receive()


def _is_right() -> bool:
    """The header has told where the bytes are."""
    return True
