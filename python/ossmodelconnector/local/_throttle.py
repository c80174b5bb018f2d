"""How fast the server may send, for trying what a slower link or a farther region does."""

from __future__ import annotations

import asyncio

_BURST_SECONDS = 0.01
# At low rates bursts are rather larger, but not longer than this: each one costs the server 0.1 ms.
_USEFUL_BURST_BYTES = 64 << 10
_LONGEST_BURST_SECONDS = 0.1
# A pause between two replies that is longer than this is the client's own.
_IDLE_SECONDS = 0.02
# How much lateness, from a busy machine, a connection may make up for.
_CATCH_UP_SECONDS = 0.1


class Pace:
    """The schedule of one connection: bursts of about 10 ms at a rate. For the server's loop only.

    Args:
        bytes_per_second: the rate.

    Attributes:
        burst_bytes: the most to send between two calls of `wait`.
    """

    def __init__(self, bytes_per_second: float) -> None:
        self._rate = bytes_per_second
        self._due = 0.0
        self._last = 0.0
        useful = min(_USEFUL_BURST_BYTES, bytes_per_second * _LONGEST_BURST_SECONDS)
        self.burst_bytes = max(1, int(useful), int(bytes_per_second * _BURST_SECONDS))

    def begin_reply(self) -> None:
        """Forgets idle time, which earns no credit."""
        now = asyncio.get_running_loop().time()
        if now - self._last > _IDLE_SECONDS:
            self._due = max(self._due, now)

    async def wait(self, upcoming_bytes: int) -> None:
        """Returns when it is time to send so many bytes."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._due = max(self._due, now - _CATCH_UP_SECONDS)
        if self._due > now:
            await asyncio.sleep(self._due - now)
        self._due += upcoming_bytes / self._rate
        self._last = loop.time()
