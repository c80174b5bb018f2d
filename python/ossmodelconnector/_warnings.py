"""Where a warning points: at the caller's line, not at one of ours."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType

__all__ = ["stacklevel_of_caller"]

_PACKAGE_FOLDER = str(Path(__file__).parent)


def stacklevel_of_caller() -> int:
    """The stacklevel for warnings.warn in our caller that points at the first frame not of ours."""
    level = 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE_FOLDER):
        level += 1
        frame = frame.f_back
    return level
