"""Tensors of safetensors files."""

from __future__ import annotations

from typing import Any

from ossmodelconnector import OssModelConnector
from ossmodelconnector.safetensors import (
    LazyTensor,
    LoaderStats,
    Model,
    TensorMeta,
    load_file,
    load_model,
    open_model,
    safe_open,
)


def load(connector: OssModelConnector, module: Any) -> dict[str, Any]:
    missing, unexpected = load_model(module, "oss://bucket/model/", connector=connector)
    names: list[str] = [*missing, *unexpected]
    with safe_open("oss://bucket/a.safetensors", "np", connector=connector, verify="late") as file:
        names += file.keys()
        meta: TensorMeta = file.get_tensor_meta(names[0])
        assert meta.nbytes
    return load_file("oss://bucket/a.safetensors", connector=connector)


def prefetch(connector: OssModelConnector) -> LoaderStats:
    with (
        open_model(connector.list("bucket", "model/"), connector=connector) as model,
        model.prefetch({"weight": (slice(0, 4),)}, memory_bytes=1 << 30) as loader,
    ):
        for name, tensor in loader:
            print(name, tensor)
        return loader.stats


def wrong_verify(uri: str) -> Model:
    return open_model(uri, verify="never")  # type: ignore[arg-type]


def lazy(model: Model) -> LazyTensor:
    return model.lazy_state_dict()["weight"]
