"""`verb`: makes a function a verb of the command, with the common options and exit codes."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import click

from ossmodelconnector.command._exits import Exit, Failure, failure_of
from ossmodelconnector.command._output import Format, print_failure
from ossmodelconnector.command._session import COMMON, Session, common_options

__all__ = ["REGISTERED", "verb"]

# By name; a verb's module puts it in when it is imported.
REGISTERED: dict[str, click.Command] = {}


def verb(name: str, **settings: Any) -> Callable[[Callable[..., int | None]], click.Command]:
    """Registers a function as a verb.

    It is called with a `Session` and with what its own options say, and returns the exit code; None
    is 0. What it raises becomes an exit code and a line on stderr (`failure_of`).

    Args:
        name: the verb.
        settings: of click.command.

    Example:
        >>> @verb("hello")
        ... @click.argument("name")
        ... def hello(session: Session, name: str) -> None:
        ...     '''Greets.'''
        ...     print("hello", name)
    """

    def register(function: Callable[..., int | None]) -> click.Command:
        @functools.wraps(function)
        def call(**given: Any) -> int:
            session = Session(name, **{option: given.pop(option) for option in COMMON})
            with session.logging():
                return guarded(lambda: function(session, **given), session)

        command = click.command(name, **settings)(common_options(call))
        REGISTERED[name] = command
        return command

    return register


def guarded(function: Callable[[], int | None], session: Session) -> int:
    """Runs it, and makes an exit code of what it raises."""
    try:
        code = function()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return interrupted(session.verb, session.how)
    except BrokenPipeError:
        leave_stdout()
        return Exit.RIGHT
    except click.ClickException:
        raise
    except Exception as error:
        if session.verbosity > 1:
            traceback.print_exc()
        failure = failure_of(error, session.verb)
        print_failure(failure, session.how)
        return failure.exit_code
    return Exit.RIGHT if code is None else code


def interrupted(name: str, how: Format) -> int:
    """Says that Ctrl-C ended it."""
    step = "run the same command again: it goes on where it was" if name == "pull" else ""
    print_failure(
        Failure("KeyboardInterrupt", "stopped by Ctrl-C", "", Exit.INTERRUPTED, step, {}), how
    )
    return Exit.INTERRUPTED


def leave_stdout() -> None:
    """Whoever read stdout has gone: at exit nothing shall be written there."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
