"""What torch loads and trains on, straight from OSS. torch is imported at first use.

Example:
    >>> import ossmodelconnector.torch
    >>> state = ossmodelconnector.torch.load("oss://bucket/checkpoint.pt", connector=connector)
    >>> state["weight"].shape
    torch.Size([2, 3])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ossmodelconnector.torch import _require
from ossmodelconnector.torch._load import load

if TYPE_CHECKING:
    from ossmodelconnector.torch._checkpoint import OssStorageReader
    from ossmodelconnector.torch._collate import collate
    from ossmodelconnector.torch._iterable import IterableObjectDataset
    from ossmodelconnector.torch._loader import DataLoader
    from ossmodelconnector.torch._map import ObjectDataset
    from ossmodelconnector.torch._tar import TarDataset

__all__ = [
    "DataLoader",
    "IterableObjectDataset",
    "ObjectDataset",
    "OssStorageReader",
    "TarDataset",
    "collate",
    "load",
]

# What is made of torch's classes, and where: a module is imported when it is asked for.
_LATER = {
    "DataLoader": "_loader",
    "IterableObjectDataset": "_iterable",
    "ObjectDataset": "_map",
    "OssStorageReader": "_checkpoint",
    "TarDataset": "_tar",
    "collate": "_collate",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _require.torch()
    _require.numpy()
    value = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    value.__module__ = __name__  # as pickles and tracebacks name it
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_LATER]
