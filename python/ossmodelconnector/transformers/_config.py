"""pull_config: the files that describe a model, in a local folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ossmodelconnector._default import connector_or_default
from ossmodelconnector.transformers._cache import folder_with, root_of_cache
from ossmodelconnector.transformers._source import list_folder

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from ossmodelconnector._connector import OssModelConnector

__all__ = ["pull_config"]


def pull_config(
    uri: str,
    *,
    connector: OssModelConnector | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Path:
    """Brings all files of a model but its weights into a local folder: config, tokenizer, code.

    Weights are known by the ends of their names, such as ``.safetensors`` or ``.bin``, and by their
    size: a file of more than 128 MiB is left out, and a warning is logged. Hidden files, whose
    names begin with a dot, are left out too. Subfolders come along.

    The folder is keyed by the files' names and ETags. When nothing has changed it costs one
    listing; when something has, it is another folder, with no file that is gone. It appears at
    once and whole, however many processes make it. Folders of earlier versions are removed when
    nobody has asked for them in a week.

    Args:
        uri: ``oss://bucket/model/``.
        connector: None: one for the process, made by `OssModelConnector.from_env` at first use.
        cache_dir: where such folders are, which nobody but you may write; None:
            ``$XDG_CACHE_HOME/ossmodelconnector``, or ``~/.cache/ossmodelconnector``.

    Returns:
        The folder. Do not write into it.

    Raises:
        ObjectNotFoundError: there is nothing under `uri`.
        ChecksumError: the bytes of a file are not what was uploaded.
        ValueError: `uri` is no folder of one model.
        OSError: the folder cannot be written. Also `OssError`, and its kinds.

    Example:
        >>> folder = pull_config("oss://bucket/tiny/", connector=connector, cache_dir="cache")
        >>> sorted(path.name for path in folder.iterdir())
        ['model.safetensors.index.json']
    """
    root = root_of_cache(cache_dir)
    connector = connector_or_default(connector)
    folder = list_folder(connector, uri)
    return folder_with(connector, root, folder.uri, folder.without_weights())
