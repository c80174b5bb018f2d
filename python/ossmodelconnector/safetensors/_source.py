"""What a caller means by a model: one file, an index, a prefix, a list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ossmodelconnector._errors import ObjectNotFoundError
from ossmodelconnector._objects import ObjectInfo
from ossmodelconnector.safetensors._format import HeaderError

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector

__all__ = ["Files", "children_of", "files_of", "is_one_file"]

_INDEX = re.compile(r"\.safetensors\.index(?:\.([^./]+))?\.json\Z")
_PICKLED = re.compile(r"\.(?:bin|pt|pth|ckpt)\Z")
# Far above that of any model: an index is a few hundred bytes a tensor.
_MAX_INDEX_BYTES = 1 << 30


class Files(NamedTuple):
    """The files of a model.

    Attributes:
        objects: in their order.
        shard_of: by a tensor's name, which of them has it; None: each has what its header says.
        index_uri: where that is from; ``""`` where it is None.
    """

    objects: Sequence[str | ObjectInfo]
    shard_of: Mapping[str, int] | None = None
    index_uri: str = ""


def files_of(connector: OssModelConnector, source: Any, variant: str | None) -> Files:
    """Returns the files that `source` means.

    Args:
        connector: lists a prefix and reads an index.
        source: see `open_model`.
        variant: of a prefix with files of several kinds, such as ``"fp16"``.

    Raises:
        ValueError: there are several indexes, or no file to load.
        ObjectNotFoundError: there is nothing under that prefix.
        HeaderError: an index does not hold.
        OssError: or another of its kinds.
    """
    if isinstance(source, (str, ObjectInfo)):
        uri = source if isinstance(source, str) else source.uri
        if _INDEX.search(uri):
            return _by_index(connector, source, None)
        if not uri.endswith("/"):
            return Files([source])
        if not uri.startswith("oss://"):
            raise ValueError(f"source must be oss://bucket/prefix/, not {uri!r}")
        return _of_folder(connector, uri, list(children_of(connector, uri).values()), variant)
    if not isinstance(source, Iterable) or isinstance(source, (bytes, Mapping)):
        raise TypeError(
            "source must be a URI (oss://bucket/key, or oss://bucket/prefix/), an ObjectList, or "
            f"an iterable of URIs, not {type(source).__name__}"
        )
    objects = list(source)
    infos = [one for one in objects if isinstance(one, ObjectInfo)]
    if infos and len(infos) == len(objects):
        return _of_folder(connector, "the list", infos, variant)
    if not objects:
        raise ValueError("source is empty: there is no file to load")
    return Files(objects)


def children_of(connector: OssModelConnector, uri: str) -> dict[str, ObjectInfo]:
    """The objects right under ``oss://bucket/prefix/``, by their names there."""
    bucket, _, prefix = uri.removeprefix("oss://").partition("/")
    named = ((info.key[len(prefix) :], info) for info in connector.iter_objects(bucket, prefix))
    return {name: info for name, info in named if "/" not in name}


def _of_folder(
    connector: OssModelConnector, name: str, infos: Sequence[ObjectInfo], variant: str | None
) -> Files:
    indexes = [(info, match[1] or "") for info in infos if (match := _INDEX.search(info.key))]
    wanted = [info for info, its_variant in indexes if variant in (None, its_variant)]
    if len(wanted) == 1:
        return _by_index(connector, wanted[0], infos)
    if len(wanted) > 1:
        found = ", ".join(repr(its_variant) for _, its_variant in indexes)
        raise ValueError(
            f"{name} has {len(indexes)} indexes (*.safetensors.index.json), of variants {found}: "
            "choose one by variant=, or name its URI"
        )
    files: list[ObjectInfo] = [info for info in infos if info.key.endswith(".safetensors")]
    if variant is not None:
        word = f"\\.{re.escape(variant)}" if variant else "/[^./]*"
        marked = re.compile(rf"{word}(?:-\d+-of-\d+)?\.safetensors\Z")
        files = [info for info in files if marked.search(f"/{info.key}")]
    if files:
        files.sort(key=lambda info: info.key)
        return Files(files)
    of_variant = "" if variant is None else f" of variant {variant!r}"
    if any(_PICKLED.search(info.key) for info in infos):
        raise ValueError(
            f"{name} has no *.safetensors{of_variant}, only pickled weights (such as *.bin): load "
            "each with ossmodelconnector.torch.load"
        )
    raise ObjectNotFoundError(f"{name} has no *.safetensors{of_variant}", uri=name)


def _by_index(
    connector: OssModelConnector, index: str | ObjectInfo, infos: Sequence[ObjectInfo] | None
) -> Files:
    """The files that an index names; as listed, where they were listed."""
    uri = index if isinstance(index, str) else index.uri
    with connector.open(index, prefetch=False) as reader:
        if reader.size > _MAX_INDEX_BYTES:
            raise HeaderError(f"{uri}: an index of {reader.size} bytes is none")
        text = reader.read()
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HeaderError(f"{uri}: the index is no valid JSON: {error!s:.200}") from None
    names = fields.get("weight_map") if isinstance(fields, dict) else None
    if not isinstance(names, dict) or not names:
        raise HeaderError(f"{uri}: the index has no weight_map from tensors to files")
    folder = uri[: uri.rindex("/") + 1]
    listed = {info.uri: info for info in infos or ()}
    places: dict[str, int] = {}
    shard_of = {}
    for tensor, file in names.items():
        if not isinstance(file, str) or not file or {"", ".", ".."} & set(file.split("/")):
            raise HeaderError(
                f"{uri}: weight_map has {file!r:.100} for {tensor!r:.100}: it must be the name of "
                "a file beside the index"
            )
        shard_of[tensor] = places.setdefault(folder + file, len(places))
    return Files([listed.get(file, file) for file in places], shard_of, uri)


def is_one_file(uri: object) -> bool:
    """Whether it names one object that is no index."""
    text = uri.uri if isinstance(uri, ObjectInfo) else uri
    return isinstance(text, str) and not text.endswith("/") and not _INDEX.search(text)
