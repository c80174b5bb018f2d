"""What a ``Range`` header asks for, in both of the service's ways.

By default a range that does not lie inside the object is answered with 200 and the whole object.
With ``x-oss-range-behavior: standard`` the end is cut at the object's end, and a range that starts
behind it is refused.
"""

from __future__ import annotations

import re

from ossmodelconnector.local._errors import ServiceError

_RANGES = re.compile(r"bytes=\s*(\d*)-(\d*)\s*(?:,.*)?", re.ASCII)


def select_range(header: str | None, size: int, *, standard: bool) -> tuple[int, int] | None:
    """Returns the half-open range (begin, end) to reply with 206, or None for 200 and everything.

    Of several ranges the first one counts.

    Args:
        header: value of the ``Range`` header, None if the request has none.
        size: bytes of the object.
        standard: whether the request says ``x-oss-range-behavior: standard``.

    Raises:
        ServiceError: InvalidRange, in the standard way only.

    Example:
        >>> select_range("bytes=500-2000", 1000, standard=True)
        (500, 1000)
        >>> select_range("bytes=500-2000", 1000, standard=False)
    """
    if header is None:
        return None
    match = _RANGES.fullmatch(header.strip())
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if first == "":
        begin, end = size - int(last), size
        satisfiable = int(last) > 0 and size > 0
    else:
        begin, end = int(first), int(last) + 1 if last else size
        if last and end <= begin:
            return None
        satisfiable = begin < size
    if satisfiable and begin >= 0 and end <= size:
        return begin, end
    if not standard:
        return None
    if not satisfiable:
        raise ServiceError(
            "InvalidRange",
            details=[("ActualObjectSize", str(size)), ("RangeRequested", header)],
        )
    return max(begin, 0), min(end, size)
