"""Every call against every form in which stores, gateways and proxies reply.

The forms and their right outcomes are the table in support/reply_forms.py.
"""

from __future__ import annotations

import dataclasses
import logging
from datetime import datetime, timezone

import ossmodelconnector
import pytest
from ossmodelconnector import AnonymousCredentialsProvider, ObjectInfo, OssModelConnector
from support.forked_child import in_child
from support.reply_forms import (
    BEGIN,
    CHANGED_AT,
    CHUNK,
    END,
    FORMS,
    LARGE,
    OPERATIONS,
    PAGE,
    RIGHT,
    Form,
    table,
)
from support.reply_server import ReplyServer

CONFIG = {
    "prefetch": {"vcpus": 1, "chunkBytes": CHUNK, "memoryBytes": 4 * CHUNK},
    "fastList": {"workers": 2},
    "timeout": {"readSeconds": 20, "stallSeconds": 0.3},
    "retry": {"maxAttempts": 2},
}


@pytest.fixture(scope="module")
def server():
    with ReplyServer(FORMS) as server:
        yield server


@pytest.fixture
def connector(server):
    server.requests.clear()
    with OssModelConnector(
        server.endpoint, cred_provider=AnonymousCredentialsProvider(), config=CONFIG
    ) as connector:
        yield connector


def do(connector: OssModelConnector, operation: str, number: int, form: Form) -> str:
    """What came of it: RIGHT, what is wrong, or the error's class."""
    uri = f"oss://bucket/{number}/object"
    try:
        if operation == "open":
            with connector.open(uri) as reader:
                got: object = reader.size
            wanted: object = len(form.data)
        elif operation == "read":
            with connector.open(uri) as reader:
                got = (reader.read(), reader.verified)
            wanted = (form.data, form.verified)
        elif operation == "readinto":
            buffer = bytearray(len(form.data) + 1)
            with connector.open(uri, prefetch=False) as reader:
                got = bytes(buffer[: reader.readinto(buffer)])
            wanted = form.data
        elif operation == "stat":
            got, wanted = connector.stat(uri).size, len(form.data)
        else:
            keys = connector.list("bucket", f"{number}/", operation == "fast list").keys
            wanted = [f"{number}/{key}" for key in form.listing.keys]
            # A fast list is in no order.
            got, wanted = (
                (sorted(keys), sorted(wanted)) if operation == "fast list" else ([*keys], wanted)
            )
    except ossmodelconnector.OssError as error:
        names_it = f"oss://bucket/{number}/" in str(error)
        return type(error).__name__ if names_it else f"does not name the object: {error}"
    return RIGHT if got == wanted else f"not right: {got!r:.200}, not {wanted!r:.200}"


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("number", range(len(FORMS)), ids=[form.name for form in FORMS])
def test_reply_forms(connector, server, number, operation):
    form = FORMS[number]
    assert do(connector, operation, number, form) == form.right.get(operation, RIGHT)
    # Never again and again: 6 chunks, a HEAD, and what else may be asked for the size.
    assert len(server.requests) <= 6 + 2 + 3, server.requests


def test_there_are_forty_of_them():
    assert len({form.name for form in FORMS}) == len(FORMS) >= 40


def test_the_page_has_the_table():
    text = PAGE.read_text(encoding="utf-8")
    # If not: PYTHONPATH=tests .venv/bin/python -m support.reply_forms
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == table()


def number_of(name: str) -> int:
    return next(number for number, form in enumerate(FORMS) if form.name == name)


@pytest.mark.parametrize("fast", [False, True], ids=["plain", "fast"])
def test_another_order_is_warned_of_once(connector, caplog, fast):
    caplog.set_level(logging.WARNING, "ossmodelconnector")
    number = number_of("keys in no order")
    objects = connector.list("bucket", f"{number}/", fast)
    assert [key.split("/")[1] for key in objects.keys] == ["b", "a", "Z", "c"]
    objects.sort()
    assert [key.split("/")[1] for key in objects.keys] == ["Z", "a", "b", "c"]
    connector.close()  # hands out what is to be logged
    assert [record for record in caplog.messages if "byte order" in record] == [
        record for record in caplog.messages if f"LIST oss://bucket/{number}/" in record
    ]
    assert len(caplog.messages) == 1


