"""What a caller passes for configuration, made ready for the core, which knows the keys."""

from __future__ import annotations

import json
import math
import operator
import os
from collections.abc import Mapping
from typing import Any

__all__: list[str] = []


def read_config_file(path: str | os.PathLike[str]) -> tuple[str, str]:
    """Reads the file of `config_path`.

    Returns:
        Its text and its name for errors; both ``""`` if `path` is.
    """
    name = os.fspath(path)
    if not isinstance(name, str):
        raise TypeError(f"config_path must be str or os.PathLike of str, not {type(name).__name__}")
    if not name:
        return "", ""
    try:
        with open(name, encoding="utf-8") as file:  # noqa: PTH123 - any path that open() takes
            text = file.read()
    except OSError as error:
        what = f"config file: {error.strerror}; correct config_path=, or leave it out"
        raise type(error)(error.errno, what, name) from None
    except UnicodeDecodeError:
        raise ValueError(f"config file {name!r} is not UTF-8 text") from None
    if not text.strip():
        raise ValueError(f"config file {name!r} is empty; write {{}} for all defaults")
    return text, name


def config_json(config: Mapping[str, Any] | None) -> str:
    """Makes the JSON text of a `config` mapping; ``""`` for None.

    Raises:
        TypeError: a name that is not str, or a value that JSON has no form for.
        ValueError: a number that is not finite.
    """
    if config is None:
        return ""
    if not isinstance(config, Mapping):
        raise TypeError(f"config must be a mapping of names to values, not {type(config).__name__}")
    return json.dumps(_plain(config, ""), ensure_ascii=True)


def _plain(value: Any, key: str) -> Any:
    """`value` in the types that JSON has. `key` is its dotted name, for errors."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Mapping):
        return {_name(name, key): _plain(item, _dotted(key, name)) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, key) for item in value]
    if isinstance(value, os.PathLike):
        path = os.fspath(value)
        if isinstance(path, str):
            return path
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"config key {key!r}: {value} is not a finite number")
        return value
    try:
        return operator.index(value)  # numpy's integers too
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"config key {key!r}: a value of type {kind} has no form in JSON") from None


def _name(name: object, parent: str) -> str:
    if not isinstance(name, str):
        place = f" under {parent!r}" if parent else ""
        raise TypeError(f"config{place}: a key must be str, not {type(name).__name__} ({name!r})")
    return name


def _dotted(parent: str, name: object) -> str:
    return f"{parent}.{name}" if parent else str(name)
