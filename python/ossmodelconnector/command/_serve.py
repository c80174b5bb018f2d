"""`serve`: the local OSS server of the package."""

from __future__ import annotations

import click

from ossmodelconnector.command._exits import CommandError, Exit
from ossmodelconnector.command._session import Session
from ossmodelconnector.command._verb import verb

__all__: list[str] = []


@verb(
    "serve",
    short_help="A local OSS server, for trying and testing: ossmc serve DIR.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("words", nargs=-1, metavar="DIR [OPTIONS OF THE SERVER]", type=click.UNPROCESSED)
@click.option("--server-help", is_flag=True, help="Show the options of the server.")
def serve(session: Session, words: tuple[str, ...], server_help: bool) -> int:
    """Serves the folders in DIR as buckets of an OSS server on this machine. It only reads.

    --region is the region that V4 signatures must name. The server's own options, such as --port
    and --latency, are listed by --server-help. It runs until Ctrl-C.
    """
    for option, value in (
        ("--endpoint", session.endpoint),
        ("--credentials", session.credentials),
        ("--config", session.config_file),
    ):
        if value:
            raise CommandError(
                f"serve takes no {option}: it is the server",
                exit_code=Exit.WRONG_USE,
                next_step="ossmc serve --server-help",
            )
    try:
        from ossmodelconnector.local import _cli
    except ModuleNotFoundError as error:
        raise CommandError(
            str(error), next_step="pip install 'ossmodelconnector[cli,local]'"
        ) from None
    passed = ["--help"] if server_help else list(words)
    if session.region:
        passed += ["--region", session.region]
    if session.verbosity:
        passed.append("--verbose")
    try:
        return _cli.main(passed, program="ossmc serve", how=session.how)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else Exit.WRONG_USE
