"""Exit codes, and what a failure says: what happened, to which thing, what to type next."""

from __future__ import annotations

import errno
import shlex
from enum import IntEnum
from typing import Any, NamedTuple

from ossmodelconnector import _errors as kinds

__all__ = ["CommandError", "Exit", "Failure", "failure_of"]


class Exit(IntEnum):
    """What the command returns. A contract: docs/command.md."""

    RIGHT = 0
    FAILED = 1
    WRONG_USE = 2
    NOT_FOUND = 3
    NO_PERMISSION = 4
    WRONG_BYTES = 5
    NETWORK = 6
    INTERRUPTED = 130


class CommandError(Exception):
    """A failure that the command itself found.

    Attributes:
        thing: the URI or the path that it is about; ``""``: none.
        exit_code: what the command returns for it.
        next_step: a command to type, or words if no command helps.
    """

    def __init__(
        self, text: str, *, thing: str = "", exit_code: Exit = Exit.FAILED, next_step: str
    ) -> None:
        super().__init__(text)
        self.thing = thing
        self.exit_code = exit_code
        self.next_step = next_step


class Failure(NamedTuple):
    """How a failure is shown."""

    kind: str
    text: str
    thing: str
    exit_code: Exit
    next_step: str
    fields: dict[str, Any]  # what the store said


# The first class that fits is taken, so a kind stands before what it is a kind of.
_CODES: tuple[tuple[type[BaseException], Exit], ...] = (
    (kinds.ObjectNotFoundError, Exit.NOT_FOUND),
    (kinds.AccessDeniedError, Exit.NO_PERMISSION),
    (kinds.ChecksumError, Exit.WRONG_BYTES),
    (kinds.ThrottledError, Exit.NETWORK),
    (kinds.ServerError, Exit.NETWORK),
    (kinds.TransferTimeoutError, Exit.NETWORK),
    (kinds.ConnectError, Exit.NETWORK),
    (kinds.ProtocolError, Exit.NETWORK),
    (kinds.OssError, Exit.FAILED),
    (OSError, Exit.FAILED),
    (ValueError, Exit.WRONG_USE),
    (TypeError, Exit.WRONG_USE),
)


def failure_of(error: BaseException, verb: str) -> Failure:
    """Makes what is shown of an error.

    Args:
        error: what a verb raised.
        verb: its name.
    """
    kind = type(error).__name__
    if isinstance(error, CommandError):
        return Failure(kind, str(error), error.thing, error.exit_code, error.next_step, {})
    code = next((code for cls, code in _CODES if isinstance(error, cls)), Exit.FAILED)
    if isinstance(error, kinds.OssError):
        names = ("status", "code", "ec", "request_id")
        fields = {name: value for name in names if (value := getattr(error, name))}
        return Failure(kind, str(error), error.uri, code, _after_request(error, verb), fields)
    if isinstance(error, OSError):
        path = str(error.filename) if error.filename else ""
        return Failure(kind, str(error), path, code, _after_local(error, path), {})
    return Failure(kind, str(error) or kind, "", code, f"ossmc {verb} --help", {})


def _after_request(error: kinds.OssError, verb: str) -> str:
    uri = error.uri
    if isinstance(error, kinds.BucketNotFoundError):
        return "check the bucket's name and region: ossmc ls oss://BUCKET/ --endpoint ENDPOINT"
    if isinstance(error, kinds.ObjectNotFoundError):
        return f"ossmc ls {shlex.quote(uri[: uri.rindex('/') + 1])}" if "/" in uri else "ossmc ls"
    if isinstance(error, kinds.CredentialsError):
        step = f"ossmc {verb} --credentials FILE, or set OSS_ACCESS_KEY_ID and its secret"
        return f"{step}; {_doctor(uri)}"
    if isinstance(error, kinds.AccessDeniedError):
        return f"have oss:GetObject and oss:ListObjects allowed, then: ossmc stat {_quoted(uri)}"
    if isinstance(error, kinds.ChecksumError):
        return f"ossmc verify {_quoted(uri)}"
    if isinstance(error, kinds.ObjectArchivedError):
        return f"restore the object first, then: ossmc stat {_quoted(uri)}"
    if isinstance(error, kinds.MemoryBudgetError):
        return 'write {"prefetch.memoryBytes": "1 GiB"} to FILE, and add --config FILE'
    if isinstance(error, kinds.ObjectChangedError):
        return f"run it again: ossmc stat {_quoted(uri)} shows the new version"
    if isinstance(error, (kinds.ThrottledError, kinds.ServerError)):
        return "run the same command again in a minute"
    return _doctor(uri)


def _doctor(uri: str) -> str:
    """The command that looks for the cause."""
    return f"ossmc doctor {shlex.quote(uri)}" if uri else "ossmc doctor"


def _after_local(error: OSError, path: str) -> str:
    if error.errno == errno.ENOSPC:
        return f"df -h {shlex.quote(path or '.')}"
    return f"ls -ld {shlex.quote(path)}" if path else "run the same command again with -v"


def _quoted(uri: str) -> str:
    return shlex.quote(uri or "oss://BUCKET/KEY")
