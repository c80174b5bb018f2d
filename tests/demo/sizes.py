"""Sizes and rates as people write them, and back."""

from __future__ import annotations

import argparse
import re

_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_RATE_UNITS = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, **_UNITS}


def parse_size(text: str) -> int:
    """Bytes of "64MiB" or "1 GiB"; for argparse."""
    return _parse(text, _UNITS)


def parse_rate(text: str) -> int:
    """Bytes a second of "50MB"."""
    return _parse(text, _RATE_UNITS)


def _parse(text: str, units: dict[str, int]) -> int:
    form = re.fullmatch(r"(\d+) ?([A-Za-z]*)", text.strip(), re.ASCII)
    if form is None or form[2] not in {"", *units}:
        raise argparse.ArgumentTypeError(f"{text!r} is not digits and one of {', '.join(units)}")
    return int(form[1]) * units.get(form[2], 1)


def binary(size: int) -> str:
    """A size for people: 1 GiB, 127.9 MiB."""
    unit = next((name for name, n in reversed(_UNITS.items()) if size >= n), "B")
    return f"{size / _UNITS[unit]:.1f}".removesuffix(".0") + f" {unit}"
