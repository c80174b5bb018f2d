"""`doctor`: what keeps the library from working here, or from being fast."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import click

from ossmodelconnector.command._output import print_json
from ossmodelconnector.command._session import Session
from ossmodelconnector.command._uris import parts_of
from ossmodelconnector.command._verb import verb
from ossmodelconnector.command.doctor import (
    CHECKS,
    Context,
    Options,
    document,
    exit_code,
    lines_of,
    run_checks,
    summary,
)

if TYPE_CHECKING:
    from ossmodelconnector.command.doctor import Checked

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
    bucket, key = parts_of(uri) if uri else ("", "")
    options = Options(
        endpoint=session.endpoint or os.environ.get("OSS_ENDPOINT", ""),
        region=session.region or os.environ.get("OSS_REGION", ""),
        credentials=session.credentials or "",
        config_file=session.config_file or "",
        bucket=bucket,
        key=key,
        seconds=seconds,
    )
    with Context(options) as context:
        done = run_checks(CHECKS, context, lambda one: _show(one, context, session))
        if session.how == "json":
            print_json(document(done, context))
        elif session.how == "human":
            print(summary(done))
    return exit_code(done)


def _show(one: Checked, context: Context, session: Session) -> None:
    verdict = one.finding.verdict
    if session.how == "quiet" and verdict in ("failed", "warning"):
        print(verdict, one.name)
    if session.how == "human":
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print("\n".join(lines_of(one, context, width)), flush=True)
