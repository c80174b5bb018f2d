"""How models are opened, and loaded whole."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from ossmodelconnector._default import connector_or_default
from ossmodelconnector._node_copy import open_folder
from ossmodelconnector._objects import ObjectInfo
from ossmodelconnector.safetensors._model import Model
from ossmodelconnector.safetensors._source import is_one_file

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from ossmodelconnector._connector import OssModelConnector
    from ossmodelconnector._objects import ObjectList
    from ossmodelconnector.safetensors._shard import Verify

__all__ = ["load_file", "load_model", "open_model", "safe_open"]


def safe_open(
    uri: str | ObjectInfo,
    framework: str = "pt",
    device: Any = "cpu",
    *,
    connector: OssModelConnector | None = None,
    verify: Verify = "early",
    node_copy: bool | str | os.PathLike[str] = False,
    keep: bool = False,
) -> Model:
    """Opens one safetensors file, as safetensors' function of that name does a local one.

    Args:
        uri: ``oss://bucket/key`` of the file, or its `ObjectInfo`.
        framework: ``"pt"`` or ``"torch"``: tensors of torch; ``"np"`` or ``"numpy"``: arrays.
        device: of torch, where tensors go.
        connector: None: one for the process, made by `OssModelConnector.from_env` at first use.
        verify: ``"early"``: no tensor is handed out before all of the file has come and its CRC-64
            is right; ``"late"``: at once, and when all tensors of a file have come, an error at the
            next call or at close; ``"off"``: nobody says. See `Model`.
        node_copy: as in `open_model`.
        keep: as in `open_model`.

    Returns:
        A `Model` of that file, a context manager.

    Raises:
        HeaderError: it is no safetensors file. Also a `safetensors.SafetensorError`.
        ImportError: torch or numpy is missing.
        OssError: or another of its kinds.

    Example:
        >>> uri = "oss://bucket/tiny/model-00001-of-00002.safetensors"
        >>> with safe_open(uri, framework="np", connector=connector) as file:
        ...     {name: file.get_tensor(name).shape for name in file.keys()}
        {'embed.weight': (8, 4)}
    """
    if not is_one_file(uri):
        raise ValueError(f"safe_open takes the URI of one file, not {uri!r}: use open_model")
    folder = open_folder(node_copy, keep)
    connector = connector_or_default(connector)
    return Model(connector, uri, framework, device, verify, None, folder, keep)


def open_model(
    source: str | ObjectInfo | ObjectList | Iterable[str | ObjectInfo],
    framework: str = "pt",
    device: Any = "cpu",
    *,
    connector: OssModelConnector | None = None,
    verify: Verify = "early",
    variant: str | None = None,
    node_copy: bool | str | os.PathLike[str] = False,
    keep: bool = False,
) -> Model:
    """Opens all files of a model; all headers are read at once.

    Args:
        source: the URI of a file; of a ``*.safetensors.index.json``; one that ends in ``/``, a
            prefix: its index if there is one, else all ``*.safetensors`` right under it; an
            `ObjectList`, which is taken as a prefix is; or an iterable of URIs.
        framework: as in `safe_open`.
        device: as in `safe_open`.
        connector: as in `safe_open`.
        verify: as in `safe_open`, for each file.
        variant: where the prefix has weights of several kinds, such as ``"fp16"``: which; ``""``:
            those whose name has no such word.
        node_copy: True: all processes of this user on this machine that open these files so hold
            one copy of them, under /dev/shm; a path: in that folder, which must be there. One of
            them fetches a file, checked by its CRC-64 whatever `verify` says, and the others wait.
            Each maps it: a tensor that is changed in place is its own.
        keep: with `node_copy`: the copy stays when nobody uses it, for the next start. Else it goes
            with its last user, when the model is closed there, and its tensors are gone.

    Returns:
        A `Model`, a context manager.

    Raises:
        HeaderError: a file is no safetensors file, an index does not hold, or two files have a
            tensor of one name.
        ValueError: there are several indexes, or only pickled weights.
        ObjectNotFoundError: a file is missing.
        OSError: no copy can be made: there is no room, or something there is not this user's.
        TimeoutError: the process that fetches a file for all does not run.
        OssError: or another of its kinds.

    Example:
        >>> with open_model("oss://bucket/tiny/", connector=connector) as model:
        ...     model.keys()
        ['embed.weight', 'head.weight']
    """
    folder = open_folder(node_copy, keep)
    connector = connector_or_default(connector)
    return Model(connector, source, framework, device, verify, variant, folder, keep)


def load_file(
    uri: str | ObjectInfo,
    device: Any = "cpu",
    *,
    framework: str = "pt",
    connector: OssModelConnector | None = None,
    node_copy: bool | str | os.PathLike[str] = False,
    keep: bool = False,
) -> dict[str, Any]:
    """Loads all tensors of a file, checked by its CRC-64. Arguments and errors as `safe_open`.

    Example:
        >>> uri = "oss://bucket/tiny/model-00001-of-00002.safetensors"
        >>> load_file(uri, connector=connector)["embed.weight"].shape
        torch.Size([8, 4])
    """
    with safe_open(
        uri, framework, device, connector=connector, node_copy=node_copy, keep=keep
    ) as file:
        return file.get_tensors()


def load_model(
    model: Any,
    source: str | ObjectInfo | ObjectList | Iterable[str | ObjectInfo],
    strict: bool = True,
    device: Any = "cpu",
    *,
    connector: OssModelConnector | None = None,
    node_copy: bool | str | os.PathLike[str] = False,
    keep: bool = False,
) -> tuple[list[str], list[str]]:
    """Loads tensors into a module of torch, file after file, so that they are held once.

    Args:
        model: a ``torch.nn.Module``.
        source: as in `open_model`.
        strict: whether all names must be in both.
        device: where tensors go before they are copied into the module's.
        connector: as in `open_model`.
        node_copy: as in `open_model`. The module's own memory is not shared.
        keep: as in `open_model`.

    Returns:
        Names that the module has and the files lack, and the other way round. Of names that share
        their memory one is enough.

    Raises:
        RuntimeError: names differ and `strict`, before a tensor is received; or shapes differ.
        HeaderError: as in `open_model`.
        OssError: or another of its kinds.

    Example:
        >>> module = torch.nn.Sequential()
        >>> load_model(module, "oss://bucket/tiny/", strict=False, connector=connector)
        ([], ['embed.weight', 'head.weight'])
    """
    own = model.state_dict(keep_vars=True)
    with open_model(
        source, "pt", device, connector=connector, node_copy=node_copy, keep=keep
    ) as files:
        missing, unexpected = _differences(own, files.offset_keys())
        if strict and (missing or unexpected):
            raise RuntimeError(_difference_text(model, missing, unexpected))
        shared = [name for name in files.keys() if name in own]  # noqa: SIM118  # no mapping
        shards = itertools.groupby(
            files.iter_tensors(shared), lambda item: files._store.place(item[0]).shard
        )
        for _, tensors in shards:
            model.load_state_dict(dict(tensors), strict=False)
    return missing, unexpected


def _differences(own: Mapping[str, Any], there: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names that only the module has, and names that only the files have."""
    names = set(there)
    present = {_memory_of(own[name]) for name in names if name in own}
    missing = []
    for name in sorted(own):
        memory = _memory_of(own[name])
        if name not in names and memory not in present:
            missing.append(name)
            present.add(memory)
    return missing, [name for name in there if name not in own]


def _difference_text(model: Any, missing: list[str], unexpected: list[str]) -> str:
    lines = [f"Error(s) in loading state_dict for {type(model).__name__}:"]
    for kind, names in (("Missing", missing), ("Unexpected", unexpected)):
        if names:
            quoted = ", ".join(f'"{name}"' for name in sorted(names))
            lines.append(f"    {kind} key(s) in state_dict: {quoted}")
    return "\n".join(lines)


def _memory_of(value: Any) -> tuple[Any, ...]:
    """Tells whether two values of a module are one tensor."""
    is_tensor = hasattr(value, "data_ptr")  # a module may have a state of any type besides
    if not is_tensor or value.device.type == "meta" or not value.numel():
        return ("alone", id(value))
    return (value.device, value.data_ptr(), tuple(value.shape), tuple(value.stride()))
