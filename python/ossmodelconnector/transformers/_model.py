"""Models of transformers, whose weights are read as transformers asks for them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ossmodelconnector._errors import ObjectNotFoundError
from ossmodelconnector.safetensors import CheckedStateDict, Model, open_model
from ossmodelconnector.safetensors._format import DTYPES
from ossmodelconnector.transformers._adapter import CONFIG, WEIGHTS, adapter_folder, base_of
from ossmodelconnector.transformers._cache import folder_with
from ossmodelconnector.transformers._source import list_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._objects import ObjectInfo
    from ossmodelconnector.transformers._source import ModelFolder

__all__ = ["load_model"]

# Arguments that say how weights are loaded, and so are none of the config's.
_OF_LOADING = frozenset(
    (
        "adapter_kwargs",
        "adapter_name",
        "allow_all_kernels",
        "attn_implementation",
        "device_map",
        "device_mesh",
        "disable_mmap",
        "distributed_config",
        "experts_implementation",
        "fusion_config",
        "generation_config",
        "ignore_mismatched_sizes",
        "kernel_config",
        "key_mapping",
        "low_cpu_mem_usage",
        "max_memory",
        "offload_buffers",
        "offload_folder",
        "offload_state_dict",
        "output_loading_info",
        "tp_plan",
        "tp_size",
        "use_kernels",
        "weights_only",
    )
)
_DIVIDING = ("device_mesh", "distributed_config", "tp_plan", "tp_size")
# get_state_dict_dtype of transformers takes the first of these that it meets.
_FLOATING = ("F64", "F32", "F16", "BF16")


def load_model(
    cls: Any,
    connector: OssModelConnector,
    source: ModelFolder,
    folder: Path,
    *,
    cache_dir: Path,
    copying: Mapping[str, Any],
    **kw: Any,
) -> Any:
    """A model of transformers, with its adapter where it has one.

    Args:
        cls: a model's class, or an Auto class.
        connector: reads the weights.
        source: what lies in OSS.
        folder: its files but the weights.
        cache_dir: where such folders are.
        copying: for `open_model`: about a node copy.
        **kw: for ``cls.from_pretrained``.
    """
    adapter = (source, folder) if CONFIG in source.objects else None
    if adapter is not None and "config.json" not in source.objects:
        source = list_folder(connector, base_of(source, folder))
        folder = folder_with(connector, cache_dir, source.uri, source.without_weights())
    name = kw.pop("adapter_name", "default")
    loaded = _load_base(cls, connector, source, folder, copying, kw)
    if adapter is not None:
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        with adapter_folder(connector, *adapter) as whole:
            model.load_adapter(str(whole), adapter_name=name)
    return loaded


def _load_base(
    cls: Any,
    connector: OssModelConnector,
    source: ModelFolder,
    folder: Path,
    copying: Mapping[str, Any],
    kw: dict[str, Any],
) -> Any:
    dtype = kw.pop("torch_dtype", None)
    dtype = kw.pop("dtype", dtype)
    variant = kw.pop("variant", None)
    if kw.pop("use_safetensors", None) is False:
        raise ValueError("use_safetensors=False: models are loaded from safetensors alone")
    trusted = kw.pop("trust_remote_code", None)
    config, kw = _config(cls, source, folder, trusted, kw)
    _refuse_quantized(source, config, kw)
    model_class, config = _class_and_config(cls, config, trusted)
    generation = kw.get("generation_config")
    files = _weights(source, config, variant)
    with open_model(files, connector=connector, variant=variant, **copying) as weights:
        # Ranks that divide tensors among them take their slices alone.
        is_divided = any(kw.get(name) is not None for name in _DIVIDING)
        state = weights.lazy_state_dict() if is_divided else weights.checked_state_dict()
        loaded = model_class.from_pretrained(
            None,
            config=config,
            state_dict=state,
            dtype=_dtype(dtype, config, weights),
            local_files_only=True,
            **kw,
        )
        if isinstance(state, CheckedStateDict):
            state.check()
    model = loaded[0] if isinstance(loaded, tuple) else loaded
    # So that an adapter that is made for it names it.
    model.config.name_or_path = model.name_or_path = source.uri
    if generation is None and model.can_generate():
        model.generation_config = _generation_config(folder)
    return loaded


def _config(
    cls: Any, source: ModelFolder, folder: Path, trusted: bool | None, kw: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """The model's config, and what of `kw` is not for it."""
    from transformers import AutoConfig, PreTrainedConfig

    config = kw.pop("config", None)
    if config is not None:
        if not isinstance(config, PreTrainedConfig):
            raise TypeError(f"config must be a PreTrainedConfig, not {type(config).__name__}")
        return copy.deepcopy(config), kw
    if "config.json" not in source.objects:
        raise ObjectNotFoundError(f"{source.uri} has no config.json", uri=source.uri)
    loading = {name: kw.pop(name) for name in list(kw) if name in _OF_LOADING}
    reader = getattr(cls, "config_class", None) or AutoConfig
    if reader is AutoConfig:
        kw["trust_remote_code"] = trusted
    config, rest = reader.from_pretrained(
        str(folder), return_unused_kwargs=True, local_files_only=True, **kw
    )
    rest.pop("trust_remote_code", None)
    return config, {**rest, **loading}


