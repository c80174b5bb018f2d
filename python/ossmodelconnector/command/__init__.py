"""The command `ossmodelconnector`, and its short twin `ossmc`.

It stands on click and rich, which the extra `cli` installs. docs/command.md shows its use.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]

_WRONG_USE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status.

    Args:
        argv: the words behind the command's name; None: those that the process was given.

    Example:
        >>> from ossmodelconnector.command import main
        >>> main(["stat", "oss://bucket/config.json", "--format", "quiet"])
        0
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        import click  # noqa: F401 - looked for, not used
        import rich  # noqa: F401 - looked for, not used
    except ModuleNotFoundError as error:
        if words[:1] == ["serve"]:
            return _serve_alone(words[1:])
        if words[:1] == ["doctor"]:
            from ossmodelconnector.command.doctor import CHECKS, run_alone

            return run_alone(CHECKS, words[1:])
        print(
            f"ossmc needs {error.name}: pip install 'ossmodelconnector[cli]'",
            file=sys.stderr,
        )
        return _WRONG_USE
    from ossmodelconnector.command._group import run

    return run(words)


def _serve_alone(words: list[str]) -> int:
    """The local server's own command line, which takes no more than the extra `local`."""
    try:
        from ossmodelconnector.local import _cli
    except ModuleNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    return _cli.main(words)
