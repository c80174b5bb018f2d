"""The forms in which stores, gateways and proxies reply, and the one right outcome of each call.

FORMS is the table: each form says what it changes of a good store's replies, and what comes of it.
tests/python/test_reply_forms.py does each call against each of them; docs/reliability.md has the
table, written by

    PYTHONPATH=tests .venv/bin/python -m support.reply_forms
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

KiB = 1 << 10
CHUNK = 64 * KiB  # of the connectors of the test
CHANGED_AT = 3 * CHUNK  # requests for bytes from here on get what `later` says
LARGE = random.Random(22).randbytes(5 * CHUNK + 7)
SMALL = LARGE[:1000]
EXACT = LARGE[:CHUNK]  # as long as what the first request asks for

OPERATIONS = ("open", "read", "readinto", "stat", "list", "fast list")
RIGHT = "right"
CHANGED = "ObjectChangedError"
PROTOCOL = "ProtocolError"
Headers = Mapping[str, Optional[str]]


@dataclass(frozen=True)
class Reply:
    """What is changed of a reply; None removes a header.

    `framing`: how its end is told: by "length", "chunked", or the connection's end, "close".
    `body`: the "part" that was asked for, the "whole" object, or "none". `only_these`: no other
    header but Content-Length.
    """

    headers: Headers = field(default_factory=dict)
    status: int = 0
    framing: str = "length"
    body: str = "part"
    only_these: bool = False
    delay: float = 0.0


@dataclass(frozen=True)
class Page:
    """What is particular about pages of a listing.

    `pages`: the keys of each, as they stand in the XML. `more`: how a page says that others follow:
    "token", "marker", "last key" or "size" (of the page, without IsTruncated); "loop": the same
    page once more. `true`, `false`: how IsTruncated says so; "" leaves it out.
    """

    pages: Sequence[Sequence[str]] = (("a", "b"), ("c",))
    keys: Sequence[str] = ("a", "b", "c")  # the right ones, in the right order
    more: str = "token"
    true: str = "true"
    false: str = "false"
    encoding: str = ""
    modified: str = "2024-03-01T10:00:00.000Z"
    before: str = "<?xml version='1.0' encoding='UTF-8'?>"


def gives(what: str = RIGHT, *, only: str = "") -> dict[str, str]:
    """That outcome of all calls, or of those named, the others being right."""
    names = only.split(", ") if only else OPERATIONS[:4]
    return dict.fromkeys(names, what)


READS = "read, readinto"
LISTS = "list, fast list"


@dataclass(frozen=True)
class Form:
    """One row: a name, the changes, and what is not simply right.

    `right` are outcomes by call. `verified` is what a whole read was checked by.
    """

    name: str
    get: Reply = Reply()
    head: Reply = Reply()
    later: Reply | None = None
    page: Reply = Reply()
    listing: Page = Page()
    data: bytes = LARGE
    right: Mapping[str, str] = field(default_factory=dict)
    verified: str = "length+etag"


def everywhere(headers: Headers, **fields: object) -> dict[str, Reply]:
    # mypy does not know which of Reply's fields they are.
    return {"get": Reply(headers, **fields), "head": Reply(headers)}  # type: ignore[arg-type]


MANY = tuple(f"{number:04}" for number in range(1500))
NO_TAG: Headers = {"ETag": None}
NAKED: Headers = {"ETag": None, "Last-Modified": None}
EVENING = "Fri, 01 Mar 2024 20:00:00 GMT"
MODIFIED = "length+modified"


GOOD = Reply()


def empty(name: str, reply: Reply, head: Reply = GOOD, verified: str = MODIFIED) -> Form:
    return Form(f"empty object: {name}", get=reply, head=head, data=b"", verified=verified)


FORMS: Sequence[Form] = (
    Form("all of it as OSS sends it"),
    # --- what tells the version
    Form("no ETag", **everywhere(NO_TAG), verified=MODIFIED),
    Form("an empty ETag", **everywhere({"ETag": '""'}), verified=MODIFIED),
    Form("a weak ETag", **everywhere({"ETag": 'W/"E1"'}), verified=MODIFIED),
    Form("an ETag without quotes", **everywhere({"ETag": "E1"})),
    Form("an ETag that is not UTF-8", **everywhere({"ETag": '"caf\xe9"'})),
    Form("neither ETag nor Last-Modified", **everywhere(NAKED), verified=MODIFIED),
    Form("an ETag in some replies alone", later=Reply(NO_TAG), verified=MODIFIED),
    Form("a weak ETag in some replies", later=Reply({"ETag": 'W/"E1"'}), verified=MODIFIED),
    Form("a request id that is not UTF-8", **everywhere({"x-oss-request-id": "\xff\xfe"})),
    Form(
        "overwritten: another ETag",
        later=Reply({"ETag": '"E2"'}),
        right=gives(CHANGED, only=READS),
    ),
    Form(
        "overwritten: another weak ETag",
        **everywhere({"ETag": 'W/"E1"'}),
        later=Reply({"ETag": 'W/"E2"'}),
        right=gives(CHANGED, only=READS),
    ),
    Form(
        "overwritten: no ETag, another Last-Modified",
        **everywhere(NO_TAG),
        later=Reply({"ETag": None, "Last-Modified": EVENING}),
        right=gives(CHANGED, only=READS),
    ),
    Form(
        "overwritten: the ETag gone, another Last-Modified",
        later=Reply({"ETag": None, "Last-Modified": EVENING}),
        right=gives(CHANGED, only=READS),
    ),
    Form(
        "overwritten: no ETag, another x-oss-hash-crc64ecma",
        **everywhere({**NAKED, "x-oss-hash-crc64ecma": "1"}),
        later=Reply({**NAKED, "x-oss-hash-crc64ecma": "2"}),
        right=gives(CHANGED, only=READS),
    ),
    Form(
        "overwritten: no ETag, another x-oss-version-id",
        **everywhere({**NAKED, "x-oss-version-id": "v1"}),
        later=Reply({**NAKED, "x-oss-version-id": "v2"}),
        right=gives(CHANGED, only=READS),
    ),
    Form(
        "nothing of the ETag that was there before",
        later=Reply(NAKED),
        right=gives(CHANGED, only=READS),
    ),
    Form(
        "overwritten: another total, the same ETag",
        later=Reply({"Content-Range": "bytes {begin}-{last}/999999999"}),
        right=gives(CHANGED, only=READS),
    ),
    Form(
        "overwritten: 412",
        later=Reply(status=412, body="none"),
        right=gives(CHANGED, only=READS),
    ),
    Form(
        "overwritten by a shorter one: 416",
        later=Reply({"Content-Range": "bytes */10"}, status=416, body="none"),
        right=gives(CHANGED, only=READS),
    ),
    # --- how long the reply and the object are
    Form("206 in chunked encoding", get=Reply(framing="chunked")),
    Form("206 without a length, ended by the connection's end", get=Reply(framing="close")),
    Form('a total of "*"', get=Reply({"Content-Range": "bytes {begin}-{last}/*"})),
    Form(
        'a total of "*", and HEAD without a length',
        get=Reply({"Content-Range": "bytes {begin}-{last}/*"}),
        head=Reply({"Content-Length": None}),
        right=gives(PROTOCOL),
    ),
    Form("HEAD without a length", head=Reply({"Content-Length": None})),
    Form("HEAD in chunked encoding", head=Reply({"Content-Length": None}, framing="chunked")),
    Form("HEAD with a length of 0", head=Reply({"Content-Length": "0"})),
    Form("HEAD answered by 204", head=Reply(status=204)),
    Form("Content-Range in capitals", get=Reply({"Content-Range": "BYTES {begin}-{last}/{total}"})),
    Form(
        "no Content-Range",
        get=Reply({"Content-Range": None}),
        right=gives(PROTOCOL, only="open, read, readinto"),
    ),
    Form(
        "a Content-Range of other bytes",
        get=Reply({"Content-Range": "bytes 1-65536/{total}"}),
        right=gives(PROTOCOL, only="open, read, readinto"),
    ),
    # --- 200 to a range
    Form(
        "200 with the whole small object",
        get=Reply({"Content-Range": None}, 200, body="whole"),
        data=SMALL,
    ),
    Form(
        "200 with all of it, as long as the range",
        get=Reply({"Content-Range": None}, 200, body="whole"),
        data=EXACT,
    ),
    Form(
        "200 with a large object",
        get=Reply({"Content-Range": None}, 200, body="whole"),
        right=gives(PROTOCOL, only="open, read, readinto"),
    ),
    Form("200 with a Content-Range and the part", get=Reply(status=200)),
    Form(
        "200 with a Content-Range and another part",
        get=Reply({"Content-Range": "bytes 1-{last}/{total}"}, 200),
        right=gives(PROTOCOL, only="open, read, readinto"),
    ),
    Form(
        "200 with a Content-Range and more than the part",
        get=Reply(status=200, body="whole"),
        right=gives(PROTOCOL, only="open, read, readinto"),
    ),
    Form(
        "200 that tells nothing of an object",
        get=Reply(status=200, body="whole", only_these=True),
        head=Reply(only_these=True),
        data=SMALL,
        right=gives(PROTOCOL),
    ),
    Form(
        "HEAD that tells nothing of an object",
        head=Reply(only_these=True),
    ),
    Form("200 with a Content-Range of all", get=Reply(status=200), data=SMALL),
    Form(
        "200 with a part, and not a word of it",
        get=Reply({"Content-Range": None}, 200),
        right=gives(PROTOCOL, only=READS),
    ),
    Form(
        "200 with a part, and x-oss-next-append-position",
        get=Reply({"Content-Range": None, "x-oss-next-append-position": "{total}"}, 200),
        right=gives(PROTOCOL, only="open, read, readinto"),
    ),
    Form(
        "200 with multipart/byteranges",
        get=Reply({"Content-Range": None, "Content-Type": "multipart/byteranges; boundary=b"}, 200),
        data=SMALL,
        right=gives(PROTOCOL, only="open, read, readinto"),
    ),
    Form(
        "200 in chunked encoding",
        get=Reply({"Content-Range": None}, 200, "chunked", "whole"),
        data=SMALL,
    ),
    Form(
        "200 in chunked encoding, and HEAD without a length",
        get=Reply({"Content-Range": None}, 200, "chunked", "whole"),
        head=Reply({"Content-Length": None}),
        data=SMALL,
    ),
    Form(
        "200 ended by the connection's end, and HEAD without a length",
        get=Reply({"Content-Range": None}, 200, "close", "whole"),
        head=Reply({"Content-Length": None}),
        data=SMALL,
        right=gives(PROTOCOL),
    ),
    Form(
        "200 ended by the connection's end",
        get=Reply({"Content-Range": None}, 200, "close", "whole"),
        data=SMALL,
    ),
    Form("a redirect", get=Reply(status=301), head=Reply(status=301), right=gives(PROTOCOL)),
    # --- empty objects
    empty(
        "200 of length 0",
        Reply({"ETag": '"E1"', "Content-Range": None}, 200, body="none"),
        verified="length+etag",
    ),
    Form(
        "empty object: 200 in chunked encoding",
        get=Reply(status=200, framing="chunked", body="none"),
        data=b"",
    ),
    empty("206 with */0", Reply({"Content-Range": "bytes */0"}, 206, body="none")),
    empty("206 with 0-0/0", Reply({"Content-Range": "bytes 0-0/0"}, 206, body="none")),
    empty("206 with 0--1/0", Reply({"Content-Range": "bytes 0--1/0"}, 206, "chunked", "none")),
    empty("416 with */0", Reply({"Content-Range": "bytes */0"})),
    empty(
        "416 with */0, and HEAD without a length",
        Reply({"Content-Range": "bytes */0"}),
        Reply({"Content-Length": None}),
    ),
    empty("416 without Content-Range", Reply(), verified="length+etag"),
    empty(
        "416 without Content-Range, and HEAD without a length",
        Reply(),
        Reply({"Content-Length": None}),
        "length+etag",
    ),
    empty("204", Reply({"ETag": '"E1"'}, 204, body="none"), Reply(status=204), "length+etag"),
    Form(
        "204 that tells nothing of an object",
        get=Reply(status=204, only_these=True),
        head=Reply(status=204, only_these=True),
        right=gives(PROTOCOL),
    ),
    # --- pages of listings
    Form("pages in chunked encoding", page=Reply(framing="chunked")),
    Form("pages ended by the connection's end", page=Reply(framing="close")),
    Form("pages slower than timeout.stallSeconds", page=Reply(delay=0.5)),
    Form("keys in no order", listing=Page((("b", "a"), ("Z", "c")), ("b", "a", "Z", "c"))),
    Form(
        "1,500 keys on a page",
        listing=Page((MANY,), MANY),
    ),
    Form("IsTruncated in capitals", listing=Page(true="True", false="FALSE")),
    Form("no IsTruncated, but a token", listing=Page(true="", false="")),
    Form(
        "no IsTruncated, and a full page",
        listing=Page(
            (MANY[:1000], ("z",)),
            (*MANY[:1000], "z"),
            "size",
            "",
            "",
        ),
    ),
    Form("V1 with NextMarker", listing=Page(more="marker")),
    Form("V1 without NextMarker", listing=Page(more="last key")),
    Form(
        "a plus that is a blank",
        listing=Page((("a+b",), ("c%2Bd",)), ("a b", "c+d"), encoding="url"),
    ),
    Form(
        "a plus that is a plus",
        listing=Page((("a+b", "c%2Bd"), ("e%20f",)), ("a+b", "c+d", "e f"), encoding="url"),
    ),
    Form("a plus alone", listing=Page((("a+b",), ("c",)), ("a+b", "c"), encoding="url")),
    Form("dates with an offset", listing=Page(modified="2024-03-01T18:00:00+0800")),
    Form("dates of HTTP", listing=Page(modified="Fri, 01 Mar 2024 10:00:00 GMT")),
    Form("dates that are none", listing=Page(modified="yesterday")),
    Form("a byte-order mark before the page", listing=Page(before="\ufeff<?xml version='1.0'?>")),
    Form(
        "the same page again and again",
        listing=Page((("a", "b"),), (), "loop"),
        right=gives(PROTOCOL, only=LISTS),
    ),
)


def page_of(form: Form, query: Mapping[str, str]) -> bytes:
    """The page that a listing of the form asks for."""
    listing = form.listing
    folder = query["prefix"]
    pages = [[folder + key for key in keys] for keys in listing.pages]
    number = 0
    if listing.more in ("token", "loop"):
        number = int(query.get("continuation-token", "0"))
    elif "marker" in query:
        number = 1 + next(n for n, keys in enumerate(pages) if query["marker"] in keys)
    elif "start-after" in query and listing.more == "size":
        number = 1 + next(n for n, keys in enumerate(pages) if query["start-after"] in keys)
    keys = pages[min(number, len(pages) - 1)]
    more = listing.more == "loop" or number + 1 < len(pages)
    parts = [listing.before, "<ListBucketResult xmlns='http://x'>"]
    if listing.encoding:
        parts.append(f"<EncodingType>{listing.encoding}</EncodingType>")
    truncated = listing.true if more else listing.false
    if truncated:
        parts.append(f"<IsTruncated>{truncated}</IsTruncated>")
    if more and listing.more in ("token", "loop"):
        parts.append(f"<NextContinuationToken>{number + 1}</NextContinuationToken>")
    if more and listing.more == "marker":
        parts.append(f"<NextMarker>{keys[-1]}</NextMarker>")
    parts += [
        f"<Contents><Key>{key}</Key><LastModified>{listing.modified}</LastModified>"
        "<ETag>&quot;E&quot;</ETag><Size>1</Size></Contents>"
        for key in keys
    ]
    return "".join([*parts, "</ListBucketResult>"]).encode()


PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN = "<!-- The forms: PYTHONPATH=tests .venv/bin/python -m support.reply_forms -->"
END = "<!-- The forms end. -->"


def table() -> str:
    """The lines of the table, from what FORMS says."""
    lines = [
        "| Reply | `open` | `read` | `readinto` | `stat` | `list` | fast `list` | `verified` |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|")
    for form in FORMS:
        cells = [form.right.get(name, RIGHT) for name in OPERATIONS]
        cells = [cell if cell == RIGHT else f"`{cell}`" for cell in cells]
        is_read = form.right.get("read", RIGHT) == RIGHT
        cells.append(f"`{form.verified}`" if is_read else "")
        lines.append(f"| {form.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
