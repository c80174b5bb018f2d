"""A store's texts need not be UTF-8: none of them raises UnicodeDecodeError, wherever shown."""

from __future__ import annotations

import base64
import logging
import pickle

import pytest
from ossmodelconnector import AnonymousCredentialsProvider, OssError
from support.fault_server import FaultServer

ODD = "caf\xe9\xff\x80"  # Latin-1 on the wire
URI = "oss://bucket/key"
DOCUMENT = (
    b"<Error><Code>\xe9Code</Code><Message>\xff\xfe message</Message>"
    b"<RequestId>\xe9\x80</RequestId><EC>\xff</EC><HostId>\xe9</HostId><Endpoint>\xe9.example</Endpoint></Error>"
)
PAGE = (
    b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>key</Key>"
    b"<LastModified>\xe9</LastModified><ETag>&quot;\xe9\xff&quot;</ETag><Size>1</Size>"
    b"<StorageClass>\xe9\x80</StorageClass></Contents></ListBucketResult>"
)
CALLS = {
    "open": lambda connector: connector.open(URI),
    "open without prefetch": lambda connector: connector.open(URI, prefetch=False),
    "text": lambda connector: connector.open(URI, False),
    "stat": lambda connector: connector.stat(URI),
    "exists": lambda connector: connector.exists(URI),
    "read_ranges": lambda connector: connector.read_ranges([(URI, 0, 4)]),
    "verify": lambda connector: connector.verify(URI),
    "list": lambda connector: connector.list("bucket"),
    "fast list": lambda connector: connector.list("bucket", "", True),
    "iter_objects": lambda connector: list(connector.iter_objects("bucket")),
}
HEADERS = (
    "ETag",
    "x-oss-request-id",
    "x-oss-ec",
    "x-oss-storage-class",
    "x-oss-object-type",
    "x-oss-version-id",
    "x-oss-hash-crc64ecma",
    "x-oss-meta-name",
    "Last-Modified",
    "Content-Type",
    "Content-Encoding",
    "Date",
    "Location",
    "Retry-After",
    "Server",
)
ODD_HEADERS = dict.fromkeys(HEADERS, ODD)
ODD_ERROR = {"x-oss-err": base64.b64encode(DOCUMENT).decode()}


@pytest.fixture
def served():
    with FaultServer(data=b"data") as server:
        yield server


@pytest.fixture
def connector(make_connector, served, tmp_path):
    return make_connector(
        endpoint=served.endpoint,
        cred_provider=AnonymousCredentialsProvider(),
        config={
            "logLevel": 0,
            "logPath": str(tmp_path / "log"),
            "auditPath": str(tmp_path / "audit"),
            "retry.maxAttempts": 1,
        },
    )


def show(thing):
    """All texts of it, which are of str and can be written; and it pickles."""
    texts = [str(thing), repr(thing)]
    if isinstance(thing, OssError):
        texts += [thing.code, thing.ec, thing.request_id, thing.uri, *map(str, thing.args)]
        again = pickle.loads(pickle.dumps(thing))
        assert (str(again), again.request_id) == (str(thing), thing.request_id)
    for name in ("etag", "storage_class", "version_id", "verified", "name"):
        texts.append(str(getattr(thing, name, "")))
    if hasattr(thing, "read"):
        getattr(thing, "buffer", thing).read()
        texts.append(repr(thing))
    elif isinstance(thing, (list, tuple)) or type(thing).__name__ == "ObjectList":
        texts += [repr(info) for info in thing]
    for text in texts:
        text.encode()


def check_logs(caplog, tmp_path):
    for record in caplog.records:
        record.getMessage().encode()
    for name in ("log", "audit"):
        for path in tmp_path.glob(f"{name}*"):
            path.read_text(encoding="utf-8")
    assert (tmp_path / "audit").stat().st_size > 0


def is_listing(request):
    return request.target.startswith("/bucket/?")


@pytest.mark.parametrize("headers", [*HEADERS, "all"])
def test_of_good_replies(connector, served, caplog, tmp_path, headers):
    caplog.set_level(logging.DEBUG, "ossmodelconnector")
    odd = ODD_HEADERS if headers == "all" else {headers: ODD}

    def script(request, reply):
        if is_listing(request):
            reply.status, reply.body = 200, PAGE
            reply.headers["Content-Length"] = str(len(PAGE))
        reply.headers.update(odd)

    served.script = script
    for name, call in CALLS.items():
        try:
            show(call(connector))
        except OssError as error:
            pytest.fail(f"{name}: {error}")
    connector.close()
    check_logs(caplog, tmp_path)


@pytest.mark.parametrize(
    "status", [200, 206, 302, 400, 401, 403, 404, 405, 412, 416, 429, 500, 503]
)
@pytest.mark.parametrize("body", [DOCUMENT, b"<html>\xff\xe9</html>", b""], ids=["XML", "HTML", ""])
def test_of_failures(connector, served, caplog, tmp_path, status, body):
    caplog.set_level(logging.DEBUG, "ossmodelconnector")

    def script(request, reply):
        reply.status, reply.body = status, body
        reply.headers = {**ODD_HEADERS, **ODD_ERROR, "Content-Length": str(len(body))}

    served.script = script
    for call in CALLS.values():
        try:
            show(call(connector))
        except OssError as error:
            show(error)
    connector.close()
    check_logs(caplog, tmp_path)
