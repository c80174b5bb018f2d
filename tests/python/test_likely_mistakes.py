"""The mistakes that users most likely make: each error's text says what is wrong and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import oss2
import oss2.credentials
import pytest
from ossmodelconnector import (
    AccessDeniedError,
    AnonymousCredentialsProvider,
    CredentialsError,
    ObjectNotFoundError,
    OssModelConnector,
)
from ossmodelconnector.local import Reply
from support.ports import refusing_port

PROVIDER = oss2.credentials.StaticCredentialsProvider("id", "secret")
HANGZHOU = "https://oss-cn-hangzhou.aliyuncs.com"


def construct(endpoint=HANGZHOU, **arguments):
    arguments = {"cred_provider": PROVIDER, **arguments}
    OssModelConnector(endpoint, **arguments).close()


def open_by(endpoint, uri, **arguments):
    arguments = {"cred_provider": PROVIDER, **arguments}
    with OssModelConnector(endpoint, **arguments) as connector:
        connector.open(uri)


# What was done, the exception, and what its text must hold: the thing and the way out.
WITHOUT_A_SERVER = {
    "no credentials": (
        lambda: construct(cred_provider=None),
        ValueError,
        ["cred_provider=", "cred_path=", "AnonymousCredentialsProvider()"],
    ),
    "a class in place of an instance": (
        lambda: construct(cred_provider=oss2.credentials.EnvironmentVariableCredentialsProvider),
        TypeError,
        ["call EnvironmentVariableCredentialsProvider(...)"],
    ),
    "oss2.Auth as provider": (
        lambda: construct(cred_provider=oss2.Auth("id", "hunter2")),
        TypeError,
        ["oss2.credentials", "get_credentials()", "Auth", "StaticCredentialsProvider(id, secret)"],
    ),
    "the keys as provider": (
        lambda: construct(cred_provider=("id", "hunter2")),
        TypeError,
        ["get_credentials()", "tuple", "StaticCredentialsProvider(id, secret)"],
    ),
    "the bucket in the host": (
        lambda: open_by("https://models.oss-cn-hangzhou.aliyuncs.com", "oss://models/a"),
        ValueError,
        ["models.oss-cn-hangzhou.aliyuncs.com", f"({HANGZHOU})"],
    ),
    "the bucket in the path": (
        lambda: construct(f"{HANGZHOU}/models"),
        ValueError,
        ['"/models"', "leave it out", "oss://bucket/key"],
    ),
    "another region than the endpoint's": (
        lambda: construct(region="cn-beijing"),
        ValueError,
        ['region="cn-beijing"', "cn-hangzhou", "leave region="],
    ),
    "a region without cn-": (
        lambda: construct("https://oss-accelerate.aliyuncs.com", region="beijing"),
        ValueError,
        ['region="cn-beijing"'],
    ),
    "no region where there is none in the host": (
        lambda: construct("https://oss-accelerate.aliyuncs.com"),
        ValueError,
        ["oss-accelerate", "give region="],
    ),
    "a region as endpoint": (
        lambda: construct("oss-cn-hangzhou"),
        ValueError,
        ['"oss-cn-hangzhou"', f"write {HANGZHOU}"],
    ),
    "virtual addressing of an address": (
        lambda: construct("http://127.0.0.1:1", config={"addressing": "virtual"}),
        ValueError,
        ["127.0.0.1:1", '"path"'],
    ),
    "an s3:// URI": (
        lambda: open_by(HANGZHOU, "s3://models/qwen/a.bin"),
        ValueError,
        ['"s3://models/qwen/a.bin"', 'write "oss://models/qwen/a.bin"'],
    ),
    "a URI with the endpoint": (
        lambda: open_by(HANGZHOU, "oss://models.oss-cn-hangzhou.aliyuncs.com/a.bin"),
        ValueError,
        ['write "oss://models/a.bin"', "endpoint"],
    ),
    "a presigned URL": (
        lambda: open_by(
            HANGZHOU, "https://models.oss-cn-hangzhou.aliyuncs.com/a%20b?Signature=hunter2"
        ),
        ValueError,
        ['write "oss://models/a b"'],
    ),
    "a URI with the keys": (
        lambda: open_by(HANGZHOU, "oss://id:hunter2@models.oss-cn-hangzhou.aliyuncs.com/a"),
        ValueError,
        ["oss://bucket/key", "leave user and password out", "cred_provider"],
    ),
    "a path as URI": (
        lambda: open_by(HANGZHOU, Path("oss://models/a")),
        TypeError,
        ["oss://bucket/key", "PosixPath"],
    ),
    "1GB": (
        lambda: construct(config={"prefetch": {"memoryBytes": "1GB"}}),
        ValueError,
        ["prefetch.memoryBytes", '"1GB"', "MiB"],
    ),
    "a key of another name": (
        lambda: construct(config={"memory": "1 GiB"}),
        ValueError,
        ["unknown key memory", "nearest known key"],
    ),
}


@pytest.mark.parametrize("mistake", WITHOUT_A_SERVER)
def test_mistake_that_is_told_before_any_request(mistake):
    call, kind, words = WITHOUT_A_SERVER[mistake]
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert [word for word in words if word not in text] == [], text
    assert "hunter2" not in text


# What is called on a connector to a local server, the exception, and what its text must hold.
WITH_A_SERVER = {
    "a mode as binary": (
        lambda connector: connector.open("oss://models/text.txt", "rb"),
        TypeError,
        ["binary must be a bool (True: bytes, False: text)", "'rb'"],
    ),
    "None as binary": (
        lambda connector: connector.open("oss://models/text.txt", None),
        TypeError,
        ["binary must be a bool (True: bytes, False: text)", "None"],
    ),
    "a URI to list": (
        lambda connector: connector.list("oss://models/list/"),
        ValueError,
        ["'oss://models/list/'", "write list('models', 'list/')"],
    ),
    "a URI and a prefix to list": (
        lambda connector: connector.list("oss://models/", "list/"),
        ValueError,
        ["write list('models', 'list/')"],
    ),
    "a path to iter_objects": (
        lambda connector: connector.iter_objects("models/list"),
        ValueError,
        ["write list('models', 'list')"],
    ),
    "a bucket as URI to list": (
        lambda connector: connector.list("oss://models"),
        ValueError,
        ["write list('models')"],
    ),
    "True as prefix": (
        lambda connector: connector.list("models", True),
        TypeError,
        ["prefix must be str, not bool", "list(bucket, prefix, True)"],
    ),
    "a missing key": (
        lambda connector: connector.open("oss://models/no-such.bin"),
        ObjectNotFoundError,
        ["oss://models/no-such.bin", "NoSuchKey", 'list("models", prefix)'],
    ),
    "a version in the URI": (
        lambda connector: connector.open("oss://models/text.txt?versionId=CAEQ"),
        ObjectNotFoundError,
        ["version_id="],
    ),
    "offset and buffer the other way round": (
        lambda connector: connector.open("oss://models/text.txt").read_at(bytearray(4), 0),
        TypeError,
        ["read_at(offset, buffer)", "bytearray"],
    ),
}


@pytest.mark.parametrize("mistake", WITH_A_SERVER)
def test_mistake_of_a_call(make_connector, store, mistake):
    call, kind, words = WITH_A_SERVER[mistake]
    assert store.bucket == "models"
    with pytest.raises(kind) as caught:
        call(make_connector())
    text = str(caught.value)
    assert [word for word in words if word not in text] == [], text


def test_wrong_secret(make_connector, store):
    wrong = oss2.credentials.StaticCredentialsProvider(store.served.access_key_id, "hunter2")
    with pytest.raises(CredentialsError, match="check the access key secret") as caught:
        make_connector(cred_provider=wrong).open(store.uri("text.txt"))
    assert "hunter2" not in str(caught.value)


def test_closed_connector(make_connector, store):
    connector = make_connector()
    connector.close()
    for call in (
        lambda: connector.open(store.uri("text.txt")),
        lambda: connector.list(store.bucket),
        lambda: connector.stat(store.uri("text.txt")),
        connector.__enter__,
    ):
        with pytest.raises(ValueError, match="the connector is closed: make a new one"):
            call()


def replies(local, status, code, message):
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    local.on_request = lambda _: Reply(status, code, body=body)


@pytest.fixture
def answering(server):
    """answering(status, code, message): what the server answers to everything until the end."""
    yield lambda *reply: replies(server.local, *reply)
    server.local.on_request = None


@pytest.mark.parametrize("region", ["beijing", "cn-hangzhou"])
def test_a_store_that_refuses_the_region(make_connector, answering, region):
    answering(400, "InvalidArgument", "Invalid signing region in Authorization header.")
    with pytest.raises(CredentialsError, match="check region="):
        make_connector(region=region).open("oss://models/text.txt")


def test_a_bucket_of_another_region(make_connector, answering):
    answering(
        403,
        "AccessDenied",
        "The bucket must be addressed using the specified endpoint."
        "</Message><Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint><Message>",
    )
    with pytest.raises(AccessDeniedError, match=re.escape('region="cn-beijing"')):
        make_connector(region="cn-hangzhou").open("oss://models/text.txt")


TWICE = {"retry": {"maxAttempts": 2}}


def test_https_to_a_port_of_plain_http(make_connector, server):
    endpoint = server.endpoint.replace("http://", "https://")
    with pytest.raises(ConnectionError, match="write http://") as caught:
        make_connector(endpoint=endpoint).open("oss://models/text.txt")
    assert caught.value.attempts == 1


def test_plain_http_to_a_port_of_https(make_connector, https_server):
    endpoint = https_server.endpoint.replace("https://", "http://")
    with pytest.raises(ConnectionError, match="write https://"):
        make_connector(https_server, endpoint=endpoint, config=TWICE).open("oss://models/text.txt")


def test_a_certificate_of_an_authority_that_is_not_trusted(make_connector, https_server):
    with pytest.raises(ConnectionError, match=re.escape("tls.caFile")):
        make_connector(https_server).open("oss://models/text.txt")


def test_advice_about_schemes_is_not_given_where_nobody_listens(make_connector):
    with refusing_port() as port:
        connector = make_connector(endpoint=f"http://127.0.0.1:{port}", config=TWICE)
        with pytest.raises(ConnectionError) as caught:
            connector.open("oss://models/text.txt")
    assert "write http" not in str(caught.value)


def test_an_anonymous_reader_needs_no_region():
    construct("https://oss-accelerate.aliyuncs.com", cred_provider=AnonymousCredentialsProvider())
