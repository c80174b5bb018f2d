"""Answers requests as the service does: who may ask, what is asked for, what is the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate

from ossmodelconnector.local import _listing
from ossmodelconnector.local._conditions import is_not_modified
from ossmodelconnector.local._errors import ServiceError
from ossmodelconnector.local._ranges import select_range
from ossmodelconnector.local._signature import SignatureVerifier, SignedRequest
from ossmodelconnector.local._store import OpenObject, Store
from ossmodelconnector.local._target import Target

# A large file whose CRC-64 is not known yet delays its first byte by no more than this; then the
# reply goes without, as those for some old objects of the service do.
_CHECKSUM_WAIT_SECONDS = 1.0

_ARCHIVED = frozenset({"Archive", "ColdArchive", "DeepColdArchive"})
_OBJECT_PARAMETERS = frozenset({"acl", "tagging", "symlink", "uploadId", "x-oss-process"})
_RESPONSE_OVERRIDES = {
    "response-content-type": "Content-Type",
    "response-content-language": "Content-Language",
    "response-expires": "Expires",
    "response-cache-control": "Cache-Control",
    "response-content-disposition": "Content-Disposition",
    "response-content-encoding": "Content-Encoding",
}


@dataclass
class Answer:
    """What to send.

    Attributes:
        status: HTTP status.
        headers: those of the operation; Content-Length follows from the body.
        body: the body, unless `content` is there.
        content: an object to send from and to close then; None if there is none.
        begin: offset of the first byte to send from `content`.
        end: offset behind the last.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    content: OpenObject | None = None
    begin: int = 0
    end: int = 0