def _refuse_quantized(source: ModelFolder, config: Any, kw: dict[str, Any]) -> None:
    found = kw.get("quantization_config") or getattr(config, "quantization_config", None)
    if not found:
        return
    method = found.get("quant_method") if isinstance(found, dict) else type(found).__name__
    raise ValueError(
        f"{source.uri}: quantized models ({method}) are not loaded from OSS yet: load it with "
        "transformers from a local copy"
    )


def _class_and_config(cls: Any, config: Any, trusted: bool | None) -> tuple[Any, Any]:
    """The class that an Auto class chooses for a config, with that class's own config."""
    if not hasattr(cls, "_model_mapping"):
        return cls, config
    import torch

    # It has no way to tell the class alone. On the device meta the model takes no memory.
    with torch.device("meta"):
        chosen = cls.from_config(copy.deepcopy(config), trust_remote_code=trusted)
    is_whole = type(chosen.config) is type(config)
    return type(chosen), config if is_whole else chosen.config


def _weights(
    source: ModelFolder, config: Any, variant: str | None
) -> str | ObjectInfo | list[ObjectInfo]:
    """What holds the weights, by the names that transformers has for it."""
    files = source.children()
    extra = [name for name in getattr(type(config), "extra_files", ()) if name in files]
    if extra:
        raise ValueError(f"{source.uri}: weights in {extra[0]} are not loaded from OSS yet")
    mark = f".{variant}" if variant else ""
    named = getattr(config, "transformers_weights", None)
    whole = named or f"model{mark}.safetensors"
    if whole in files:
        return files[whole]
    index = f"model.safetensors.index{mark}.json"
    if index in files:
        shards = [info for name, info in files.items() if name.endswith(".safetensors")]
        return [files[index], *shards]
    if any(name in files for name in WEIGHTS):
        # Those of an adapter are not the model's.
        own = [info for name, info in files.items() if name not in WEIGHTS]
        if any(info.key.endswith(".safetensors") for info in own):
            return own
    return source.uri


def _dtype(given: Any, config: Any, weights: Model) -> Any:
    """The type of the weights, which transformers cannot find out by lazy tensors."""
    import torch

    if given not in (None, "auto"):
        return given
    if config.dtype is not None:
        return config.dtype
    names = {weights.get_tensor_meta(name).dtype for name in weights.keys()}  # noqa: SIM118
    found = next((name for name in _FLOATING if name in names), "F32")
    return getattr(torch, DTYPES[found].torch)


def _generation_config(folder: Path) -> Any:
    """As transformers does it: models without a file of its own have it in their config."""
    from transformers import GenerationConfig

    if (folder / "generation_config.json").is_file():
        return GenerationConfig.from_pretrained(str(folder), local_files_only=True)
    return GenerationConfig.from_pretrained(
        str(folder), config_file_name="config.json", local_files_only=True, _from_model_config=True
    )
