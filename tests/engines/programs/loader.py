"""The loader in vLLM's own hands, without an engine: what it reads, and the errors it ends in."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from typing import Any


def failure(call: Any) -> list[Any]:
    """What it says, and after how many seconds."""
    began = time.monotonic()
    try:
        call()
    except Exception as error:
        return [f"{type(error).__name__}: {error}", time.monotonic() - began]
    return ["", 0.0]


def main(folder: str) -> dict[str, object]:
    import torch
    from vllm.engine.arg_utils import EngineArgs
    from vllm.model_executor.model_loader import get_model_loader

    engine = {"enforce_eager": True, "dtype": "float32", "max_model_len": 64}
    ours = "ossmodelconnector"

    def arguments(model: str, **more: Any) -> Any:
        return EngineArgs(model=model, **engine, **more)

    def config(model: str, **more: Any) -> Any:
        return arguments(model, **more).create_engine_config()

    config_of_it = config("oss://models/step-1")
    model_config, load_config = config_of_it.model_config, config_of_it.load_config
    result: dict[str, object] = {
        "model": model_config.model,
        "tokenizer": model_config.tokenizer,
        "weights": model_config.model_weights,
        "served": model_config.served_model_name,
        "format": load_config.load_format,
    }

    def loader_of(**changes: Any) -> Any:
        from dataclasses import replace

        return get_model_loader(replace(load_config, **changes))

    class Module(torch.nn.Module):
        """A model that asks for nothing."""

    def weights(
        loader: Any, uri: str = "oss://models/step-1", module: Any = None
    ) -> dict[str, Any]:
        model_config.model_weights = uri
        try:
            return dict(loader.get_all_weights(model_config, module or Module()))
        finally:
            model_config.model_weights = "oss://models/step-1"

    # As vLLM calls it: with its device for all new tensors.
    shown = io.StringIO()
    with torch.device("meta"), contextlib.redirect_stderr(shown):
        found = weights(loader_of())
    result["progress"] = shown.getvalue()
    result["sums"] = {name: float(tensor.double().sum()) for name, tensor in found.items()}
    shown = io.StringIO()
    with contextlib.redirect_stderr(shown):
        weights(loader_of(use_tqdm_on_load=False))
    result["no progress"] = shown.getvalue()

    # What DefaultModelLoader gives: experts of other ranks, weights elsewhere, patterns.
    loader = loader_of()
    loader.local_expert_ids = {0}
    result["experts"] = sorted(weights(loader, "oss://models/experts"))
    module = Module()
    default = type(loader).Source
    module.secondary_weights = [
        default("oss://models/step-2", None, prefix="draft."),
        default(folder, None, prefix="local."),
        default(model_config.model, None, subfolder="inner", prefix="inner."),
    ]
    result["secondary"] = sorted(weights(loader_of(), "oss://models/nested", module))
    module = Module()
    module.is_unused_checkpoint_weight = lambda name: "layers.1" in name
    result["unused"] = sorted(weights(loader_of(), module=module))
    result["ignored"] = sorted(
        weights(loader_of(ignore_patterns="other*"), "oss://models/experts-and-other")
    )
    loader_of().download_model(model_config)

    # The dictionary wins over the environment.
    endpoint = os.environ["OSS_ENDPOINT"]
    os.environ["OSS_ENDPOINT"] = "http://127.0.0.1:9"
    both = {"endpoint": endpoint}
    result["endpoint of extra config"] = len(weights(loader_of(model_loader_extra_config=both)))
    del os.environ["OSS_ENDPOINT"]
    result["no endpoint"] = failure(lambda: weights(loader_of()))
    os.environ["OSS_ENDPOINT"] = endpoint
    secret = os.environ.pop("OSS_ACCESS_KEY_SECRET")
    result["no secret"] = failure(lambda: weights(loader_of()))
    os.environ["OSS_ACCESS_KEY_SECRET"] = secret

    result["nowhere"] = failure(lambda: config("oss://models/nowhere"))
    result["missing"] = failure(lambda: weights(loader_of(), "oss://models/missing"))
    result["flipped"] = failure(lambda: weights(loader_of(), "oss://models/flipped"))
    key = {"model_loader_extra_config": {"endpont": "x"}}
    result["key"] = failure(lambda: config("oss://models/step-1", **key))
    result["key, way A"] = failure(lambda: config(folder, load_format=ours, **key))
    result["key in a worker"] = failure(lambda: loader_of(**key))
    result["other format"] = failure(lambda: config("oss://models/step-1", load_format="hf"))
    result["revision"] = failure(lambda: config("oss://models/step-1", revision="v2"))
    loads = loader_of()
    result["no weights"] = failure(lambda: weights(loads, ""))

    # Without a URI of ours all is vLLM's.
    plain = config(folder)
    result["plain"] = [plain.model_config.model, plain.load_config.load_format]
    return result


if __name__ == "__main__":  # vLLM starts its processes by spawn
    print("RESULT", json.dumps(main(sys.argv[1])))
