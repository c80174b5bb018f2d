"""Daemon threads that come out of the core when Python is at its end: the program ends well.

CPython before 3.14 unwinds such threads by the libgcc of the system, through our frames, whose own
C++ runtime is another one.
"""

import sys
import threading
import time

from ossmodelconnector import _core

DATA = bytes(50_000_000)


def work() -> None:
    while True:
        _core.crc64(DATA)  # without the GIL; then it asks for it


class Thing:
    """Takes a while to be dropped, with many of its kind."""

    def __del__(self) -> None:
        """Runs Python code at the end."""


for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
sys.modules["kept until the end"] = [Thing() for _ in range(100_000)]  # type: ignore[assignment]
