"""Progress as vLLM shows it: a line every so often, on one rank."""

from __future__ import annotations

from typing import Any

__all__ = ["progress_bar"]

# vLLM's: lines of text, which Ray and containers keep.
_FORMAT = (
    "{desc}: {percentage:3.0f}% Completed | {n_fmt}/{total_fmt} "
    "[{elapsed}<{remaining}, {rate_fmt}]\n"
)
_SECONDS = 1.0


def progress_bar(total: int, is_shown: bool) -> Any:
    """A bar of tqdm that counts bytes.

    Args:
        total: how many there are.
        is_shown: ``use_tqdm_on_load``, on the rank that shows it.
    """
    from tqdm.auto import tqdm

    return tqdm(
        total=total,
        desc="Loading safetensors from OSS",
        disable=not is_shown,
        bar_format=_FORMAT,
        unit="B",
        unit_scale=True,
        mininterval=_SECONDS,
    )
