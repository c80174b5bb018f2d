"""What a client asked of a local server."""

from __future__ import annotations

import re

from ossmodelconnector.local import LocalServer


def asked_ranges(local: LocalServer) -> list[tuple[int, int]]:
    """The half-open ranges of its GET requests for objects, in the order in which they came."""
    found = []
    for record in local.requests:
        if record.method == "GET" and record.key:
            match = re.fullmatch(r"bytes=(\d+)-(\d+)", record.range or "")
            assert match is not None, record
            found.append((int(match[1]), int(match[2]) + 1))
    return found
