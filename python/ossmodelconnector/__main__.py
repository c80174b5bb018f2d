"""``python -m ossmodelconnector serve DIR``: the local OSS server, for trying and testing."""

from __future__ import annotations

import sys

_USAGE = """\
usage: python -m ossmodelconnector COMMAND ...

commands:
  serve DIR   serve the folders in DIR as buckets of a local OSS server; serve --help tells more
"""


def main(argv: list[str]) -> int:
    """Runs the command that `argv` names and returns the exit status."""
    if argv[:1] in (["-h"], ["--help"]):
        print(_USAGE, end="")
        return 0
    if argv[:1] != ["serve"]:
        print(_USAGE, end="", file=sys.stderr)
        return 2
    try:
        from ossmodelconnector.local import _cli
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("aiohttp", "cryptography"):
            raise
        print(
            f"the local server needs {error.name}: pip install 'ossmodelconnector[local]'",
            file=sys.stderr,
        )
        return 1
    return _cli.main(argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
