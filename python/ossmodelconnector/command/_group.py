"""The command as a whole: finds the verb that is asked for, and imports no other."""

from __future__ import annotations

import difflib
import importlib
import sys
from pathlib import Path
from typing import Any

import click

from ossmodelconnector import __version__
from ossmodelconnector.command._exits import Exit, Failure
from ossmodelconnector.command._output import Format, print_failure, set_up_streams
from ossmodelconnector.command._verb import REGISTERED, interrupted

__all__ = ["VERBS", "run"]

# In the order of the help. Each is the module of its name here, with an underscore before it, which
# registers itself by `verb`.
VERBS = ("ls", "stat", "cat", "pull", "verify", "tensors", "bench", "doctor", "serve")
_NAMES = ("ossmc", "ossmodelconnector")


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in VERBS:
            importlib.import_module(f"{__package__}._{cmd_name}")
        return REGISTERED.get(cmd_name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], VERBS, 1)
            if near:
                error.message += f" Did you mean {near[0]}?"
            raise


@click.group(
    cls=_Verbs,
    no_args_is_help=False,  # before 8.2 click takes that for a wish, and returns 0
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 right, 1 failed, 2 wrong use, 3 not found, 4 no permission or "
    "credentials, 5 wrong bytes, 6 network, 130 Ctrl-C.",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def _command() -> None:
    """Reads models and data sets out of Alibaba Cloud OSS, fast.

    The endpoint is OSS_ENDPOINT, or --endpoint; the access key OSS_ACCESS_KEY_ID and
    OSS_ACCESS_KEY_SECRET, or what Alibaba Cloud's own tools find, or --credentials.
    """


def run(words: list[str]) -> int:
    """Runs the verb that the words name, and returns the exit code."""
    set_up_streams()
    name = Path(sys.argv[0]).name
    program = name if name in _NAMES else "ossmc"
    how = _format_in(words)
    try:
        code = _command.main(args=words, prog_name=program, standalone_mode=False)
    except click.ClickException as error:
        place = getattr(error, "ctx", None)
        if not words and place is not None:
            click.echo(place.get_help(), err=True)
            return Exit.WRONG_USE
        path = place.command_path if place is not None else program
        text, step = error.format_message(), f"{path} --help"
        print_failure(Failure(type(error).__name__, text, "", Exit.WRONG_USE, step, {}), how)
        return Exit.WRONG_USE
    except (click.Abort, KeyboardInterrupt):
        return interrupted("", how)
    return int(code) if isinstance(code, int) else 0


def _format_in(words: list[str]) -> Format:
    """What --format says, for errors in the words themselves."""
    for before, word in zip(["", *words], words):
        text = word if before == "--format" else word.partition("--format=")[2]
        if text == "json":
            return "json"
    return "human"
