"""Checks the signature of a request: V1 (HMAC-SHA1) and V4 (HMAC-SHA256), in headers and in URLs.

Written from the published rules and apart from this package's signers, so that one can find the
other's mistakes.
"""

from __future__ import annotations

import base64
import calendar
import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_tz
from typing import NamedTuple
from urllib.parse import quote

from ossmodelconnector.local._errors import ServiceError
from ossmodelconnector.local._target import Target

MAX_SKEW_SECONDS = 15 * 60
_MAX_PRESIGNED_SECONDS = 7 * 24 * 3600
_V4_ALGORITHM = "OSS4-HMAC-SHA256"
_V4_TERMINATOR = "aliyun_v4_request"

# Query parameters that are part of the V1 resource.
_SUBRESOURCE_NAMES = """
    security-token continuation-token versionId versions objectMeta symlink tagging acl location
    bucketInfo stat restore response-content-type response-content-language response-cache-control
    response-content-encoding response-content-disposition response-expires x-oss-process
    x-oss-traffic-limit x-oss-request-payer regionList logging uploadId uploads partNumber group
    link delete website objectInfo cors lifecycle qos referer append position live comp status vod
    startTime endTime callback callback-var encryption versioning policy requestPayment qosInfo
    asyncFetch sequential inventory inventoryId worm wormId wormExtend replication
    replicationLocation replicationProgress transferAcceleration cname metaQuery
    x-oss-ac-source-ip x-oss-ac-subnet-mask x-oss-ac-vpc-id x-oss-ac-forward-allow resourceGroup
    style styleName x-oss-async-process x-oss-write-get-object-response bucketArchiveDirectRead
    httpsConfig redundancyTransition x-oss-target-redundancy-type
    x-oss-redundancy-transition-taskid accessPoint accessPointPolicy publicAccessBlock
    x-oss-access-point-name requesterQosInfo qosRequester resourcePoolInfo resourcePool
    resourcePoolBuckets
"""
_SUBRESOURCES = frozenset(_SUBRESOURCE_NAMES.split())

_V1_AUTHORIZATION = re.compile(r"OSS ([^:\s]+):(\S+)")
_SIGNED_BY_DEFAULT = ("content-type", "content-md5")


@dataclass(frozen=True)
class Credential:
    """An access key that the server accepts.

    Args:
        access_key_id: the public half.
        access_key_secret: the secret half.
        token: security token of temporary credentials, None for a long-term key.
        expires: Unix time from which on the token is refused as expired, None for never.

    Example:
        >>> Credential("id", "secret", token="token", expires=0.0).access_key_id
        'id'
    """

    access_key_id: str
    access_key_secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires: float | None = None


class SignedRequest(NamedTuple):
    """What of a request takes part in its signature.

    Attributes:
        method: HTTP method.
        target: bucket, key and query.
        headers: lower-case name to value.
    """

    method: str
    target: Target
    headers: Mapping[str, str]


class _Claim(NamedTuple):
    """What a request says about its own signature."""

    access_key_id: str
    signature: str
    token: str


class _V4Claim(NamedTuple):
    """The same for V4, before its credential field is taken apart."""

    credential: str
    signature: str
    token: str
    stamp: str
    additional: str


