"""The tree of exceptions: its shape, what they carry, that they pickle."""

from __future__ import annotations

import copy
import errno
import pickle
import traceback

import ossmodelconnector
import pytest
from ossmodelconnector import (
    AccessDeniedError,
    BucketNotFoundError,
    ConnectError,
    CredentialsError,
    MemoryBudgetError,
    ObjectChangedError,
    ObjectNotFoundError,
    OssError,
    ServerError,
    ThrottledError,
    TransferTimeoutError,
)
from ossmodelconnector._errors import _CLASS_OF_CODE, _make_error

CLASSES = [
    value
    for value in vars(ossmodelconnector).values()
    if isinstance(value, type) and issubclass(value, OssError)
]
TEXT = "open oss://bucket/key: HTTP 404 NoSuchKey (request id 5C3D)"


def error_of(code, message=TEXT, os_errno=0):
    uri = "oss://bucket/key"
    return _make_error(code, message, uri, 404, "NoSuchKey", "0026-01", "5C3D", 3, os_errno)


def test_tree():
    assert {cls.__name__ for cls in CLASSES} == {
        cls.__name__ for cls in _CLASS_OF_CODE.values() if issubclass(cls, OssError)
    }
    assert OssError.__bases__ == (OSError,)
    assert issubclass(ObjectNotFoundError, FileNotFoundError)
    assert issubclass(BucketNotFoundError, ObjectNotFoundError)
    assert issubclass(AccessDeniedError, PermissionError)
    assert issubclass(CredentialsError, AccessDeniedError)
    assert issubclass(TransferTimeoutError, TimeoutError)
    assert issubclass(ConnectError, ConnectionError)
    assert issubclass(MemoryBudgetError, MemoryError)


@pytest.mark.parametrize("code", sorted(_CLASS_OF_CODE))
def test_every_error_carries_its_facts_and_pickles(code):
    error = error_of(code)
    assert type(error) is _CLASS_OF_CODE[code]
    assert str(error) == TEXT
    for again in (copy.copy(error), *(pickle.loads(pickle.dumps(error, p)) for p in range(6))):
        assert type(again) is type(error)
        assert str(again) == TEXT
        assert again.args == error.args
        if isinstance(error, OssError):
            for name in ("uri", "status", "code", "ec", "request_id", "attempts", "errno"):
                assert getattr(again, name) == getattr(error, name), name
            assert again.filename == "oss://bucket/key"
            assert again.strerror == TEXT
    if isinstance(error, OssError):
        assert (error.status, error.code, error.ec) == (404, "NoSuchKey", "0026-01")
        assert (error.request_id, error.attempts) == ("5C3D", 3)
        assert error.uri == error.filename == "oss://bucket/key"


def test_bad_usage_is_builtin_errors():
    assert type(error_of("InvalidArgument")) is ValueError
    assert type(error_of("Closed")) is ValueError
    assert type(error_of("Internal")) is RuntimeError


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("ObjectNotFound", errno.ENOENT),
        ("BucketNotFound", errno.ENOENT),
        ("AccessDenied", errno.EACCES),
        ("Credentials", errno.EACCES),
        ("ObjectChanged", errno.ESTALE),
        ("Checksum", errno.EIO),
        ("Throttled", errno.EBUSY),
        ("Server", errno.EIO),
        ("TransferTimeout", errno.ETIMEDOUT),
        ("Protocol", errno.EPROTO),
        ("MemoryBudget", errno.ENOMEM),
        ("Oss", None),
        ("ObjectArchived", None),
    ],
)
def test_errno(code, number):
    assert error_of(code).errno == number


def test_errno_of_a_connection_is_the_systems():
    refused = error_of("Connect", os_errno=errno.ECONNREFUSED)
    assert refused.errno == errno.ECONNREFUSED
    assert pickle.loads(pickle.dumps(refused)).errno == errno.ECONNREFUSED
    assert error_of("Connect").errno is None
    assert ConnectError("no text", errno=errno.EHOSTUNREACH).errno == errno.EHOSTUNREACH


def test_the_text_is_printed_as_it_is():
    error = error_of("ObjectNotFound")
    assert repr(error) == f"ObjectNotFoundError({TEXT!r})"
    last_line = traceback.format_exception_only(type(error), error)[-1]
    assert last_line == f"ossmodelconnector.ObjectNotFoundError: {TEXT}\n"


def test_errors_can_be_made_by_hand():
    for cls in CLASSES:
        error = cls("text")
        assert (str(error), error.uri, error.status, error.attempts) == ("text", "", 0, 0)
        assert error.filename is None
        assert str(cls()) == ""


def test_one_except_clause_is_enough():
    for code in ("ObjectChanged", "Server", "Throttled"):
        with pytest.raises(OSError, match="NoSuchKey"):
            raise error_of(code)
    assert not issubclass(ServerError, ThrottledError)
    assert not issubclass(ObjectChangedError, ObjectNotFoundError)
