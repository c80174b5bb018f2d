"""The service's errors: which status and code, and how they look on the wire."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from xml.sax.saxutils import escape

# Code -> (status, message, EC). The EC is for diagnosis only, as it is with the real service.
_CATALOGUE: Mapping[str, tuple[int, str, str]] = MappingProxyType(
    {
        "AccessDenied": (
            403,
            "You have no right to access this object because of bucket acl.",
            "0003-00000001",
        ),
        "InternalError": (
            500,
            "We encountered an internal error. Please try again.",
            "0001-00000001",
        ),
        "InvalidAccessKeyId": (
            403,
            "The OSS Access Key Id you provided does not exist in our records.",
            "0002-00000902",
        ),
        "InvalidArgument": (400, "Invalid Argument.", "0017-00000001"),
        "InvalidBucketName": (400, "The specified bucket is not valid.", "0015-00000001"),
        "InvalidObjectName": (400, "The specified object is not valid.", "0016-00000001"),
        "InvalidObjectState": (
            403,
            "The operation is not valid for the object's state",
            "0016-00000701",
        ),
        "InvalidRange": (416, "The requested range cannot be satisfied", "0016-00000101"),
        "InvalidRequest": (
            400,
            "Anonymous requests must not override response headers.",
            "0017-00000901",
        ),
        "InvalidSecurityToken": (
            403,
            "The security token you provided is invalid.",
            "0002-00000006",
        ),
        "MethodNotAllowed": (
            405,
            "The specified method is not allowed against this resource.",
            "0017-00000405",
        ),
        "NoSuchBucket": (404, "The specified bucket does not exist.", "0015-00000101"),
        "NoSuchKey": (404, "The specified key does not exist.", "0026-00000001"),
        "NoSuchVersion": (404, "The specified version does not exist.", "0026-00000004"),
        "NotImplemented": (
            400,
            "A header or parameter you provided implies functionality that is not implemented.",
            "0017-00000501",
        ),
        "PreconditionFailed": (
            412,
            "At least one of the pre-conditions you specified did not hold.",
            "0016-00000412",
        ),
        "QpsLimitExceeded": (429, "Please reduce your request rate.", "0004-00000302"),
        "RequestTimeTooSkewed": (
            403,
            "The difference between the request time and the current time is too large.",
            "0002-00000504",
        ),
        "SecondLevelDomainForbidden": (
            403,
            "The bucket you are attempting to access must be addressed using OSS third level "
            "domain.",
            "0003-00001201",
        ),
        "SecurityTokenExpired": (
            403,
            "The security token you provided has expired.",
            "0002-00000007",
        ),
        "ServiceUnavailable": (503, "Please reduce your request rate.", "0004-00000503"),
        "SignatureDoesNotMatch": (
            403,
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
            "0002-00000040",
        ),
    }
)


class ServiceError(Exception):
    """An error reply of the service.

    Args:
        code: the service's word for it, e.g. ``"NoSuchKey"``.
        message: text for people; by default the usual one of `code`.
        status: HTTP status; by default the usual one of `code`, 400 for an unknown code.
        ec: diagnostic number; by default the usual one of `code`.
        details: further elements of the reply, in order: (name, text).
        headers: further headers of the reply.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        status: int | None = None,
        ec: str | None = None,
        details: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        usual_status, usual_message, usual_ec = _CATALOGUE.get(code, (400, code, "0017-00000000"))
        self.code = code
        self.message = usual_message if message is None else message
        self.status = usual_status if status is None else status
        self.ec = usual_ec if ec is None else ec
        self.details = tuple(details)
        self.headers = headers
        super().__init__(f"{self.status} {code}: {self.message}")

    def xml(self, request_id: str, host_id: str) -> bytes:
        """Returns the body of the reply."""
        fields = [
            ("Code", self.code),
            ("Message", self.message),
            ("RequestId", request_id),
            ("HostId", host_id),
            *self.details,
            ("EC", self.ec),
        ]
        lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<Error>"]
        lines += [f"  <{name}>{xml_text(text)}</{name}>" for name, text in fields]
        return "\n".join([*lines, "</Error>", ""]).encode("utf-8", "replace")


def xml_text(text: str) -> str:
    """Returns `text` as XML character data that a parser gives back unchanged.

    A parser turns a bare carriage return into a line feed, hence the reference.
    """
    return escape(text, {"\r": "&#13;"})


def head_error_header(body: bytes) -> str:
    """Returns the value of ``x-oss-err``: the error document for replies without a body."""
    return base64.b64encode(body).decode("ascii")
