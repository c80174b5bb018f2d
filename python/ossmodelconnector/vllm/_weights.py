"""The weights under a URI, opened as the options say. It needs no vLLM."""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ossmodelconnector._errors import ObjectNotFoundError, OssError
from ossmodelconnector.safetensors import open_model
from ossmodelconnector.safetensors._source import children_of

if TYPE_CHECKING:
    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector.safetensors import Model
    from ossmodelconnector.vllm._options import Options

__all__ = ["as_source", "is_oss", "open_weights", "wanted_names"]

_log = logging.getLogger("ossmodelconnector.vllm")


def is_oss(name: object) -> bool:
    """Whether it is a URI of ours."""
    return isinstance(name, str) and name.startswith("oss://")


def as_source(uri: str, subfolder: str | None = None) -> str:
    """The URI as `open_model` takes it: of a file, an index, or a prefix that ends in ``/``."""
    if subfolder:
        return f"{uri.rstrip('/')}/{subfolder.strip('/')}/"
    if uri.endswith(("/", ".safetensors", ".json")):
        return uri
    return f"{uri}/"


def open_weights(
    connector: OssModelConnector,
    source: str,
    options: Options,
    *,
    allowed: Sequence[str] | None = None,
    ignored: Sequence[str] = (),
    has_neighbours: bool = False,
) -> Model:
    """Opens a model.

    Args:
        connector: reads it; it must live as long.
        source: by `as_source`.
        options: how.
        allowed: patterns, of which a file's name must fit one; None: all names do.
        ignored: patterns, of which it must fit none.
        has_neighbours: whether other processes, perhaps of this machine, read the same.

    Raises:
        OssError, HeaderError, ValueError: as `open_model`.
    """
    files: Any = source
    if (allowed is not None or ignored) and source.endswith("/"):
        files = _chosen(connector, source, allowed, ignored)
    how: dict[str, Any] = {
        "connector": connector,
        "verify": options.verify,
        "variant": options.variant,
    }
    if options.node_copy or options.keep:
        return open_model(files, **how, node_copy=options.node_copy or True, keep=options.keep)
    if options.node_copy is None and has_neighbours:
        _log.info("%s: this process makes a copy for all of this machine, or waits for it", source)
        try:
            return open_model(files, **how, node_copy=True)
        except OssError:
            raise
        except OSError as error:  # nobody has asked for a copy
            _log.warning("%s: each process receives it for itself: %s", source, error)
    return open_model(files, **how)


def wanted_names(names: Iterable[str], is_unwanted: Any) -> list[str]:
    """The names that are read; all of them where none would be, as vLLM has it."""
    found = list(names)
    return [name for name in found if not is_unwanted(name)] or found


def _chosen(
    connector: OssModelConnector,
    source: str,
    allowed: Sequence[str] | None,
    ignored: Sequence[str],
) -> Any:
    """The objects right under a prefix whose names fit; the prefix where all do."""
    children = children_of(connector, source)
    fitting = []
    for name, info in children.items():
        is_allowed = allowed is None or any(fnmatch.fnmatch(name, one) for one in allowed)
        if is_allowed and not any(fnmatch.fnmatch(name, one) for one in ignored):
            fitting.append(info)
    if len(fitting) == len(children):
        return source
    if not any(info.key.endswith(".safetensors") for info in fitting):
        raise ObjectNotFoundError(
            f"{source} has no *.safetensors that fit the patterns {list(allowed or ['*'])} and not "
            f"{list(ignored)}",
            uri=source,
        )
    return fitting
