"""load: torch.load of an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ossmodelconnector._default import connector_or_default
from ossmodelconnector.torch._archive import ArchiveFile
from ossmodelconnector.torch._watched import WatchedFile

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._objects import ObjectInfo

__all__ = ["import_torch", "load"]

_ZIP = b"PK\x03\x04"


def load(
    uri: str | ObjectInfo,
    *,
    connector: OssModelConnector | None = None,
    map_location: Any = None,
    weights_only: bool = True,
    **kw: Any,
) -> Any:
    """Loads what ``torch.save`` wrote, as ``torch.load`` does with a local file.

    The file is received once, in its order, by many requests at once. It takes as much memory as
    its tensors, beside the connector's budget: what torch has taken over is given back at once.
    Before it returns the CRC-64 of the file is compared.

    Args:
        uri: ``oss://bucket/key``, or an `ObjectInfo`.
        connector: None: one for the process, made by `OssModelConnector.from_env` at first use.
        map_location: as in ``torch.load``. With ``"meta"`` no tensor's bytes are received.
        weights_only: as in ``torch.load``. False runs code that the file brings: only for files
            that you trust.
        **kw: for ``torch.load``, but ``mmap=True``, which wants a local file.

    Returns:
        What was saved.

    Raises:
        ChecksumError: the bytes are not what was uploaded.
        ObjectNotFoundError: there is no such object.
        ValueError: ``mmap=True``; or it is a zip archive that is cut short.
        ImportError: torch is missing.
        OssError: or another of its kinds. What ``torch.load`` raises besides.

    Example:
        >>> state = load("oss://bucket/checkpoint.pt", connector=connector)
        >>> list(state)
        ['weight', 'bias']
    """
    torch = import_torch()
    if kw.pop("mmap", None):
        raise ValueError(
            "mmap=True maps a local file, and this is an object of OSS: leave it out. For parts of "
            "a model, store it as safetensors and use ossmodelconnector.safetensors"
        )
    # False, not None, which means what torch.serialization says for files that it could map.
    arguments = {"map_location": map_location, "weights_only": weights_only, "mmap": False, **kw}
    connector = connector_or_default(connector)
    is_swept = str(map_location) != "meta"
    with connector.open(uri, prefetch=is_swept) as reader:
        if reader.peek(len(_ZIP))[: len(_ZIP)] != _ZIP:
            # The form of torch before 1.6: pickles and bytes, one behind the other.
            loaded = _load(torch, reader, arguments)
            for _ in reader.chunks():  # to its end, where its CRC-64 is compared
                pass
            return loaded
        with connector.open(reader, prefetch=False) as parts:
            archive = ArchiveFile(reader, parts, is_swept=is_swept)
            loaded = _load(torch, archive, arguments)
            archive.check()
    return loaded


def _load(torch: Any, file: Any, arguments: dict[str, Any]) -> Any:
    watched = WatchedFile(file)
    try:
        return torch.load(watched, **arguments)
    except Exception as error:
        if watched.error is None or watched.error is error:
            raise
        raise watched.error from None


def import_torch() -> Any:
    """Returns the module torch. ImportError: it is missing; the text says what to install."""
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "ossmodelconnector.torch needs torch: pip install 'ossmodelconnector[torch]'"
        ) from error
    return torch
