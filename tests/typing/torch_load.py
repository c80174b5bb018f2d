"""torch.load reads from a reader. A file of its own: of torch's sources mypy takes a minute."""

from __future__ import annotations

import torch
from ossmodelconnector import ObjectReader, OssModelConnector


def load(connector: OssModelConnector) -> None:
    torch.load(connector.open("oss://bucket/model.pt"), weights_only=True)


def one_tensor(reader: ObjectReader) -> torch.Tensor:
    return torch.frombuffer(reader.getbuffer(), dtype=torch.float32)
