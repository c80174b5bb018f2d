"""A login page, a web server or a gateway answers in place of a store: the error names it."""

from __future__ import annotations

import pytest
from ossmodelconnector import (
    AnonymousCredentialsProvider,
    BucketNotFoundError,
    ObjectNotFoundError,
    ProtocolError,
)
from support.fault_server import FaultServer

URI = "oss://bucket/model.bin"
HTML = b"<html><head><title>404 Not Found</title></head><body>nginx</body></html>"
CALLS = {
    "open": lambda connector: connector.open(URI),
    "open without prefetch": lambda connector: connector.open(URI, prefetch=False),
    "open_many": lambda connector: connector.open_many([URI, URI]),
    "read_ranges": lambda connector: connector.read_ranges([(URI, 0, 1)]),
    "verify": lambda connector: connector.verify(URI),
    "stat": lambda connector: connector.stat(URI),
    "exists": lambda connector: connector.exists(URI),
}


class Page:
    """A script that answers everything with one page."""

    def __init__(self, status, body, kind="text/html", **headers):
        self.status, self.body = status, body
        self.headers = {"Content-Type": kind, **headers}

    def __call__(self, request, reply):
        reply.status = self.status
        reply.body = self.body
        reply.headers = {**self.headers, "Content-Length": str(len(self.body))}


STRANGERS = {
    "a page of nginx": Page(404, HTML),
    "an error of an API gateway": Page(404, b'{"message":"no Route"}', "application/json"),
    "an empty 404": Page(404, b""),
    "a login page": Page(200, b"<html>Log in</html>"),
    "a page in JSON": Page(200, b"{}", "application/json"),
    "an empty 200": Page(200, b""),
}


@pytest.fixture
def served():
    with FaultServer() as server:
        yield server


@pytest.fixture
def connector(make_connector, served):
    return make_connector(
        endpoint=served.endpoint,
        cred_provider=AnonymousCredentialsProvider(),
        config={"retry.maxAttempts": 3},
    )


@pytest.mark.parametrize("name", STRANGERS)
@pytest.mark.parametrize("call", CALLS)
def test_what_is_no_store_is_named_and_asked_no_more(connector, served, name, call):
    served.script = STRANGERS[name]
    with pytest.raises(ProtocolError) as caught:
        CALLS[call](connector)
    assert served.endpoint in str(caught.value)
    assert caught.value.uri == URI
    assert caught.value.status == STRANGERS[name].status
    # One, or a HEAD and a GET; open_many asks for two at once.
    assert len(served.requests) <= 4


@pytest.mark.parametrize("fast", [False, True])
def test_a_page_in_place_of_a_listing_names_the_endpoint(connector, served, fast):
    served.script = STRANGERS["a login page"]
    with pytest.raises(ProtocolError) as caught:
        connector.list("bucket", "", fast)
    assert served.endpoint in str(caught.value)
    served.script = STRANGERS["a page of nginx"]
    with pytest.raises(BucketNotFoundError):
        connector.list("bucket", "", fast)


@pytest.mark.parametrize("header", ["x-oss-request-id", "X-Amz-Id-2"])
def test_a_404_with_a_header_of_a_store_is_a_missing_object(connector, served, header):
    served.script = Page(404, b"", **{header: "1"})
    assert not connector.exists(URI)
    with pytest.raises(ObjectNotFoundError):
        connector.open(URI)


def test_a_404_with_a_code_is_a_missing_object_though_a_head_cannot_have_one(connector, served):
    served.script = Page(404, b"<Error><Code>NoSuchKey</Code></Error>", "application/xml")
    assert [request.method for request in served.requests] == []
    assert not connector.exists(URI)
    assert [request.method for request in served.requests] == ["HEAD", "GET"]
    for call in ("open", "open without prefetch", "read_ranges", "stat"):
        with pytest.raises(ObjectNotFoundError) as caught:
            CALLS[call](connector)
        assert caught.value.code == "NoSuchKey"


@pytest.mark.parametrize("call", CALLS)
def test_where_objects_came_from_before_a_404_is_a_missing_object(connector, served, call):
    CALLS[call](connector)
    served.script = STRANGERS["a page of nginx"]
    assert not connector.exists(URI)
    with pytest.raises(ObjectNotFoundError):
        connector.open(URI)


def test_a_login_page_is_no_proof_of_a_store(connector, served):
    served.script = STRANGERS["a login page"]
    for call in CALLS.values():
        with pytest.raises(ProtocolError):
            call(connector)
    served.script = STRANGERS["a page of nginx"]
    with pytest.raises(ProtocolError):
        connector.exists(URI)


def test_a_login_page_in_the_middle_of_an_object_ends_the_read(connector, served):
    with connector.open(URI, prefetch=False) as reader:
        assert reader.read(1) == served.data[:1]
        served.script = STRANGERS["a login page"]
        reader.seek(len(served.data) // 2)
        with pytest.raises(ProtocolError):
            reader.read(1)
        served.script = None
        assert reader.read(1) == served.data[len(served.data) // 2 :][:1]
