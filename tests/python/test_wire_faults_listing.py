"""Pages of listings that are too long, too deep, endless or broken; keys that mean harm.

Their numbers are those of the faults in docs/reliability.md.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from ossmodelconnector import ObjectNotFoundError, ProtocolError
from support.faults import BUCKET, list_page, refuse
from support.tries import HANG_SECONDS, once, once_within

FAST = pytest.mark.parametrize("fast", [False, True], ids=["plain", "fast"])
MiB = 1 << 20
# A page may have 8 MiB, and a string that grows is there twice for a moment.
MOST_MEMORY = 24 * MiB


def within(page, addition):
    """The page with something more in its document."""
    return page.replace(b"</ListBucketResult>", addition + b"</ListBucketResult>")


PAGE = list_page(["a", "b"])
ENTITIES = b"".join(
    b'<!ENTITY e%d "%s">' % (level, b"&e%d;" % (level - 1) * 10) for level in range(1, 10)
)
# Each made by its test: not all are small.
PAGES = {
    "100 MB": lambda: within(PAGE, b"<!--" + b"x" * 100 * MiB + b"-->"),
    "depth 100000": lambda: within(PAGE, b"<a>" * 100_000 + b"</a>" * 100_000),
    "entities": lambda: PAGE.replace(
        b"<ListBucketResult>", b"<!DOCTYPE x [" + ENTITIES + b"]>&e9;"
    ),
    "bad UTF-8": lambda: PAGE.replace(b"<Key>b<", b"<Key>\xff\xfe<"),
    "bad UTF-8 in percents": lambda: PAGE.replace(b"<Key>b<", b"<Key>%ff%fe<"),
    "100000 objects": lambda: list_page(f"{number:06d}" for number in range(100_000)),
    "cut off": lambda: PAGE[:-30],
    "not XML": lambda: b"{}",
    "empty": lambda: b"",
}


def peak_memory():
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) << 10


def give(faults, page):
    def script(request, reply):
        reply.status, reply.body = 200, page
        reply.headers = {"Content-Length": str(len(page))}

    faults.script = script


@pytest.mark.fault(
    29,
    "a page of a listing that is long, deep, full of entities, broken, or leads to itself",
    "`ProtocolError`",
    "2 s, 24 MiB, `retry.maxAttempts` requests",
    also=["tests/csrc/protocol/xml_scanner_test.cc", "tests/fuzz/list_page_fuzz.cc"],
)
@FAST
@pytest.mark.parametrize("name", PAGES)
def test_fault_29_a_hostile_page(faults, connect, name, fast):
    connector = connect()
    give(faults, PAGE)
    assert len(connector.list(BUCKET, "", fast)) == 2  # threads and buffers are there from now on
    give(faults, PAGES[name]())

    def fail():
        faults.requests.clear()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = peak_memory()
        begin = time.monotonic()
        with pytest.raises(ProtocolError) as caught:
            connector.list(BUCKET, "", fast)
        seconds = time.monotonic() - begin
        memory = peak_memory() - before
        assert seconds < HANG_SECONDS
        assert len(faults.requests) <= 3
        assert BUCKET in str(caught.value)
        assert str(caught.value).isprintable()
        if "OSSMC_SANITIZED" not in os.environ:  # they keep what was freed
            assert memory < MOST_MEMORY
        return seconds < 2

    once(fail, because="the bound of fault 29 is 2 s")


@pytest.mark.fault(29)
@FAST
def test_fault_29_a_page_that_leads_to_itself(faults, connect, fast):
    give(faults, list_page(["a", "b"], next_token="again"))

    def fail():
        faults.requests.clear()
        begin = time.monotonic()
        with pytest.raises(ProtocolError):
            connect().list(BUCKET, "", fast)
        assert len(faults.requests) < 10
        return time.monotonic() - begin

    once_within(2, fail, because="the bound of fault 29 is 2 s")


HOSTILE_KEYS = [
    "../x",
    "/etc/x",
    "NUL\0inside",
    "a",
    "a/",
    "line\nbreak\r\u2028",
    "x" * 1023,
    "\x1b[31mred",
]
LINE = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]{12}Z (DEBUG|INFO|WARNING|ERROR|AUDIT) \[\d+\] .+")


@pytest.mark.fault(
    30,
    "hostile keys: dots, a leading slash, NUL, line breaks, 1023 bytes, `a` and `a/`",
    "listed and opened exactly as they are",
    "one line in logs for each request",
    also=["tests/python/test_keys.py", "tests/python/test_logging.py"],
)
@FAST
def test_fault_30_hostile_keys(faults, connect, tmp_path, fast):
    keys = sorted(HOSTILE_KEYS, key=str.encode)
    page = list_page(keys, size=len(faults.data))

    def script(request, reply):
        if "list-type=2" in request.target:
            reply.body = page
            reply.headers["Content-Length"] = str(len(page))

    faults.script = script
    connector = connect()
    listed = connector.list(BUCKET, "", fast)
    assert sorted((info.key for info in listed), key=str.encode) == keys
    faults.requests.clear()
    for info in listed:
        with connector.open(info) as reader:
            assert (reader.key, reader.read()) == (info.key, faults.data)
    asked = {request.target for request in faults.requests}
    assert asked == {f"/{BUCKET}/{quote(key)}" for key in keys}

    faults.script = lambda request, reply: refuse(reply, 404, "NoSuchKey")
    for info in listed:
        with pytest.raises(ObjectNotFoundError) as caught:
            connector.open(info)
        assert str(caught.value).isprintable()
    connector.close()
    for name in ("connector.log", "audit.log"):
        lines = (tmp_path / name).read_text().splitlines()
        assert lines
        assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert len((tmp_path / "audit.log").read_text().splitlines()) == connector.stats().requests
