"""Packages that may be missing, imported at first use; the error then says what to install."""

from __future__ import annotations

from typing import Any

__all__ = ["numpy", "pyarrow_parquet", "torch"]


def numpy() -> Any:
    """Returns the module. ImportError: it is missing."""
    try:
        import numpy
    except ImportError as error:
        raise ImportError(
            "data sets and checkpoints of ossmodelconnector.torch need numpy: pip install "
            "'ossmodelconnector[torch]'"
        ) from error
    return numpy


def torch() -> Any:
    """Returns the module. ImportError: it is missing."""
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "ossmodelconnector.torch needs torch: pip install 'ossmodelconnector[torch]'"
        ) from error
    return torch


def pyarrow_parquet() -> Any:
    """Returns the module. ImportError: it is missing."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            "a manifest in parquet needs pyarrow: pip install pyarrow; or make it .jsonl or .csv"
        ) from error
    return pyarrow.parquet
