"""Keys, the region that they sign for, and what the store says of the signature."""

from __future__ import annotations

import re
import secrets
import time

from ossmodelconnector._credentials_chain import DefaultChain
from ossmodelconnector._credentials_files import CredentialsFileProvider
from ossmodelconnector._errors import (
    AccessDeniedError,
    BucketNotFoundError,
    CredentialsError,
    ObjectNotFoundError,
    OssError,
)
from ossmodelconnector._keys import Keys
from ossmodelconnector.command._exits import Exit
from ossmodelconnector.command.doctor._check import (
    Finding,
    failed,
    ok,
    said_by_store,
    skipped,
    warning,
)
from ossmodelconnector.command.doctor._context import Context
from ossmodelconnector.command.doctor._service import SET_CLOCK, skew_text
from ossmodelconnector.command.doctor._wire import seconds_text

__all__ = ["Given", "check_credentials", "check_region", "check_signature"]

_GIVE_KEYS = "set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET, or: ossmc doctor --credentials FILE"
_SOON_SECONDS = 15 * 60.0


class Given:
    """The keys that were found, for the doctor's own connectors."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def get_credentials(self) -> Keys:
        """Gives them."""
        return self._keys


def check_credentials(context: Context) -> Finding:
    """Looks where `from_env` looks, or in the file that was given."""
    options = context.options
    try:
        if options.credentials:
            place = f"the file {options.credentials}"
            keys = CredentialsFileProvider(options.credentials).get_credentials()
        else:
            chain = DefaultChain()
            keys = chain.get_credentials()
            place = chain.place
    except CredentialsError as error:
        return failed(str(error), _GIVE_KEYS, Exit.NO_PERMISSION)
    context.keys = keys
    context.secrets.update(filter(None, (keys.access_key_secret, keys.security_token)))
    facts = {"source": place, "expiration": keys.expiration, "is_temporary": False}
    if not keys.access_key_id:
        return ok(f"anonymous, by {place}: requests are not signed", **facts)
    facts["is_temporary"] = bool(keys.security_token)
    kind = "temporary keys" if keys.security_token else "an access key"
    told = f"{kind}, {keys.access_key_id[:4]}..., from {place}"
    if keys.access_key_id.startswith("STS.") and not keys.security_token:
        return failed(
            f"{told}: keys that begin with STS. need their token, and there is none",
            "export OSS_SESSION_TOKEN=..., the token that came with them",
            Exit.NO_PERMISSION,
            **facts,
        )
    if keys.expiration is None:
        return ok(told + ("; when they end is not told" if keys.security_token else ""), **facts)
    left = keys.expiration - _time_of_store(context)
    if left <= 0:
        return failed(
            f"{told}; they ended {_span(-left)} ago",
            f"get new temporary keys, and put them where these were: {place}",
            Exit.NO_PERMISSION,
            **facts,
        )
    if left < _SOON_SECONDS:
        way = f"whoever renews them must do so before they end: {place}"
        return warning(f"{told}; they end in {_span(left)}", way, **facts)
    return ok(f"{told}; they end in {_span(left)}", **facts)


def check_region(context: Context) -> Finding:
    """Which region signatures are for, and whether the bucket lies in it."""
    options = context.options
    assert context.keys is not None
    given = f" of --region or OSS_REGION ({options.region})" if options.region else ""
    try:
        context.connector, notes = context.make_connector(
            Given(context.keys), region=options.region
        )
    except ValueError as error:
        way = f"correct or leave out the region{given}, or give one: --region cn-hangzhou"
        return failed(str(error), way, Exit.WRONG_USE)
    core = context.connector._core
    region, signature = core.region, core.signature
    context.refusal = _ask_for_keys(context)
    refusal = context.refusal
    facts = {"region": region, "signature": signature}
    if refusal is not None and "check region=" in str(refusal):
        return failed(
            f"the store does not take region {region} in the signature: {refusal.code}",
            "give the region that the bucket lies in: --region REGION, or OSS_REGION; where the "
            "endpoint's host names it, leave both out",
            Exit.NO_PERMISSION,
            **facts,
        )
    if refusal is not None and "lives at another endpoint" in str(refusal):
        found = re.search(r"use endpoint ([\w.:-]+)", str(refusal))
        host = found.group(1) if found else "ENDPOINT"
        return failed(
            f"bucket {options.bucket} lies in another region than the endpoint: at {host}",
            f"--endpoint https://{host}, without --region",
            Exit.NO_PERMISSION,
            **facts,
        )
    if notes:
        way = "--region cn-hangzhou, or export OSS_REGION=cn-hangzhou: the region of the bucket"
        return warning("; ".join(notes), way, **facts)
    if not context.keys.access_key_id:
        return skipped("anonymous requests name no region")
    source = "as given" if options.region else "read off the endpoint's host"
    return ok(f"{region}, {source}; signature {signature}", **facts)


def check_signature(context: Context) -> Finding:
    """What the store said to the first request that was signed with these keys."""
    assert context.keys is not None
    assert context.connector is not None
    refusal = context.refusal
    ahead = -context.connector._core.clock_offset_seconds
    if abs(ahead) > 1 or (refusal is not None and refusal.code == "RequestTimeTooSkewed"):
        told = "the store refused the date of a request: this machine's clock is "
        told += f"{skew_text(ahead)} the store's" if abs(ahead) > 1 else "more than 15 minutes off"
        return failed(told, SET_CLOCK, Exit.NO_PERMISSION, ahead_seconds=round(ahead, 1))
    if isinstance(refusal, CredentialsError):
        return failed(
            said_by_store(refusal),
            _after_refusal(refusal.code, bool(context.keys.security_token)),
            Exit.NO_PERMISSION,
            code=refusal.code,
            request_id=refusal.request_id,
        )
    if not context.keys.access_key_id:
        return skipped("anonymous requests have no signature")
    if refusal is not None and not isinstance(refusal, (AccessDeniedError, ObjectNotFoundError)):
        if not context.options.bucket:  # its name may have no address
            return skipped("no bucket was named", "ossmc doctor oss://BUCKET/PREFIX")
        return failed(said_by_store(refusal), _after_trouble(context), Exit.NETWORK)
    if isinstance(refusal, BucketNotFoundError):
        way = "" if context.options.bucket else "ossmc doctor oss://BUCKET/PREFIX shows it"
        return skipped(
            "the store did not object, but a bucket that is not there proves little", way
        )
    return ok(f"the store takes the signature, {context.connector._core.signature}")


def _ask_for_keys(context: Context) -> OssError | None:
    """The first signed request: a page of keys, of a bucket that nobody has where none is named."""
    assert context.connector is not None
    bucket = context.options.bucket or f"ossmc-doctor-{secrets.token_hex(8)}"
    try:
        for info in context.connector.iter_objects(bucket, context.options.key):
            context.page.append(info)
            if len(context.page) >= 1000:
                break
    except OssError as error:
        return error
    return None


def _time_of_store(context: Context) -> float:
    """Keys end by the store's clock, where that is known."""
    reply = context.reply
    if reply is None or reply.date is None:
        return time.time()
    return reply.date + time.time() - reply.ended


def _after_refusal(code: str, is_temporary: bool) -> str:
    if code == "SignatureDoesNotMatch":
        return f"the secret is not that of this access key id: {_GIVE_KEYS}"
    if code == "SecurityTokenExpired":
        return "get new temporary keys, all three: id, secret and OSS_SESSION_TOKEN"
    if code in ("InvalidSecurityToken", "AccessKeyIdAndSecurityTokenNotMatch"):
        return "export OSS_SESSION_TOKEN=..., whole, and of the same keys as id and secret"
    if code == "InvalidAccessKeyId" and is_temporary:
        return f"these temporary keys are not known here: {_GIVE_KEYS}, and OSS_SESSION_TOKEN=..."
    if code == "InvalidAccessKeyId":
        return f"this access key id is not known here, or is switched off: {_GIVE_KEYS}"
    return _GIVE_KEYS


def _after_trouble(context: Context) -> str:
    return f"ossmc ls {context.options.uri} -vv shows each step"


def _span(seconds: float) -> str:
    if seconds < 120:
        return seconds_text(seconds)
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"
