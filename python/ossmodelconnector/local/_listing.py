"""ListObjects, versions 1 and 2, and ListBuckets: parameters in, XML out."""

from __future__ import annotations

import base64
import binascii
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from ossmodelconnector.local._errors import ServiceError, xml_text
from ossmodelconnector.local._store import ListedObject, ObjectVersion

_DEFAULT_MAX_KEYS = 100
_LIMIT_MAX_KEYS = 1000
_LIMIT_PARAMETER_BYTES = 1024
_OWNER_ID = "1234567890123456"
_OWNER = f"<Owner><ID>{_OWNER_ID}</ID><DisplayName>{_OWNER_ID}</DisplayName></Owner>"
# Tokens need no percent-encoding; the minus sign is their padding.
_TOKEN_ALPHABET = b"_."

# list_from(prefix, start) yields the objects in order from `start` on.
ListFrom = Callable[[bytes, bytes], Iterator[ListedObject]]


class _Page(NamedTuple):
    objects: list[ListedObject]
    common_prefixes: list[bytes]
    truncated: bool
    # The last key or common prefix of the page.
    last: bytes


@dataclass(frozen=True)
class ListRequest:
    """The parameters of a list request, checked.

    Attributes:
        version: 1 or 2.
        prefix: what keys have to begin with.
        delimiter: keys that hold it behind the prefix are rolled up, ``""`` for none.
        after: the page begins behind this key or common prefix.
        max_keys: the most keys and common prefixes on the page.
        url_encoded: whether names are percent-encoded in the reply.
        with_owner: whether the reply names the owner of each object.
        echoed: further elements of the reply: (name, value as it was sent).
    """

    version: int
    prefix: str
    delimiter: str
    after: str
    max_keys: int
    url_encoded: bool
    with_owner: bool
    echoed: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> ListRequest:
        """Returns the request that the query `parameters` make.

        Raises:
            ServiceError: InvalidArgument.
        """
        names = ("prefix", "delimiter", "marker", "start-after")
        for name in names:
            if len(parameters.get(name, "").encode()) >= _LIMIT_PARAMETER_BYTES:
                raise _invalid(name, parameters[name])
        encoding = parameters.get("encoding-type", "")
        if encoding not in ("", "url"):
            raise _invalid("encoding-type", encoding)
        version = parameters.get("list-type", "")
        if version not in ("", "2"):
            raise _invalid("list-type", version)
        echoed: tuple[tuple[str, str], ...]
        if version == "2":
            token = parameters.get("continuation-token", "")
            start_after = parameters.get("start-after", "")
            after = _decode_token(token) if token else start_after
            echoed = (("StartAfter", start_after), ("ContinuationToken", token))
        else:
            after = parameters.get("marker", "")
            echoed = (("Marker", after),)
        return cls(
            version=2 if version else 1,
            prefix=parameters.get("prefix", ""),
            delimiter=parameters.get("delimiter", ""),
            after=after,
            max_keys=_max_keys(parameters.get("max-keys", "")),
            url_encoded=encoding == "url",
            with_owner=version == "" or parameters.get("fetch-owner") == "true",
            echoed=echoed,
        )


def list_objects(bucket: str, request: ListRequest, list_from: ListFrom) -> bytes:
    """Returns the XML of one page."""
    page = _page(request, list_from)

    def name(text: str) -> str:
        return quote(text, safe="-_.~") if request.url_encoded else xml_text(text)

    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        # Without a namespace: not every client's parser expects one.
        "<ListBucketResult>",
        f"<Name>{bucket}</Name>",
        f"<Prefix>{name(request.prefix)}</Prefix>",
        *(f"<{element}>{name(value)}</{element}>" for element, value in request.echoed),
        f"<MaxKeys>{request.max_keys}</MaxKeys>",
        f"<Delimiter>{name(request.delimiter)}</Delimiter>",
    ]
    if request.url_encoded:
        lines.append("<EncodingType>url</EncodingType>")
    lines.append(f"<IsTruncated>{str(page.truncated).lower()}</IsTruncated>")
    if page.truncated:
        if request.version == 2:
            token = _encode_token(page.last)
            lines.append(f"<NextContinuationToken>{name(token)}</NextContinuationToken>")
        else:
            lines.append(f"<NextMarker>{name(page.last.decode())}</NextMarker>")
    owner = _OWNER if request.with_owner else ""
    lines += [_contents(name(item.key.decode()), item.version, owner) for item in page.objects]
    lines += [
        f"<CommonPrefixes><Prefix>{name(prefix.decode())}</Prefix></CommonPrefixes>"
        for prefix in page.common_prefixes
    ]
    if request.version == 2:
        count = len(page.objects) + len(page.common_prefixes)
        lines.append(f"<KeyCount>{count}</KeyCount>")
    lines += ["</ListBucketResult>", ""]
    return "\n".join(lines).encode("utf-8")


