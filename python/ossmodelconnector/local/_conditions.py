"""The conditional headers: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from email.utils import parsedate_tz

from ossmodelconnector.local._errors import ServiceError


def is_not_modified(headers: Mapping[str, str], etag: str, last_modified: float) -> bool:
    """Whether the reply is 304.

    Args:
        headers: of the request, names in lower case.
        etag: of the object, without quotes.
        last_modified: of the object, Unix time.

    Raises:
        ServiceError: PreconditionFailed.
    """
    since = _unix_time(headers.get("if-unmodified-since"))
    wanted = headers.get("if-match")
    if (wanted is not None and not _names_etag(wanted, etag)) or (
        since is not None and last_modified > since
    ):
        raise ServiceError(
            "PreconditionFailed",
            details=[("Condition", "If-Unmodified-Since" if wanted is None else "If-Match")],
        )
    unwanted = headers.get("if-none-match")
    if unwanted is not None:
        return _names_etag(unwanted, etag)
    since = _unix_time(headers.get("if-modified-since"))
    return since is not None and last_modified <= since


def _names_etag(value: str, etag: str) -> bool:
    return any(item.strip().strip('"') in (etag, "*") for item in value.split(","))


def _unix_time(text: str | None) -> float | None:
    parsed = None if text is None else parsedate_tz(text)
    return None if parsed is None else float(calendar.timegm((*parsed[:6], 0, 0, 0)))
