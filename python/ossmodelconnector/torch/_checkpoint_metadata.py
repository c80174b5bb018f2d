"""The file ``.metadata`` of a distributed checkpoint: a pickle, read with care."""

from __future__ import annotations

import io
import pathlib
import pickle
from typing import Any

import torch
from torch.distributed.checkpoint import metadata as dcp_metadata

__all__ = ["load_metadata"]

_DCP = "torch.distributed.checkpoint"
_NAMES = {
    f"{_DCP}.metadata": {
        "BytesStorageMetadata",
        "ChunkStorageMetadata",
        "Metadata",
        "MetadataIndex",
        "StorageMeta",
        "TensorProperties",
        "TensorStorageMetadata",
        "_MEM_FORMAT_ENCODING",
    },
    f"{_DCP}.filesystem": {"_StorageInfo", "_StoragePrefix"},
    # Before torch 2.3.
    "torch.distributed._shard.sharded_tensor.metadata": {"MEM_FORMAT_ENCODING", "TensorProperties"},
    "torch": {"Size"},
    "torch.serialization": {"_get_layout"},
    "collections": {"OrderedDict"},
    "builtins": {"complex", "frozenset", "set", "slice"},
}
# The folder that was saved to is in it as a path: of the system and the Python that saved.
_PATHS = {
    "Path": pathlib.PurePath,
    "PosixPath": pathlib.PurePosixPath,
    "PurePosixPath": pathlib.PurePosixPath,
    "PureWindowsPath": pathlib.PureWindowsPath,
    "WindowsPath": pathlib.PureWindowsPath,
}


def load_metadata(uri: str, data: bytes) -> Any:
    """Returns the `Metadata` that ``.metadata`` holds.

    It takes the classes that DCP writes there, and those that the user gave to
    ``torch.serialization.add_safe_globals``. Nothing else is looked up or called.

    Args:
        uri: of the file, for errors.
        data: its bytes.

    Raises:
        ValueError: it is none, or names another class.
    """
    unpickler = _Unpickler(io.BytesIO(data))
    try:
        loaded = unpickler.load()
    except Exception as error:
        if unpickler.refused:
            raise ValueError(
                f"{uri} names {unpickler.refused}, which the metadata of a checkpoint has no need "
                "of, and which is not looked up: that may run anything. If you trust the file, "
                "allow it by torch.serialization.add_safe_globals"
            ) from None
        kind = type(error).__name__
        raise ValueError(
            f"{uri}: {len(data)} bytes that are no metadata of a checkpoint, or of a torch that "
            f"this one ({torch.__version__}) cannot read: {kind}: {error!s:.200}"
        ) from error
    if not isinstance(loaded, dcp_metadata.Metadata):
        raise ValueError(f"{uri} holds a {type(loaded).__name__}, not a checkpoint's metadata")
    return loaded


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.refused = ""

    def find_class(self, module: str, name: str) -> Any:
        if name in _NAMES.get(module, ()):
            return super().find_class(module, name)
        if name in _PATHS and module.partition(".")[0] == "pathlib":
            return _PATHS[name]
        constant = getattr(torch, name, None) if module == "torch" else None
        if isinstance(constant, (torch.dtype, torch.layout, torch.memory_format)):
            return constant
        allowed = _allowed_by_user().get(f"{module}.{name}")
        if allowed is not None:
            return allowed
        self.refused = f"{module}.{name}"
        raise pickle.UnpicklingError(self.refused)


def _allowed_by_user() -> dict[str, Any]:
    """By its name, what was given to torch: a class or function, or a pair with another name."""
    allowed = {}
    for given in torch.serialization.get_safe_globals():
        if isinstance(given, tuple):
            thing, name = given
            allowed[name] = thing
        else:
            allowed[f"{given.__module__}.{given.__qualname__}"] = given
    return allowed