def list_buckets(
    buckets: Sequence[tuple[str, float]], parameters: Mapping[str, str], region: str
) -> bytes:
    """Returns the XML of one page of ListBuckets; `buckets` are (name, creation time) in order."""
    prefix, marker = parameters.get("prefix", ""), parameters.get("marker", "")
    max_keys = _max_keys(parameters.get("max-keys", ""))
    rows = [row for row in buckets if row[0].startswith(prefix) and row[0] > marker]
    page = rows[:max_keys]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<ListAllMyBucketsResult>",
        f"<Prefix>{xml_text(prefix)}</Prefix><Marker>{xml_text(marker)}</Marker>",
        f"<MaxKeys>{max_keys}</MaxKeys>",
        f"<IsTruncated>{str(len(rows) > len(page)).lower()}</IsTruncated>",
    ]
    if len(rows) > len(page):
        lines.append(f"<NextMarker>{page[-1][0]}</NextMarker>")
    lines += [_OWNER, "<Buckets>"]
    lines += [
        f"<Bucket><Name>{name}</Name>{_bucket_fields(created, region)}</Bucket>"
        for name, created in page
    ]
    lines += ["</Buckets>", "</ListAllMyBucketsResult>", ""]
    return "\n".join(lines).encode("utf-8")


def bucket_info(bucket: str, created: float, region: str) -> bytes:
    """Returns the XML of GetBucketInfo."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<BucketInfo><Bucket><Name>{bucket}</Name>{_bucket_fields(created, region)}{_OWNER}"
        "<AccessControlList><Grant>private</Grant></AccessControlList>"
        "<Versioning>Disabled</Versioning></Bucket></BucketInfo>\n"
    ).encode()


def bucket_location(region: str) -> bytes:
    """Returns the XML of GetBucketLocation."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<LocationConstraint>oss-{region}</LocationConstraint>\n"
    ).encode()


def bucket_acl(*, public: bool) -> bytes:
    """Returns the XML of GetBucketAcl."""
    grant = "public-read" if public else "private"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<AccessControlPolicy>{_OWNER}<AccessControlList><Grant>{grant}</Grant>"
        "</AccessControlList></AccessControlPolicy>\n"
    ).encode()


def _bucket_fields(created: float, region: str) -> str:
    """Returns the elements that ListBuckets and GetBucketInfo have in common."""
    return (
        f"<Location>oss-{region}</Location><Region>{region}</Region>"
        f"<CreationDate>{_timestamp(created)}</CreationDate>"
        f"<ExtranetEndpoint>oss-{region}.aliyuncs.com</ExtranetEndpoint>"
        f"<IntranetEndpoint>oss-{region}-internal.aliyuncs.com</IntranetEndpoint>"
        "<StorageClass>Standard</StorageClass>"
    )


def _page(request: ListRequest, list_from: ListFrom) -> _Page:
    prefix, delimiter = request.prefix.encode(), request.delimiter.encode()
    after = request.after.encode()
    objects: list[ListedObject] = []
    common_prefixes: list[bytes] = []
    # The least key behind `after`: no key lies between a name and that name with a zero byte.
    start, last = after + b"\0" if after else b"", b""
    while True:
        for item in list_from(prefix, start):
            end = item.key.find(delimiter, len(prefix)) if delimiter else -1
            rolled_up = item.key[: end + len(delimiter)] if end >= 0 else b""
            # A page that ended with a common prefix is followed by what lies behind all of it.
            if not rolled_up or rolled_up != after:
                if len(objects) + len(common_prefixes) == request.max_keys:
                    return _Page(objects, common_prefixes, True, last)
                if rolled_up:
                    common_prefixes.append(rolled_up)
                    last = rolled_up
                else:
                    objects.append(item)
                    last = item.key
            if rolled_up:
                # 0xFF occurs in no UTF-8 text: this lies behind all keys that begin so.
                start = rolled_up + b"\xff"
                break
        else:
            return _Page(objects, common_prefixes, False, last)


def _contents(name: str, version: ObjectVersion, owner: str) -> str:
    return (
        f"<Contents><Key>{name}</Key><LastModified>{_timestamp(version.last_modified)}"
        f'</LastModified><ETag>"{xml_text(version.etag)}"</ETag><Type>{version.object_type}</Type>'
        f"<Size>{version.size}</Size><StorageClass>{version.storage_class}</StorageClass>"
        f"{owner}</Contents>"
    )


@functools.lru_cache(maxsize=4096)
def _timestamp(unix_seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(unix_seconds))


def _max_keys(text: str) -> int:
    if not text:
        return _DEFAULT_MAX_KEYS
    if not text.isdecimal() or not 1 <= int(text) <= _LIMIT_MAX_KEYS:
        raise _invalid("max-keys", text)
    return int(text)


def _encode_token(last: bytes) -> str:
    return base64.b64encode(b"\x0a" + last, _TOKEN_ALPHABET).decode("ascii").replace("=", "-")


def _decode_token(token: str) -> str:
    stripped = token.rstrip("-")
    padded = stripped + "=" * (len(token) - len(stripped))
    try:
        last = base64.b64decode(padded.encode("ascii"), _TOKEN_ALPHABET)
        if last[:1] != b"\x0a":
            raise _invalid("continuation-token", token)
        return last[1:].decode("utf-8")
    except (binascii.Error, UnicodeError):
        raise _invalid("continuation-token", token) from None


def _invalid(name: str, value: str) -> ServiceError:
    return ServiceError(
        "InvalidArgument",
        f"The {name} that you specified is not valid.",
        details=[("ArgumentName", name), ("ArgumentValue", value)],
    )
