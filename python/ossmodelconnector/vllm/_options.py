"""Our keys of vLLM's model_loader_extra_config, checked. It needs no vLLM."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

__all__ = ["LOAD_FORMAT", "Options", "take_options"]

LOAD_FORMAT = "ossmodelconnector"

# Of vLLM's DefaultModelLoader. Its two of threads are about local files.
_OF_VLLM = ("enable_weights_track",)
_SECRET = ("key", "secret", "token", "password", "credential")


class Options(NamedTuple):
    """How weights are read.

    Attributes:
        endpoint: instead of OSS_ENDPOINT.
        region: instead of OSS_REGION.
        cred_path: a JSON file with credentials, instead of the environment's.
        config_path: a file with the connector's configuration.
        config: the connector's configuration.
        verify: as in `open_model`; no model is served before all of it was checked anyway.
        variant: as in `open_model`.
        node_copy: as in `open_model`; None: where the engine has several processes.
        keep: as in `open_model`.
        cache_dir: as in `pull_config`.
    """

    endpoint: str | None = None
    region: str | None = None
    cred_path: str | None = None
    config_path: str | None = None
    config: Mapping[str, Any] | None = None
    verify: Literal["early", "late", "off"] = "late"
    variant: str | None = None
    node_copy: bool | str | None = None
    keep: bool = False
    cache_dir: str | None = None


_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(Options._fields, (str,)),
    "config": (dict,),
    "node_copy": (bool, str),
    "keep": (bool,),
}


def take_options(extra: object) -> tuple[Options, dict[str, Any]]:
    """Returns our keys, and those that are vLLM's own.

    Args:
        extra: ``model_loader_extra_config``.

    Raises:
        ValueError: there is a key that nobody knows, or a value that cannot be.
    """
    if not isinstance(extra, Mapping):
        raise ValueError(f"model_loader_extra_config must be a dict, not {type(extra).__name__}")
    ours: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    for name, value in extra.items():
        if name in _OF_VLLM:
            theirs[name] = value
        elif name in Options._fields:
            ours[name] = _checked(name, value)
        else:
            raise ValueError(_unknown(name))
    if ours.get("verify", "late") not in ("early", "late", "off", None):
        raise ValueError(
            "model_loader_extra_config: verify must be 'early', 'late' or 'off', not "
            f"{ours['verify']!r:.100}"
        )
    if ours.get("keep") and ours.get("node_copy") is False:
        raise ValueError(
            "model_loader_extra_config: keep is about a node copy, and node_copy is False"
        )
    return Options(**{name: value for name, value in ours.items() if value is not None}), theirs


def _checked(name: str, value: object) -> object:
    kinds = _TYPES[name]
    if value is not None and not isinstance(value, kinds):
        expected = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(
            f"model_loader_extra_config: {name} must be {expected}, not {type(value).__name__}"
        )
    return value


def _unknown(name: object) -> str:
    valid = (*Options._fields, *_OF_VLLM)
    text = f"model_loader_extra_config: {name!r:.100} is no key of load_format {LOAD_FORMAT!r}"
    near = difflib.get_close_matches(str(name), valid, 1)
    if near:
        text += f"; did you mean {near[0]!r}?"
    elif any(word in str(name).lower() for word in _SECRET):
        text += (
            "; vLLM logs this dictionary, so keys are not given here: set OSS_ACCESS_KEY_ID and "
            "OSS_ACCESS_KEY_SECRET, or give cred_path, a file"
        )
    return f"{text}. The keys are {', '.join(valid)}"
