"""What this installation is made of."""

from __future__ import annotations

from ossmodelconnector import _core

__all__ = ["build_info"]


def build_info() -> dict[str, str]:
    """The versions of the package and of the libraries under it, for reports of faults.

    Returns:
        A dict of texts: `ossmodelconnector`; `libcurl` and `tls` as they are loaded; `isa-l`,
        `pugixml`, `nlohmann-json`, `pybind11` and `compiler` as they were built with; `libraries`:
        `"bundled"` in a self-contained wheel, `"system"` in one that links the system's.

    Example:
        >>> import ossmodelconnector
        >>> sorted(ossmodelconnector.build_info())[:3]
        ['compiler', 'isa-l', 'libcurl']
    """
    return _core.build_info()
