"""Data sets of torch. A file of its own: see torch_load.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ossmodelconnector import ObjectInfo, OssModelConnector
from ossmodelconnector.torch import (
    DataLoader,
    IterableObjectDataset,
    ObjectDataset,
    TarDataset,
    collate,
)


def length(sample: tuple[ObjectInfo, bytes]) -> int:
    return len(sample[1])


def train(connector: OssModelConnector) -> dict[str, Any]:
    dataset = IterableObjectDataset(
        connector.list("bucket", "train/"), transform=length, shuffle=True, on_error="skip"
    )
    dataset.set_epoch(1)
    for batch in DataLoader(dataset, batch_size=8, num_workers=2, pin_memory=True):
        print(batch)
    skipped: int = dataset.skipped
    print(skipped, TarDataset("oss://bucket/shards/", uneven="keep"))  # type: ignore[call-arg]
    return dataset.state_dict()


def by_number() -> Any:
    dataset = ObjectDataset(Path("labels.csv"), transform=length)
    return collate([dataset[0], dataset[len(dataset) - 1]])
