"""`doctor`: what keeps the library from working here, or from being fast."""

from __future__ import annotations

import click

from ossmodelconnector.command._session import Session
from ossmodelconnector.command._verb import verb
from ossmodelconnector.command.doctor import CHECKS, diagnose, options_of

__all__: list[str] = []


@verb("doctor", short_help="What keeps it from working here, or from being fast.")
@click.argument("uri", required=False, default="")
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(0.1, 600),
    default=5.0,
    help="The limit of each wait, in seconds.  [default: 5]",
)
def doctor(session: Session, uri: str, seconds: float) -> int:
    """Looks at endpoint, proxy, network, TLS, clock, keys, permission, memory and speed, in order.

    URI is oss://BUCKET/PREFIX, or an object: with one it is seen whether the keys may read there,
    and how fast that is; it reads for some seconds. --format json makes a report to attach to an
    issue, with no secret in it.
    """
    options = options_of(
        uri,
        endpoint=session.endpoint or "",
        region=session.region or "",
        credentials=session.credentials or "",
        config_file=session.config_file or "",
        seconds=seconds,
    )
    return diagnose(CHECKS, options, session.how)