def test_a_date_that_is_none_is_the_first_second_of_1970(connector):
    listed = connector.list("bucket", f"{number_of('dates that are none')}/")
    assert listed[0].last_modified == datetime(1970, 1, 1, tzinfo=timezone.utc)
    listed = connector.list("bucket", f"{number_of('dates with an offset')}/")
    assert listed[0].last_modified == datetime(2024, 3, 1, 10, tzinfo=timezone.utc)


def test_iterating_cannot_take_back_what_a_plus_was(connector):
    number = number_of("a plus that is a blank")
    infos = connector.iter_objects("bucket", f"{number}/")
    assert next(infos).key == f"{number}/a+b"
    with pytest.raises(ossmodelconnector.ProtocolError, match=r"list\(\) gives all keys right"):
        next(infos)


CHANGES = [
    "overwritten: another weak ETag",
    "overwritten: no ETag, another Last-Modified",
    "overwritten: no ETag, another x-oss-hash-crc64ecma",
    "overwritten by a shorter one: 416",
]


@pytest.mark.parametrize("name", CHANGES)
def test_ranges_of_many_objects_never_mix_versions(connector, name):
    uri = f"oss://bucket/{number_of(name)}/object"
    assert connector.read_ranges([(uri, 0, 10), (uri, CHUNK, 10)]) == [
        LARGE[:10],
        LARGE[CHUNK : CHUNK + 10],
    ]
    with pytest.raises(ossmodelconnector.ObjectChangedError):
        connector.read_ranges([(uri, 0, 10), (uri, CHANGED_AT, 10)])
    with pytest.raises(ossmodelconnector.ObjectChangedError):
        connector.verify(uri)


@pytest.mark.parametrize("name", CHANGES)
def test_a_forked_child_reads_on_in_the_same_version(connector, name):
    def read_on():
        assert reader.read(10) == LARGE[10:20]
        reader.seek(CHANGED_AT)
        with pytest.raises(ossmodelconnector.ObjectChangedError):
            reader.read(10)
        return "told"

    with connector.open(f"oss://bucket/{number_of(name)}/object", prefetch=False) as reader:
        assert reader.read(10) == LARGE[:10]
        assert in_child(read_on) == "told"


def test_what_was_checked_is_said_of_an_object_that_is_not_kept_too(connector):
    for name, verified in [
        ("all of it as OSS sends it", "length+etag"),
        ("no ETag", "length+modified"),
        ("an ETag in some replies alone", "length+modified"),
    ]:
        assert connector.verify(f"oss://bucket/{number_of(name)}/object") == verified
    with connector.open(f"oss://bucket/{number_of('no ETag')}/object") as reader:
        reader.read()
    assert reader.verified == "length+modified"  # of a closed one too


def test_texts_of_headers_that_are_not_utf_8_are_texts(connector):
    number = number_of("an ETag that is not UTF-8")
    info = connector.stat(f"oss://bucket/{number}/object")
    assert info.etag == "caf\xe9"
    with connector.open(info) as reader:
        assert (reader.etag, reader.read()) == ("caf\xe9", LARGE)


def test_a_word_that_a_gateway_lists_for_an_etag_pins_nothing(connector):
    modified = datetime(2024, 3, 1, 10, tzinfo=timezone.utc)
    key = f"{number_of('no ETag')}/object"
    info = ObjectInfo("bucket", key, len(LARGE) - 1, "E", modified, "Standard")
    with connector.open(info) as reader:
        assert reader.read() == LARGE


def test_the_listed_time_pins_a_version_where_replies_have_no_etag(connector):
    number = number_of("no ETag")
    info = ObjectInfo(
        "bucket",
        f"{number}/object",
        len(LARGE),
        "0123456789ABCDEF",
        datetime(2024, 3, 1, 10, 0, 0, 123000, timezone.utc),
        "Standard",
    )
    for prefetch in (True, False):
        with connector.open(info, prefetch=prefetch) as reader:
            assert reader.read() == LARGE
            assert reader.verified == "length+modified"
        other = dataclasses.replace(info, last_modified=datetime(2024, 3, 2, tzinfo=timezone.utc))
        with pytest.raises(ossmodelconnector.ObjectChangedError, match="Last-Modified was"):
            connector.open(other, prefetch=prefetch).read()
