"""from_pretrained: what transformers makes of a folder, of one in OSS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ossmodelconnector._default import connector_or_default
from ossmodelconnector._node_copy import open_folder
from ossmodelconnector.transformers._adapter import load_peft_model
from ossmodelconnector.transformers._cache import folder_with, root_of_cache
from ossmodelconnector.transformers._model import load_model
from ossmodelconnector.transformers._source import list_folder

if TYPE_CHECKING:
    import os

    from ossmodelconnector._connector import OssModelConnector

__all__ = ["from_pretrained"]

# Arguments about the hub, which is not asked.
_ABOUT_THE_HUB = ("force_download", "local_files_only", "proxies", "token", "use_auth_token")
_REFUSED = {
    "state_dict": "the weights are those under the URI: load the model by transformers itself",
    "gguf_file": "GGUF files are not loaded into transformers: give a folder of safetensors",
    "from_tf": "weights of TensorFlow are not loaded: give a folder of safetensors",
    "from_flax": "weights of Flax are not loaded: give a folder of safetensors",
}


def from_pretrained(
    cls: Any,
    uri: str,
    *,
    connector: OssModelConnector | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    node_copy: bool | str | os.PathLike[str] = False,
    keep: bool = False,
    **kw: Any,
) -> Any:
    """Does what ``cls.from_pretrained`` does with a local folder, with one in OSS.

    The weights of a model (safetensors) go from OSS into it, tensor by tensor, or by slices where
    it is sharded, so that it is held once; nothing of them is written to a disk. All other files
    come by `pull_config`. No hub is asked.

    Args:
        cls: of transformers: a model's class, an Auto class, a tokenizer, processor, config and
            alike; or ``peft.PeftModel``, with ``model=`` for the model that the adapter belongs to.
        uri: ``oss://bucket/model/``. A folder with an adapter of PEFT alone: its base model must
            be named there by its own ``oss://`` URI.
        connector: None: one for the process, made by `OssModelConnector.from_env` at first use.
        cache_dir: as in `pull_config`.
        node_copy: of the weights of a model: as in `ossmodelconnector.safetensors.open_model`.
        keep: as there.
        **kw: for ``cls.from_pretrained``: ``dtype``, ``device_map``, ``subfolder``, ``variant``,
            ``trust_remote_code``, ``attn_implementation``, ``output_loading_info`` and others.

    Returns:
        What ``cls.from_pretrained`` returns.

    Raises:
        ObjectNotFoundError: there is nothing under `uri`, or no config, or no safetensors.
        HeaderError: a file is no safetensors file, or an index does not hold.
        ValueError: an argument, or what lies there, is not supported, such as quantized weights.
        ImportError: transformers, 5.0 or newer, is missing, or torch.
        OssError: or another of its kinds. What transformers raises besides.

    Example:
        >>> from transformers import AutoModelForCausalLM, AutoTokenizer
        >>> model = from_pretrained(
        ...     AutoModelForCausalLM, "oss://bucket/llama/", connector=connector, dtype="bfloat16"
        ... )
        >>> model.dtype
        torch.bfloat16
    """
    transformers = _transformers()
    load = getattr(cls, "from_pretrained", None)
    if not isinstance(cls, type) or not callable(load):
        raise TypeError(f"cls must be a class with from_pretrained, not {cls!r:.200}")
    for name, way_out in _REFUSED.items():
        if kw.pop(name, None):
            raise ValueError(f"from_pretrained of ossmodelconnector takes no {name}=: {way_out}")
    if kw.pop("revision", None) not in (None, "main"):
        raise ValueError(
            "OSS has no revisions: give the URI of the folder that has the one you want"
        )
    for name in _ABOUT_THE_HUB:
        kw.pop(name, None)
    root = root_of_cache(cache_dir)
    copy = open_folder(node_copy, keep)
    connector = connector_or_default(connector)
    source = list_folder(connector, _with_subfolder(uri, kw.pop("subfolder", None)))
    folder = folder_with(connector, root, source.uri, source.without_weights())
    if _is_kind(cls, "peft", "PeftModel"):
        return load_peft_model(cls, connector, source, folder, kw)
    if issubclass(cls, transformers.PreTrainedModel) or hasattr(cls, "_model_mapping"):
        copying = {} if copy is None else {"node_copy": copy.top, "keep": keep}
        return load_model(cls, connector, source, folder, cache_dir=root, copying=copying, **kw)
    if _is_kind(cls, "torch.nn", "Module") or _is_kind(cls, "diffusers", "DiffusionPipeline"):
        raise ValueError(
            f"{cls.__name__} is no model of transformers: load its weights by "
            "ossmodelconnector.safetensors (docs/models.md has a recipe for diffusers)"
        )
    return load(str(folder), local_files_only=True, **kw)


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ImportError(
            "from_pretrained needs transformers: pip install 'ossmodelconnector[transformers]'"
        ) from error
    version = str(transformers.__version__)
    if int(version.partition(".")[0]) < 5:
        raise ImportError(
            f"from_pretrained needs transformers 5.0 or newer, and this is {version}: "
            "pip install 'ossmodelconnector[transformers]'"
        )
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "from_pretrained needs torch: pip install 'ossmodelconnector[transformers]'"
        ) from error
    return transformers


def _with_subfolder(uri: str, subfolder: str | None) -> str:
    if not subfolder:
        return uri
    return f"{uri.rstrip('/')}/{subfolder.strip('/')}/"


def _is_kind(cls: type, module: str, name: str) -> bool:
    """Whether a class is, or is derived from, one of a package that need not be installed."""
    return any(
        kind.__name__ == name and f"{kind.__module__}.".startswith(f"{module}.")
        for kind in cls.__mro__
    )