class Service:
    """The operations. `deny` and `allow` are for any thread, the rest for the server's loop.

    Args:
        store: what there is.
        verifier: who is known.
        anonymous: whether requests without a signature may read.
        region: the region that the buckets are said to be in.
    """

    def __init__(
        self, store: Store, verifier: SignatureVerifier, *, anonymous: bool, region: str
    ) -> None:
        self._store = store
        self._verifier = verifier
        self._anonymous = anonymous
        self._region = region
        self._denied: set[tuple[str, str | None]] = set()

    def deny(self, bucket: str, key: str | None) -> None:
        """Refuses requests for an object, or with None for everything in a bucket."""
        self._denied.add((bucket, key))

    def allow(self, bucket: str, key: str | None) -> None:
        """Takes back the `deny` of the same arguments."""
        self._denied.discard((bucket, key))

    async def answer(self, method: str, target: Target, headers: Mapping[str, str]) -> Answer:
        """Returns the answer to a request.

        Args:
            method: HTTP method.
            target: what it is about.
            headers: lower-case name to value.

        Raises:
            ServiceError: the answer is an error.
        """
        self._authorize(method, target, headers)
        if method not in ("GET", "HEAD"):
            kind = "OBJECT" if target.key else "BUCKET" if target.bucket else "SERVICE"
            raise ServiceError(
                "MethodNotAllowed", details=[("Method", method), ("ResourceType", kind)]
            )
        if not target.bucket:
            body = _listing.list_buckets(self._store.buckets(), target.parameters, self._region)
            return _xml(body)
        if not target.key:
            return await self._answer_for_bucket(method, target)
        return await self._answer_for_object(method, target, headers)

    def _authorize(self, method: str, target: Target, headers: Mapping[str, str]) -> None:
        signer = self._verifier.verify(SignedRequest(method, target, headers), time.time())
        if signer is None:
            if any(name in _RESPONSE_OVERRIDES for name in target.parameters):
                raise ServiceError("InvalidRequest")
            if not self._anonymous or not target.bucket:
                self._require_bucket(target.bucket)
                raise ServiceError("AccessDenied")
        if (target.bucket, None) in self._denied or (
            target.key and (target.bucket, target.key) in self._denied
        ):
            self._require_bucket(target.bucket)
            raise ServiceError("AccessDenied")

    def _require_bucket(self, bucket: str) -> None:
        if bucket and not self._store.has_bucket(bucket):
            raise ServiceError("NoSuchBucket", details=[("BucketName", bucket)])

    async def _answer_for_bucket(self, method: str, target: Target) -> Answer:
        bucket, parameters = target.bucket, target.parameters
        self._require_bucket(bucket)
        if method == "HEAD":
            raise ServiceError(
                "MethodNotAllowed", details=[("Method", method), ("ResourceType", "BUCKET")]
            )
        if "location" in parameters:
            return _xml(_listing.bucket_location(self._region))
        if "bucketInfo" in parameters:
            created = dict(self._store.buckets()).get(bucket, 0.0)
            return _xml(_listing.bucket_info(bucket, created, self._region))
        if "acl" in parameters:
            return _xml(_listing.bucket_acl(public=self._anonymous))
        request = _listing.ListRequest.parse(parameters)
        # Off the loop: a page reads folders, and takes some milliseconds anyway.
        body = await asyncio.get_running_loop().run_in_executor(
            None,
            _listing.list_objects,
            bucket,
            request,
            lambda prefix, start: self._store.list_objects(bucket, prefix, start),
        )
        return _xml(body)

    async def _answer_for_object(
        self, method: str, target: Target, headers: Mapping[str, str]
    ) -> Answer:
        parameters = target.parameters
        for name in _OBJECT_PARAMETERS.intersection(parameters):
            raise ServiceError("NotImplemented", details=[("ArgumentName", name)])
        content = self._store.open(target.bucket, target.key, parameters.get("versionId"))
        try:
            answer = await self._answer_with(content, method, target, headers)
        except BaseException:
            content.close()
            raise
        if answer.content is None:
            content.close()
        return answer

    async def _answer_with(
        self, content: OpenObject, method: str, target: Target, headers: Mapping[str, str]
    ) -> Answer:
        version = content.version
        reply = {
            "ETag": f'"{version.etag}"',
            "Last-Modified": formatdate(version.last_modified, usegmt=True),
        }
        if content.version_id is not None:
            reply["x-oss-version-id"] = content.version_id
        if is_not_modified(headers, version.etag, version.last_modified):
            return Answer(304, reply)
        if method == "HEAD" and "objectMeta" in target.parameters:
            return Answer(200, reply, content=content, end=version.size)
        reply["Accept-Ranges"] = "bytes"
        reply["Content-Type"] = version.content_type
        reply["x-oss-object-type"] = version.object_type
        reply["x-oss-storage-class"] = version.storage_class
        for name, header in _RESPONSE_OVERRIDES.items():
            if name in target.parameters:
                reply[header] = target.parameters[name]
        checksum = await _checksum(content)
        if checksum is not None:
            reply["x-oss-hash-crc64ecma"] = str(checksum)
        if method == "HEAD":
            return Answer(200, reply, content=content, end=version.size)
        if version.storage_class in _ARCHIVED:
            raise ServiceError("InvalidObjectState", details=[("ObjectName", target.key)])
        standard = headers.get("x-oss-range-behavior", "").strip() == "standard"
        chosen = select_range(headers.get("range"), version.size, standard=standard)
        if chosen is None:
            return Answer(200, reply, content=content, end=version.size)
        begin, end = chosen
        reply["Content-Range"] = f"bytes {begin}-{end - 1}/{version.size}"
        return Answer(206, reply, content=content, begin=begin, end=end)


def _xml(body: bytes) -> Answer:
    return Answer(200, {"Content-Type": "application/xml"}, body)


async def _checksum(content: OpenObject) -> int | None:
    if content.checksum.done():
        return content.checksum.result()
    try:
        # Shielded: the computation goes on for the next request.
        return await asyncio.wait_for(
            asyncio.shield(asyncio.wrap_future(content.checksum)), _CHECKSUM_WAIT_SECONDS
        )
    except asyncio.TimeoutError:
        return None
