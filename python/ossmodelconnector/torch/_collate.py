"""collate: batches of samples that torch's own function refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.utils.data._utils.collate import collate as torch_collate
from torch.utils.data._utils.collate import default_collate_fn_map

from ossmodelconnector._objects import ObjectInfo

__all__ = ["collate"]


def _keep(batch: Sequence[Any], *, collate_fn_map: Any = None) -> list[Any]:
    return list(batch)


_MAP = {**default_collate_fn_map, ObjectInfo: _keep, bytes: _keep, type(None): _keep}


def collate(batch: list[Any]) -> Any:
    """Makes a batch of samples as ``torch.utils.data.default_collate`` does, and takes more.

    `ObjectInfo`, bytes and None stay lists; numbers and arrays become tensors, tuples and dicts
    are gone through. So of samples (ObjectInfo, bytes) the batch is a list of infos and one of
    bytes.

    Args:
        batch: the samples.

    Returns:
        The batch; ``[]`` of no samples.

    Raises:
        TypeError: a sample has something else in it.
        RuntimeError: tensors of different shapes.

    Example:
        >>> dataset = ObjectDataset("oss://bucket/qwen/", connector=connector)
        >>> infos, data = collate([dataset[0], dataset[1]])
        >>> [info.key for info in infos]
        ['qwen/config.json', 'qwen/model-00001-of-00004.safetensors']
    """
    return torch_collate(batch, collate_fn_map=_MAP) if batch else []