class SignatureVerifier:
    """Decides whether a request is signed by one of the credentials it knows.

    Any thread may call `set_credentials`; `verify` is for the server's thread.

    Args:
        credentials: the keys to accept.
        accepted: ``"v1"``, ``"v4"``, or ``"any"`` of them.
        region: the region that V4 signatures must name, ``""`` for any.
    """

    def __init__(self, credentials: Iterable[Credential], accepted: str, region: str) -> None:
        self._credentials: Mapping[str, Credential] = {}
        self._accepted = accepted
        self._region = region
        self._v4_keys: dict[tuple[str, str, str, str], bytes] = {}
        self.set_credentials(credentials)

    def set_credentials(self, credentials: Iterable[Credential]) -> None:
        """Replaces the accepted keys."""
        # One assignment: the server's thread sees the old keys or the new ones, never a mixture.
        self._credentials = {item.access_key_id: item for item in credentials}

    def verify(self, request: SignedRequest, now: float) -> Credential | None:
        """Returns the credential that signed `request`, or None if nothing signed it.

        Args:
            request: the request.
            now: Unix time.

        Raises:
            ServiceError: it is signed, but not well.
        """
        authorization = request.headers.get("authorization")
        parameters = request.target.parameters
        if authorization is not None:
            if authorization.startswith(_V4_ALGORITHM):
                return self._verify_v4_header(request, authorization, now)
            return self._verify_v1_header(request, authorization, now)
        if "x-oss-signature" in parameters:
            return self._verify_v4_url(request, now)
        if "Signature" in parameters:
            return self._verify_v1_url(request, now)
        return None

    def _verify_v1_header(
        self, request: SignedRequest, authorization: str, now: float
    ) -> Credential:
        self._require("v1")
        match = _V1_AUTHORIZATION.fullmatch(authorization)
        if match is None:
            raise _malformed(authorization)
        date_line = request.headers.get("x-oss-date") or request.headers.get("date", "")
        signed_at = _unix_time(date_line)
        if signed_at is None:
            raise ServiceError("AccessDenied", "OSS authentication requires a valid Date.")
        _check_skew(signed_at, now, date_line)
        claim = _Claim(
            match.group(1),
            match.group(2),
            request.headers.get("x-oss-security-token", ""),
        )
        return self._compare_v1(request, claim, date_line, now)

    def _verify_v1_url(self, request: SignedRequest, now: float) -> Credential:
        self._require("v1")
        parameters = request.target.parameters
        expires = parameters.get("Expires", "")
        if not expires.isdecimal() or int(expires) < now:
            raise ServiceError("AccessDenied", "Request has expired.")
        claim = _Claim(
            parameters.get("OSSAccessKeyId", ""),
            parameters["Signature"],
            parameters.get("security-token", ""),
        )
        return self._compare_v1(request, claim, expires, now)

    def _compare_v1(
        self, request: SignedRequest, claim: _Claim, date_line: str, now: float
    ) -> Credential:
        credential = self._credential(claim, now)
        headers = request.headers
        text = "\n".join(
            [
                request.method,
                headers.get("content-md5", ""),
                headers.get("content-type", ""),
                date_line,
                _header_lines(headers, (name for name in headers if name.startswith("x-oss-")))
                + _v1_resource(request.target),
            ]
        )
        digest = hmac.new(credential.access_key_secret.encode(), _wire(text), hashlib.sha1).digest()
        expected = base64.b64encode(digest).decode("ascii")
        if not hmac.compare_digest(expected.encode(), _wire(claim.signature)):
            raise _mismatch(claim, text, "", "0002-00000040")
        return credential

    def _verify_v4_header(
        self, request: SignedRequest, authorization: str, now: float
    ) -> Credential:
        self._require("v4")
        items = (item.partition("=") for item in authorization[len(_V4_ALGORITHM) :].split(","))
        fields = {name.strip(): value.strip() for name, _, value in items}
        additional = fields.get("AdditionalHeaders")
        if not fields.get("Credential") or not fields.get("Signature") or additional == "":
            raise _malformed(authorization)
        payload = request.headers.get("x-oss-content-sha256")
        if payload != "UNSIGNED-PAYLOAD":
            raise ServiceError(
                "InvalidArgument",
                "x-oss-content-sha256 must be UNSIGNED-PAYLOAD.",
                ec="0002-00000214",
                details=[
                    ("ArgumentName", "x-oss-content-sha256"),
                    ("ArgumentValue", payload or ""),
                ],
            )
        stamp = request.headers.get("x-oss-date", "")
        signed_at = _unix_time_of_stamp(stamp)
        if signed_at is None:
            raise ServiceError("AccessDenied", "OSS authentication requires a valid x-oss-date.")
        _check_skew(signed_at, now, stamp)
        claim = _V4Claim(
            fields["Credential"],
            fields["Signature"],
            request.headers.get("x-oss-security-token", ""),
            stamp,
            additional or "",
        )
        return self._compare_v4(request, claim, request.target.query, now)

    def _verify_v4_url(self, request: SignedRequest, now: float) -> Credential:
        self._require("v4")
        parameters = request.target.parameters
        stamp = parameters.get("x-oss-date", "")
        seconds = parameters.get("x-oss-expires", "")
        signed_at = _unix_time_of_stamp(stamp)
        if (
            parameters.get("x-oss-signature-version") != _V4_ALGORITHM
            or signed_at is None
            or not seconds.isdecimal()
            or int(seconds) > _MAX_PRESIGNED_SECONDS
        ):
            raise ServiceError("InvalidArgument", "The presigned URL is malformed.")
        if signed_at > now + MAX_SKEW_SECONDS:
            _check_skew(signed_at, now, stamp)
        if signed_at + int(seconds) < now:
            raise ServiceError("AccessDenied", "Request has expired.")
        claim = _V4Claim(
            parameters.get("x-oss-credential", ""),
            parameters["x-oss-signature"],
            parameters.get("x-oss-security-token", ""),
            stamp,
            parameters.get("x-oss-additional-headers", ""),
        )
        query = [item for item in request.target.query if item[0] != "x-oss-signature"]
        return self._compare_v4(request, claim, query, now)

    def _compare_v4(
        self,
        request: SignedRequest,
        v4_claim: _V4Claim,
        query: Iterable[tuple[str, str]],
        now: float,
    ) -> Credential:
        access_key_id, _, scope = v4_claim.credential.partition("/")
        day, region, product = _scope_parts(scope, v4_claim.credential)
        if day != v4_claim.stamp[:8]:
            raise _invalid_scope("date", v4_claim.credential)
        if self._region and region != self._region and product == "oss":
            raise _invalid_scope("region", v4_claim.credential)
        claim = _Claim(access_key_id, v4_claim.signature, v4_claim.token)
        credential = self._credential(claim, now)
        additional = sorted(
            {name.strip().lower() for name in v4_claim.additional.split(";") if name.strip()}
        )
        headers = request.headers
        names = {
            name for name in headers if name.startswith("x-oss-") or name in _SIGNED_BY_DEFAULT
        }
        names.update(name for name in additional if name in headers)
        canonical = "\n".join(
            [
                request.method,
                quote(request.target.resource, safe="/-_.~"),
                _canonical_query(query),
                _header_lines(headers, names),
                ";".join(additional),
                headers.get("x-oss-content-sha256", "UNSIGNED-PAYLOAD"),
            ]
        )
        hashed = hashlib.sha256(_wire(canonical)).hexdigest()
        text = "\n".join([_V4_ALGORITHM, v4_claim.stamp, scope, hashed])
        key = self._v4_key(credential.access_key_secret, day, region, product)
        expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), _wire(claim.signature)):
            raise _mismatch(claim, text, canonical, "0002-00000201")
        return credential

    def _v4_key(self, secret: str, day: str, region: str, product: str) -> bytes:
        name = (secret, day, region, product)
        key = self._v4_keys.get(name)
        if key is None:
            key = b"aliyun_v4" + secret.encode()
            for part in (day, region, product, _V4_TERMINATOR):
                key = hmac.new(key, _wire(part), hashlib.sha256).digest()
            if len(self._v4_keys) >= 64:
                self._v4_keys.clear()
            self._v4_keys[name] = key
        return key

    def _require(self, version: str) -> None:
        if self._accepted not in ("any", version):
            raise ServiceError(
                "InvalidRequest",
                f"This server does not accept signature version {version.upper()}.",
            )

    def _credential(self, claim: _Claim, now: float) -> Credential:
        credential = self._credentials.get(claim.access_key_id)
        # Temporary keys without their token do not exist, nor do long-term keys with one.
        if credential is None or bool(credential.token) != bool(claim.token):
            raise ServiceError(
                "InvalidAccessKeyId", details=[("OSSAccessKeyId", claim.access_key_id)]
            )
        if credential.token and not hmac.compare_digest(
            _wire(credential.token), _wire(claim.token)
        ):
            raise ServiceError("InvalidSecurityToken")
        if credential.expires is not None and now >= credential.expires:
            raise ServiceError("SecurityTokenExpired")
        return credential


