"""What torch loads, straight from OSS. torch is imported at first use.

Example:
    >>> import ossmodelconnector.torch
    >>> state = ossmodelconnector.torch.load("oss://bucket/checkpoint.pt", connector=connector)
    >>> state["weight"].shape
    torch.Size([2, 3])
"""

from __future__ import annotations

from ossmodelconnector.torch._load import load

__all__ = ["load"]
