"""What can go wrong, as exception classes.

    OssError(OSError)              any other 4xx reply
    |- ObjectNotFoundError         also FileNotFoundError
    |  |- BucketNotFoundError
    |- AccessDeniedError           also PermissionError
    |  |- CredentialsError
    |- ObjectChangedError          overwritten while it was read, or since it was listed
    |- ChecksumError               the bytes do not match the object's CRC-64
    |- ObjectArchivedError         must be restored before it can be read
    |- ThrottledError              429 or 503 when no retry was left
    |- ServerError                 other 5xx after all attempts
    |- TransferTimeoutError        also TimeoutError
    |- ConnectError                also ConnectionError: DNS, refused, reset, TLS
    |- ProtocolError               the reply breaks the rules
    |- MemoryBudgetError           also MemoryError

A bad argument and use after close are ValueError or TypeError, as for files.
"""

from __future__ import annotations

import errno
from typing import Any

from ossmodelconnector import _core

__all__ = [
    "AccessDeniedError",
    "BucketNotFoundError",
    "ChecksumError",
    "ConnectError",
    "CredentialsError",
    "MemoryBudgetError",
    "ObjectArchivedError",
    "ObjectChangedError",
    "ObjectNotFoundError",
    "OssError",
    "ProtocolError",
    "ServerError",
    "ThrottledError",
    "TransferTimeoutError",
]


class OssError(OSError):
    """A request that failed; every other error of this library is a kind of it.

    The text names the operation, the object, the range, the attempts and what the server said.

    Attributes:
        uri: ``oss://bucket/key`` of the object, or of the bucket; ``""`` where there is none.
        status: HTTP status of the last reply, 0 if there was none.
        code: the server's word for the error, such as ``"NoSuchKey"``, or ``""``.
        ec: the server's diagnostic number, such as ``"0026-00000001"``, or ``""``.
        request_id: what Alibaba Cloud's support asks for, or ``""``.
        attempts: how many times the request was sent.
        errno: a number of the module `errno` where one fits, else None; of a `ConnectError` that
            of the system's call which failed, such as ``errno.ECONNREFUSED``.

    Example:
        >>> try:
        ...     connector.open("oss://bucket/no-such-key")
        ... except OssError as error:
        ...     print(error.status, error.code, error.uri)
        404 NoSuchKey oss://bucket/no-such-key
    """

    uri: str
    status: int
    code: str
    ec: str
    request_id: str
    attempts: int
    errno: int | None
    strerror: str

    def __init__(
        self,
        message: str = "",
        *,
        uri: str = "",
        status: int = 0,
        code: str = "",
        ec: str = "",
        request_id: str = "",
        attempts: int = 0,
        errno: int | None = None,
    ) -> None:
        super().__init__(message)
        self.uri = uri
        self.status = status
        self.code = code
        self.ec = ec
        self.request_id = request_id
        self.attempts = attempts
        self.errno = _ERRNO_OF_CLASS.get(type(self)) if errno is None else errno
        self.strerror = message
        if uri:
            self.filename = uri

    def __str__(self) -> str:
        # OSError would print "[Errno 2] ...": the text says more than the number does.
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        # Fields that live outside __dict__ go in by setattr, like the others.
        state = dict(self.__dict__)
        state.update(errno=self.errno, strerror=self.strerror, filename=self.filename)
        return type(self), self.args, state


class ObjectNotFoundError(OssError, FileNotFoundError):
    """The object is not there."""


class BucketNotFoundError(ObjectNotFoundError):
    """The bucket is not there."""


class AccessDeniedError(OssError, PermissionError):
    """The server refused: no permission, the wrong region's endpoint, or a clock that is off."""


class CredentialsError(AccessDeniedError):
    """The keys or the token are wrong or have expired, or none could be had."""


class ObjectChangedError(OssError):
    """The object was overwritten after it was opened, or listed; its URI opens the new one."""


class ChecksumError(OssError):
    """The bytes received do not match the object's CRC-64."""


class ObjectArchivedError(OssError):
    """The object is archived and must be restored before it can be read."""


class ThrottledError(OssError):
    """The server asked to slow down until no retry was left."""


class ServerError(OssError):
    """The server failed at every attempt."""


class TransferTimeoutError(OssError, TimeoutError):
    """Nothing new came in for as long as the configuration allows."""


class ConnectError(OssError, ConnectionError):
    """No connection to the server: name not found, refused, reset, or a certificate not trusted."""


class ProtocolError(OssError):
    """The reply is not what the protocol allows, so none of it was used."""


class MemoryBudgetError(OssError, MemoryError):
    """The memory budget cannot hold what was asked for."""


# The core's status codes: each but the three of bad usage is a kind of OssError.
_CLASS_OF_CODE: dict[str, type[Exception]] = {
    "InvalidArgument": ValueError,
    "Closed": ValueError,
    "Internal": RuntimeError,
    "Oss": OssError,
    "ObjectNotFound": ObjectNotFoundError,
    "BucketNotFound": BucketNotFoundError,
    "AccessDenied": AccessDeniedError,
    "Credentials": CredentialsError,
    "ObjectChanged": ObjectChangedError,
    "Checksum": ChecksumError,
    "ObjectArchived": ObjectArchivedError,
    "Throttled": ThrottledError,
    "Server": ServerError,
    "TransferTimeout": TransferTimeoutError,
    "Connect": ConnectError,
    "Protocol": ProtocolError,
    "MemoryBudget": MemoryBudgetError,
}

_ERRNO_OF_CLASS: dict[type[OssError], int] = {
    ObjectNotFoundError: errno.ENOENT,
    BucketNotFoundError: errno.ENOENT,
    AccessDeniedError: errno.EACCES,
    CredentialsError: errno.EACCES,
    ObjectChangedError: errno.ESTALE,
    ChecksumError: errno.EIO,
    ThrottledError: errno.EBUSY,
    ServerError: errno.EIO,
    TransferTimeoutError: errno.ETIMEDOUT,
    ProtocolError: errno.EPROTO,
    MemoryBudgetError: errno.ENOMEM,
}


def _make_error(
    code: str,
    message: str,
    uri: str,
    http_status: int,
    error_code: str,
    ec: str,
    request_id: str,
    attempts: int,
    os_errno: int,
) -> Exception:
    """Makes the exception for a status of the core."""
    cls = _CLASS_OF_CODE.get(code, RuntimeError)
    if not issubclass(cls, OssError):
        return cls(message)
    return cls(
        message,
        uri=uri,
        status=http_status,
        code=error_code,
        ec=ec,
        request_id=request_id,
        attempts=attempts,
        errno=os_errno or None,
    )


_core.set_error_factory(_make_error)
