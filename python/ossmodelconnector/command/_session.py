"""What all verbs have in common: their options, and the connector that these make."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from ossmodelconnector._connector import OssModelConnector
from ossmodelconnector._credentials import AnonymousCredentialsProvider
from ossmodelconnector.command._exits import CommandError, Exit
from ossmodelconnector.command._output import Format, print_note

__all__ = ["COMMON", "Session", "common_options"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
SILENCE = "OSSMC_NO_PROGRESS"
COMMON = ("how", "endpoint", "region", "credentials", "config_file", "verbosity", "no_progress")


def _file(name: str, to: str, text: str) -> Any:
    kind = click.Path(exists=True, dir_okay=False)
    return click.option(name, to, metavar="FILE", type=kind, help=text)


def common_options(function: _Function) -> _Function:
    """Adds the options that each verb has."""
    options = (
        click.option(
            "--format",
            "how",
            type=click.Choice(["human", "json", "quiet"]),
            default="human",
            help="Text, one JSON document, or next to nothing.  [default: human]",
        ),
        click.option("--endpoint", metavar="URL", help="Where the store is.  [env: OSS_ENDPOINT]"),
        click.option("--region", metavar="NAME", help="Such as cn-hangzhou.  [env: OSS_REGION]"),
        _file(
            "--credentials",
            "credentials",
            "With an access key: ours, aliyun-cli's or ossutil's.  [env: OSS_ACCESS_KEY_ID, ...]",
        ),
        _file("--config", "config_file", "JSON, with settings of the connector."),
        click.option(
            "--no-progress", is_flag=True, help=f"No progress on stderr.  [env: {SILENCE}]"
        ),
        click.option("-v", "verbosity", count=True, help="Log to stderr; -vv: every step."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@dataclass(frozen=True)
class Session:
    """The common options of one call."""

    verb: str
    how: Format
    endpoint: str | None
    region: str | None
    credentials: str | None
    config_file: str | None
    verbosity: int
    no_progress: bool

    @property
    def shows_progress(self) -> bool:
        """Whether anybody wants to see how far it is."""
        return self.how == "human" and not self.no_progress and not os.environ.get(SILENCE)

    def connector(self, *, memory_bytes: int | None = None) -> OssModelConnector:
        """Makes the connector, of the options and else of the environment.

        Args:
            memory_bytes: the most that it takes, unless there is a file of settings.
        """
        if not (self.endpoint or os.environ.get("OSS_ENDPOINT")):
            raise CommandError(
                "no endpoint is given",
                exit_code=Exit.WRONG_USE,
                next_step=f"ossmc {self.verb} --endpoint https://oss-cn-hangzhou.aliyuncs.com, "
                "or set OSS_ENDPOINT",
            )
        config: dict[str, Any] = {"logLevel": 0} if self.verbosity > 1 else {}
        if memory_bytes is not None and not self.config_file:
            config["prefetch.memoryBytes"] = min(memory_bytes, _default_budget())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            connector = OssModelConnector.from_env(
                endpoint=self.endpoint,
                region=self.region,
                cred_path=self.credentials,
                config_path=self.config_file,
                config=config,
            )
        for warning in caught:
            print_note(str(warning.message), self.how)
        return connector

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Has the library's log on stderr, as far as -v asks for it."""
        if not self.verbosity:
            yield
            return
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger = logging.getLogger("ossmodelconnector")
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG if self.verbosity > 1 else logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)


def _default_budget() -> int:
    """What a connector may take by itself: the machine, or its control group, may have little."""
    anonymous = AnonymousCredentialsProvider()
    with OssModelConnector("http://localhost", cred_provider=anonymous, region="cn-x") as unused:
        return unused.stats().memory_limit_bytes
