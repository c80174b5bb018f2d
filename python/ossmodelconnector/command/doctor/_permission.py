"""Whether the keys may list and read under the URI."""

from __future__ import annotations

import shlex

from ossmodelconnector._errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ObjectArchivedError,
    ObjectNotFoundError,
    OssError,
)
from ossmodelconnector._objects import ObjectInfo
from ossmodelconnector.command._exits import Exit
from ossmodelconnector.command._output import bytes_text
from ossmodelconnector.command.doctor._check import (
    Finding,
    failed,
    ok,
    said_by_store,
    skipped,
    warning,
)
from ossmodelconnector.command.doctor._context import Context

__all__ = ["check_permission"]

_ASKED_AT_MOST = 3


def check_permission(context: Context) -> Finding:
    """Lists under the URI, and reads a byte of the largest objects there."""
    options = context.options
    if not options.bucket:
        return skipped("no bucket was named", "ossmc doctor oss://BUCKET/PREFIX")
    assert context.connector is not None
    uri = shlex.quote(options.uri)
    refusal = context.refusal
    if isinstance(refusal, BucketNotFoundError):
        way = "check the bucket's name, and the region of the endpoint"
        return failed(said_by_store(refusal), way, Exit.NOT_FOUND, code=refusal.code)
    found = context.page
    if isinstance(refusal, AccessDeniedError):
        if not options.key:
            return _denied(
                "oss:ListObjects", f"bucket {options.bucket}", refusal, f"ossmc ls {uri}"
            )
        found = _single(context)
        if not found:
            what = f"bucket {options.bucket}"
            return _denied("oss:ListObjects", what, refusal, f"ossmc ls {uri}")
    elif refusal is not None:
        return failed(said_by_store(refusal), f"ossmc ls {uri} -vv", Exit.NETWORK)
    with_bytes = sorted((info for info in found if info.size), key=lambda info: -info.size)
    if not with_bytes:
        return warning(
            f"it may list, and there is nothing to read under {options.uri}",
            f"name a prefix with objects: ossmc ls oss://{options.bucket}/",
        )
    return _read_some(context, with_bytes)


def _single(context: Context) -> list[ObjectInfo]:
    """The object of that name: who may not list may yet read."""
    assert context.connector is not None
    try:
        return [context.connector.stat(context.options.uri)]
    except (OssError, ValueError):
        return []


def _read_some(context: Context, infos: list[ObjectInfo]) -> Finding:
    assert context.connector is not None
    archived = []
    for info in infos[:_ASKED_AT_MOST]:
        try:
            with context.connector.open(info, prefetch=False) as reader:
                reader.read(1)
        except ObjectArchivedError:
            archived.append(info)
        except ObjectNotFoundError:
            continue  # deleted meanwhile
        except AccessDeniedError as error:
            step = f"ossmc cat {shlex.quote(info.uri)} --range 0-0"
            return _denied("oss:GetObject", info.uri, error, step)
        except OssError as error:
            return failed(said_by_store(error), f"ossmc stat {shlex.quote(info.uri)}", Exit.NETWORK)
        else:
            context.objects.append(info)
    total = sum(info.size for info in infos)
    told = f"{len(infos)} objects, {bytes_text(total)}"
    if archived:
        return warning(
            f"of {told} there are archived ones, which cannot be read: {archived[0].uri}",
            "restore them first, at the console or by ossutil restore, and wait until that is done",
        )
    what = "listed and read" if context.refusal is None else "read, but not listed,"
    return ok(f"{told} can be {what} under {context.options.uri}", objects=len(infos), bytes=total)


def _denied(action: str, thing: str, error: OssError, step: str) -> Finding:
    extra = "; the object is encrypted by KMS: kms:Decrypt on its key too" if _is_kms(error) else ""
    return failed(
        f"these keys lack the permission {action} on {thing}: {said_by_store(error)}",
        f"have a RAM policy or the bucket's policy allow {action} there{extra}; then: {step}",
        Exit.NO_PERMISSION,
        code=error.code,
        ec=error.ec,
        request_id=error.request_id,
    )


def _is_kms(error: OssError) -> bool:
    return "kms" in f"{error.code} {error}".lower()