def _wire(text: str) -> bytes:
    # Header bytes that are no UTF-8 arrive as surrogates; this gives the same bytes back.
    return text.encode("utf-8", "surrogateescape")


def _header_lines(headers: Mapping[str, str], names: Iterable[str]) -> str:
    return "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(names))


def _v1_resource(target: Target) -> str:
    items = sorted(item for item in target.query if item[0] in _SUBRESOURCES)
    if not items:
        return target.resource
    return (
        target.resource
        + "?"
        + "&".join(f"{name}={value}" if value else name for name, value in items)
    )


def _canonical_query(query: Iterable[tuple[str, str]]) -> str:
    pairs = [(quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query]
    pairs.sort(key=lambda pair: pair[0])
    return "&".join(f"{name}={value}" if value else name for name, value in pairs)


def _scope_parts(scope: str, credential_text: str) -> tuple[str, str, str]:
    parts = scope.split("/")
    if len(parts) != 4 or parts[3] != _V4_TERMINATOR:
        raise _invalid_scope("form", credential_text)
    day, region, product, _ = parts
    if product not in ("oss", "oss-cloudbox"):
        raise _invalid_scope("product", credential_text)
    return day, region, product


def _unix_time(text: str) -> float | None:
    """Returns the Unix time of an HTTP date or of an ISO 8601 stamp, None for anything else."""
    parsed = parsedate_tz(text) if text[-3:] == "GMT" else None
    if parsed is None:
        return _unix_time_of_stamp(text)
    return float(calendar.timegm((*parsed[:6], 0, 0, 0)))


def _unix_time_of_stamp(text: str) -> float | None:
    try:
        return float(calendar.timegm(time.strptime(text, "%Y%m%dT%H%M%SZ")))
    except ValueError:
        return None


def _check_skew(signed_at: float, now: float, text: str) -> None:
    if abs(now - signed_at) > MAX_SKEW_SECONDS:
        raise ServiceError(
            "RequestTimeTooSkewed",
            details=[
                ("MaxAllowedSkewMilliseconds", str(MAX_SKEW_SECONDS * 1000)),
                ("RequestTime", text),
                ("ServerTime", time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now))),
            ],
        )


def _malformed(authorization: str) -> ServiceError:
    return ServiceError(
        "InvalidArgument",
        "Authorization header is invalid.",
        ec="0002-00000062",
        details=[("ArgumentName", "Authorization"), ("ArgumentValue", authorization)],
    )


def _invalid_scope(part: str, credential_text: str) -> ServiceError:
    return ServiceError(
        "InvalidArgument",
        f"Invalid signing {part} in the Credential of the signature.",
        ec="0002-00000205",
        details=[("ArgumentName", "Credential"), ("ArgumentValue", credential_text)],
    )


def _mismatch(claim: _Claim, text: str, canonical: str, ec: str) -> ServiceError:
    details = [
        ("OSSAccessKeyId", claim.access_key_id),
        ("SignatureProvided", claim.signature),
        ("StringToSign", text),
        ("StringToSignBytes", _wire(text).hex(" ").upper()),
    ]
    if canonical:
        details.append(("CanonicalRequest", canonical))
    return ServiceError("SignatureDoesNotMatch", ec=ec, details=details)
