"""Where what is public is from: the package that users import it from, not the module within it."""

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType
from typing import get_type_hints

__all__: list[str] = []


def name_package(package: str, namespace: Mapping[str, object]) -> None:
    """Has classes and functions in `namespace`, of private modules of `package`, name the package.

    Tracebacks, pickles and `help` show that name. So a class may move from one module to another,
    and what was pickled before still loads.
    """
    for value in namespace.values():
        if not isinstance(value, (type, FunctionType)):
            continue
        if value.__module__.startswith(f"{package}._"):
            if isinstance(value, type):
                _evaluate_annotations(value)
            value.__module__ = package


def _evaluate_annotations(cls: type) -> None:
    """Makes types of texts: typing would look their names up in the module that the class names."""
    annotations = getattr(cls, "__annotations__", {})
    try:
        hints = get_type_hints(cls)
    except (NameError, TypeError, KeyError):
        # A name that type checkers alone import; on Python 3.9 "X | None", or a base class whose
        # module is none (safetensors before 0.5).
        return
    cls.__annotations__ = {name: hints[name] for name in annotations}
