"""``LLM("oss://...")`` and ``vllm serve oss://...``: two names of vLLM, wrapped."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ossmodelconnector.transformers import pull_config
from ossmodelconnector.vllm._connecting import connect
from ossmodelconnector.vllm._options import LOAD_FORMAT, Options, take_options
from ossmodelconnector.vllm._records import early, show_records
from ossmodelconnector.vllm._weights import is_oss

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["wrap_uris"]

_log = logging.getLogger("ossmodelconnector.vllm")
_POINTS = ("is_cloud_storage", "EngineArgs.create_model_config")


def wrap_uris(arg_utils: ModuleType, version: str) -> bool:
    """Has vLLM take URIs of ours for a model. Whatever is no such URI goes its own way.

    Args:
        arg_utils: ``vllm.engine.arg_utils``.
        version: vLLM's.

    Returns:
        Whether it does. Where it does not, a warning tells why, and nothing is changed.
    """
    is_cloud_storage = getattr(arg_utils, "is_cloud_storage", None)
    engine_args = getattr(arg_utils, "EngineArgs", None)
    create = getattr(engine_args, "create_model_config", None)
    if not callable(is_cloud_storage) or not callable(create):
        missing = _POINTS[0] if not callable(is_cloud_storage) else _POINTS[1]
        early.warning(
            "vLLM %s has no vllm.engine.arg_utils.%s: LLM('oss://...') and vllm serve oss://... do "
            "not work with it. load_format=%r with model_weights='oss://...' does",
            version,
            missing,
            LOAD_FORMAT,
        )
        return False
    arg_utils.is_cloud_storage = _or_ours(is_cloud_storage)  # type: ignore[attr-defined]  # any module
    engine_args.create_model_config = _with_local_files(create)  # type: ignore[union-attr]  # it has it
    return True


def _or_ours(is_cloud_storage: Callable[[Any], bool]) -> Callable[[Any], bool]:
    @functools.wraps(is_cloud_storage)
    def wrapped(model_or_path: Any) -> bool:
        return is_oss(model_or_path) or is_cloud_storage(model_or_path)

    return wrapped


def _with_local_files(create: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(create)
    def create_model_config(self: Any, *arguments: Any, **named: Any) -> Any:
        _use_local_files(self)
        return create(self, *arguments, **named)

    return create_model_config


def _use_local_files(args: Any) -> None:
    """Puts local folders in the place of URIs in the arguments of an engine.

    Raises:
        ValueError: an argument cannot be, among them a key of model_loader_extra_config.
        OssError: or another of its kinds.
    """
    load_format = str(args.load_format).lower()
    is_ours = load_format == LOAD_FORMAT
    names = ("model", "tokenizer", "hf_config_path")
    given = ((name, getattr(args, name, None)) for name in names)
    uris = {name: str(value) for name, value in given if is_oss(value)}
    if not uris and not is_ours:
        return
    show_records()
    if "model" in uris and load_format not in ("auto", "dummy", LOAD_FORMAT):
        raise ValueError(
            f"{args.model}: load_format {load_format!r} does not load from OSS; leave it out, or "
            f"give {LOAD_FORMAT!r}"
        )
    if "model" in uris and args.revision not in (None, "main"):
        raise ValueError(
            f"{args.model}: OSS has no revisions: give the URI of the folder that has the one you "
            "want"
        )
    extra = args.model_loader_extra_config or {}
    takes_options = is_ours or ("model" in uris and load_format == "auto")
    options = take_options(extra)[0] if takes_options else Options()
    if not uris:
        return
    with connect(options) as connector:
        folders = {
            uri: str(pull_config(uri, connector=connector, cache_dir=options.cache_dir))
            for uri in set(uris.values())
        }
    for name, uri in uris.items():
        _log.info("%s %s: its files but the weights are in %s", name, uri, folders[uri])
        setattr(args, name, folders[uri])
    if "model" in uris:
        args.model_weights = args.model_weights or uris["model"]
        args.served_model_name = args.served_model_name or [uris["model"]]
        if load_format == "auto":
            args.load_format = LOAD_FORMAT
