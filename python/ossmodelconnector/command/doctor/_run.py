"""Runs the checks and prints what they find: for the verb, and where the extra `cli` is missing."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence

from ossmodelconnector.command._exits import CommandError, Exit, failure_of
from ossmodelconnector.command._output import Format, print_failure, print_json, set_up_streams
from ossmodelconnector.command._uris import parts_of
from ossmodelconnector.command.doctor._check import Check, Checked, run_checks
from ossmodelconnector.command.doctor._context import Context, Options
from ossmodelconnector.command.doctor._report import document, exit_code, lines_of, summary

__all__ = ["diagnose", "options_of", "run_alone"]


def options_of(
    uri: str, *, endpoint: str, region: str, credentials: str, config_file: str, seconds: float
) -> Options:
    """What was given on the command line, and else the environment's.

    Raises:
        CommandError: `uri` is none.
    """
    bucket, key = parts_of(uri) if uri else ("", "")
    return Options(
        endpoint=endpoint or os.environ.get("OSS_ENDPOINT", ""),
        region=region or os.environ.get("OSS_REGION", ""),
        credentials=credentials,
        config_file=config_file,
        bucket=bucket,
        key=key,
        seconds=seconds,
    )


def diagnose(checks: Sequence[Check], options: Options, how: Format) -> int:
    """Runs the checks, and returns the exit code."""
    with Context(options) as context:
        done = run_checks(checks, context, lambda one: _show(one, context, how))
        if how == "json":
            print_json(document(done, context))
        elif how == "human":
            print(summary(done))
    return exit_code(done)


def run_alone(checks: Sequence[Check], words: Sequence[str]) -> int:
    """The verb without click and rich: a host where little is installed is one to diagnose."""
    parser = argparse.ArgumentParser(prog="ossmodelconnector doctor")
    parser.add_argument("uri", nargs="?", default="", help="oss://BUCKET/PREFIX")
    for name in ("--endpoint", "--region", "--credentials", "--config"):
        parser.add_argument(name, default="")
    parser.add_argument("--format", choices=("human", "json", "quiet"), default="human")
    parser.add_argument("--timeout", type=float, default=5.0, help="the limit of each wait")
    given = parser.parse_args(list(words))
    set_up_streams()
    try:
        options = options_of(
            given.uri,
            endpoint=given.endpoint,
            region=given.region,
            credentials=given.credentials,
            config_file=given.config,
            seconds=given.timeout,
        )
        return diagnose(checks, options, given.format)
    except CommandError as error:
        print_failure(failure_of(error, "doctor"), given.format)
        return error.exit_code
    except KeyboardInterrupt:
        print("error: stopped by Ctrl-C", file=sys.stderr)
        return Exit.INTERRUPTED


def _show(one: Checked, context: Context, how: Format) -> None:
    verdict = one.finding.verdict
    if how == "quiet" and verdict in ("failed", "warning"):
        print(verdict, one.name)
    if how == "human":
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print("\n".join(lines_of(one, context, width)), flush=True)
