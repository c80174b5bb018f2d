"""LoRA adapters, which vLLM reads out of a local folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ossmodelconnector._default import connector_or_default
from ossmodelconnector._errors import ObjectNotFoundError
from ossmodelconnector.transformers._adapter import CONFIG, WEIGHTS
from ossmodelconnector.transformers._cache import folder_with, root_of_cache
from ossmodelconnector.transformers._source import list_folder

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from ossmodelconnector._connector import OssModelConnector

__all__ = ["pull_adapter", "uri_of_adapter"]


def pull_adapter(
    uri: str,
    *,
    connector: OssModelConnector | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Path:
    """Brings an adapter of PEFT, its weights too, into a local folder.

    The folder is keyed by the files' names and ETags, as that of
    `ossmodelconnector.transformers.pull_config` is: when nothing has changed it costs one listing.

    Args:
        uri: ``oss://bucket/adapter/``.
        connector: None: one for the process, made by `OssModelConnector.from_env` at first use.
        cache_dir: as for `pull_config`.

    Returns:
        The folder. Do not write into it.

    Raises:
        ObjectNotFoundError: there is no adapter.
        ChecksumError: the bytes of a file are not what was uploaded.
        OSError: the folder cannot be written. Also `OssError`, and its kinds.

    Example:
        >>> from vllm.lora.request import LoRARequest
        >>> folder = pull_adapter("oss://bucket/adapters/sql/")
        >>> request = LoRARequest("sql", 1, str(folder))
    """
    root = root_of_cache(cache_dir)
    connector = connector_or_default(connector)
    source = list_folder(connector, uri)
    files = source.children()
    weights = next((name for name in WEIGHTS if name in files), None)
    if CONFIG not in files or weights is None:
        missing = CONFIG if CONFIG not in files else WEIGHTS[0]
        raise ObjectNotFoundError(f"{source.uri} has no {missing}: no adapter", uri=source.uri)
    wanted = {**source.without_weights(), weights: files[weights]}
    return folder_with(connector, root, source.uri, wanted)


def uri_of_adapter(prefix: str, name: str) -> str | None:
    """Where the adapter of that name is; None: it can be none.

    Args:
        prefix: ``oss://bucket/adapters/``: what clients may ask for lies under it.
        name: what a client asked for: a name below the prefix, or its whole URI.
    """
    prefix = prefix.rstrip("/") + "/"
    below = name[len(prefix) :] if name.startswith(prefix) else name
    parts = below.rstrip("/").split("/")
    if ":" in below or any(part in ("", ".", "..") for part in parts):
        return None
    return f"{prefix}{'/'.join(parts)}/"
