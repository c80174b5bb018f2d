"""Which objects under a prefix a model consists of: its weights, and all the rest."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, NamedTuple

from ossmodelconnector._errors import ObjectNotFoundError

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._objects import ObjectInfo

__all__ = ["ModelFolder", "list_folder"]

# By the ends of their names, in any case: weights of all frameworks, states of optimizers,
# archives.
_WEIGHTS = re.compile(
    r"\.(?:safetensors|bin|pt|pth|pt2|ckpt|pkl|pickle|h5|hdf5|msgpack|gguf|ggml|onnx|onnx_data|ort"
    r"|tflite|mlmodel|mlpackage|pb|ot|npz|nemo|engine|plan|zip|tar|tgz|gz|bz2|xz|zst|7z)\Z",
    re.IGNORECASE,
)
# What is larger is taken for weights of a kind that the list does not know. The largest file of a
# tokenizer that is known has 60 MB.
_LARGEST_BYTES = 128 << 20
_MOST_BYTES = 1 << 30
# A model with its checkpoints has some thousand. Who names a bucket by mistake shall hear of it.
_MOST_OBJECTS = 20_000

_log = logging.getLogger("ossmodelconnector.transformers")


class ModelFolder(NamedTuple):
    """What lies under a prefix.

    Attributes:
        uri: ``oss://bucket/prefix/``.
        objects: all of it, by names that count from the prefix on.
    """

    uri: str
    objects: dict[str, ObjectInfo]

    def without_weights(self) -> dict[str, ObjectInfo]:
        """The files that describe the model, by name: all but weights and hidden files.

        Raises:
            ValueError: they have more bytes than such files have, or a name is no file's.
        """
        found = {}
        for name, info in self.objects.items():
            parts = name.split("/")
            if name.endswith("/") or any(part.startswith(".") and part != ".." for part in parts):
                continue  # a marker of a folder; what Git and downloads leave
            if _WEIGHTS.search(name):
                continue
            if "" in parts or ".." in parts or "\0" in name:
                raise ValueError(f"{info.uri!r:.300}: no file of a folder can have that name")
            if info.size > _LARGEST_BYTES:
                _log.warning(
                    "%s has %d bytes and is taken for weights: it is not in the model's folder",
                    info.uri,
                    info.size,
                )
                continue
            found[name] = info
        total = sum(info.size for info in found.values())
        if total > _MOST_BYTES:
            raise ValueError(
                f"{self.uri} has {total} bytes in {len(found)} files that are no weights, more "
                f"than the {_MOST_BYTES} that are brought into a folder: name the model's own"
            )
        for name in found:
            for end in (place for place, char in enumerate(name) if char == "/"):
                if name[:end] in found:
                    raise ValueError(
                        f"{found[name].uri!r:.300} lies below {found[name[:end]].uri!r:.300}, "
                        "which is a file: a folder cannot hold both"
                    )
        return found

    def children(self) -> dict[str, ObjectInfo]:
        """The files right under the prefix, by name."""
        return {name: info for name, info in self.objects.items() if "/" not in name}


def list_folder(connector: OssModelConnector, uri: str) -> ModelFolder:
    """Lists what lies under a prefix.

    Args:
        connector: lists it.
        uri: ``oss://bucket/prefix``, with a ``/`` at its end or without.

    Raises:
        TypeError, ValueError: it is no such URI, or has far more objects than a model.
        ObjectNotFoundError: there is nothing under it.
        OssError: or another of its kinds.
    """
    if not isinstance(uri, str):
        raise TypeError(f"uri must be str (oss://bucket/model/), not {type(uri).__name__}")
    if not uri.startswith("oss://") or len(uri) == len("oss://"):
        raise ValueError(f"uri must be oss://bucket/model/, not {uri!r:.200}")
    bucket, _, prefix = uri[len("oss://") :].partition("/")
    if prefix and not prefix.endswith("/"):
        if _WEIGHTS.search(prefix) or prefix.endswith(".json"):
            raise ValueError(
                f"{uri!r:.300} names a file: give the model's folder, oss://bucket/model/"
            )
        prefix += "/"
    folder = f"oss://{bucket}/{prefix}"
    objects: dict[str, ObjectInfo] = {}
    for info in connector.iter_objects(bucket, prefix):
        objects[info.key[len(prefix) :]] = info
        if len(objects) > _MOST_OBJECTS:
            raise ValueError(
                f"{folder} has more than {_MOST_OBJECTS} objects, far more than a model: name its "
                "own folder"
            )
    objects.pop("", None)  # a marker of the folder itself
    if not objects:
        raise ObjectNotFoundError(f"there is nothing under {folder}", uri=folder)
    return ModelFolder(folder, objects)
