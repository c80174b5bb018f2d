"""Signatures that two SDKs made are accepted, and nothing else is."""

from __future__ import annotations

import json
from email.utils import formatdate
from pathlib import Path

import pytest
from ossmodelconnector.local._errors import ServiceError
from ossmodelconnector.local._signature import (
    Credential,
    SignatureVerifier,
    SignedRequest,
)
from ossmodelconnector.local._target import Addressing, Target, parse_target

VECTORS = Path(__file__).parents[2] / "data" / "sign-vectors.json"
ADDRESSING = Addressing((), {})


def recorded():
    """Yields (name, vector, what one SDK sent) for all that is signed and that OSS accepts."""
    for vector in json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]:
        given = vector["input"]
        # The SDKs differ in some details; those of the first are what the service documents.
        sdks = ("oss2", "alibabacloud_oss_v2") if vector["agree"]["signature"] else ("oss2",)
        for sdk in sdks:
            sent = vector["expected"][sdk]
            if given["credentials"] is not None and "error" not in sent:
                yield f"{vector['id']}-{sdk}", given, sent


RECORDED = list(recorded())


def request_of(given, sent):
    target = Target(given["bucket"] or "", given["key"] or "", ())
    query = parse_target("/?" + sent["url"].partition("?")[2], "", ADDRESSING).query
    headers = {name.lower(): value for name, value in sent.get("headers", {}).items()}
    return SignedRequest(given["method"], Target(target.bucket, target.key, query), headers)


def verifier_of(given, **changes):
    credentials = given["credentials"]
    known = {
        "access_key_id": credentials["access_key_id"],
        "access_key_secret": credentials["access_key_secret"],
        "token": credentials.get("security_token") or None,
        **changes,
    }
    return SignatureVerifier([Credential(**known)], "any", "")


@pytest.mark.parametrize(
    ("given", "sent"), [item[1:] for item in RECORDED], ids=[item[0] for item in RECORDED]
)
def test_recorded_signatures_verify_and_wrong_ones_do_not(given, sent):
    request = request_of(given, sent)
    now = float(given["date"]["unix"])
    assert verifier_of(given).verify(request, now) is not None
    with pytest.raises(ServiceError) as caught:
        verifier_of(given, access_key_secret="other").verify(request, now)
    assert caught.value.code == "SignatureDoesNotMatch"
    assert dict(caught.value.details)["StringToSign"] == sent["string_to_sign"]
    moved = request._replace(target=Target("bucket-x", request.target.key, request.target.query))
    with pytest.raises(ServiceError, match="SignatureDoesNotMatch"):
        verifier_of(given).verify(moved, now)


def one_of(version, kind="raw"):
    return next(
        (given, sent)
        for _, given, sent in RECORDED
        if given["signature_version"] == version
        and given["kind"] == kind
        and given["region"]
        and not given["credentials"].get("security_token")
    )


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_a_clock_more_than_fifteen_minutes_off_is_refused(version):
    given, sent = one_of(version)
    request, signed_at = request_of(given, sent), float(given["date"]["unix"])
    for offset in (-899, 899):
        assert verifier_of(given).verify(request, signed_at + offset)
    for offset in (-901, 901):
        with pytest.raises(ServiceError) as caught:
            verifier_of(given).verify(request, signed_at + offset)
        assert caught.value.code == "RequestTimeTooSkewed"
        assert "ServerTime" in dict(caught.value.details)


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_a_presigned_url_ends(version):
    given, sent = one_of(version, "presign")
    request, signed_at = request_of(given, sent), float(given["date"]["unix"])
    assert verifier_of(given).verify(request, signed_at + given["expires"] - 1)
    with pytest.raises(ServiceError, match="expired"):
        verifier_of(given).verify(request, signed_at + given["expires"] + 1)


def test_v4_names_the_server_s_region():
    given, sent = one_of("v4")
    ident, secret = given["credentials"]["access_key_id"], given["credentials"]["access_key_secret"]
    now = float(given["date"]["unix"])
    request = request_of(given, sent)
    here = SignatureVerifier([Credential(ident, secret)], "any", given["region"])
    assert here.verify(request, now)
    elsewhere = SignatureVerifier([Credential(ident, secret)], "any", "xx-elsewhere")
    with pytest.raises(ServiceError, match="region"):
        elsewhere.verify(request, now)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"authorization": "OSS nocolon"}, "InvalidArgument"),
        ({"authorization": "Basic abc"}, "InvalidArgument"),
        ({"authorization": "OSS id:sig"}, "AccessDenied"),
        ({"authorization": "OSS id:sig", "date": "yesterday"}, "AccessDenied"),
        ({"authorization": "OSS4-HMAC-SHA256 Credential=id"}, "InvalidArgument"),
        (
            {
                "authorization": "OSS4-HMAC-SHA256 Credential=id/x,Signature=0",
                "x-oss-content-sha256": "0" * 64,
            },
            "InvalidArgument",
        ),
        (
            {
                "authorization": "OSS4-HMAC-SHA256 Credential=id/x,Signature=0",
                "x-oss-content-sha256": "UNSIGNED-PAYLOAD",
            },
            "AccessDenied",
        ),
        (
            {
                "authorization": "OSS4-HMAC-SHA256 Credential=id/x,AdditionalHeaders=,Signature=0",
                "x-oss-content-sha256": "UNSIGNED-PAYLOAD",
            },
            "InvalidArgument",
        ),
    ],
)
def test_malformed_authorizations(headers, code):
    verifier = SignatureVerifier([Credential("id", "secret")], "any", "")
    with pytest.raises(ServiceError) as caught:
        verifier.verify(SignedRequest("GET", Target("b", "k", ()), headers), 0.0)
    assert caught.value.code == code


def test_a_long_term_key_with_a_token_is_unknown():
    verifier = SignatureVerifier([Credential("id", "secret")], "any", "")
    headers = {
        "authorization": "OSS id:sig",
        "date": formatdate(0, usegmt=True),
        "x-oss-security-token": "token",
    }
    with pytest.raises(ServiceError, match="InvalidAccessKeyId"):
        verifier.verify(SignedRequest("GET", Target("b", "k", ()), headers), 0.0)


def test_a_credential_hides_its_secrets():
    assert repr(Credential("id", "s3cret", token="t0ken")) == (
        "Credential(access_key_id='id', expires=None)"
    )
