"""Each thing that can be wrong gets its typed error, whose text names the thing and the way out."""

from __future__ import annotations

import errno
import json
import logging
import pickle
import shutil
import subprocess
import sys
import traceback
from contextlib import suppress

import oss2.credentials
import pytest
from ossmodelconnector import (
    AccessDeniedError,
    BucketNotFoundError,
    ConnectError,
    CredentialsError,
    ObjectChangedError,
    ObjectNotFoundError,
    OssError,
    OssModelConnector,
    TransferTimeoutError,
)
from support.ports import refusing_port, resetting_port

# Both signatures.
V1_V4 = pytest.mark.parametrize("options", [{}, {"region": "cn-hangzhou"}], ids=["V1", "V4"])


@pytest.fixture
def no_secrets(server, caplog, request):
    """Fails the test if a secret shows in a text, a repr, a traceback, or a record."""
    caplog.set_level(logging.DEBUG, "ossmodelconnector")
    secrets = {server.access_key_secret, server.sts[1], server.sts[2], "canary-7f3a"}
    seen = []

    def look(*things):
        for thing in things:
            seen.append(f"{thing} {thing!r}")
            if isinstance(thing, BaseException):
                seen.extend(traceback.format_exception(type(thing), thing, thing.__traceback__))
                seen.append(repr(vars(thing)))

    yield look
    text = "\n".join(seen) + caplog.text
    assert not [secret for secret in secrets if secret in text]


def failures(connector, uri):
    """All ways to meet the object, as (name of the way, its error)."""
    bucket = uri.split("/")[2]
    calls = {
        "open": lambda: connector.open(uri),
        "open_many": lambda: connector.open_many([uri]),
        "stat": lambda: connector.stat(uri),
        "text": lambda: connector.open(uri, False),
        "list": lambda: connector.list(bucket),
        "fast list": lambda: connector.list(bucket, "", True),
    }
    for name, call in calls.items():
        try:
            call()
        except Exception as error:
            yield name, error
        else:
            yield name, None


@V1_V4
def test_missing_key(make_connector, store, no_secrets, options):
    connector = make_connector(**options, config={"logLevel": 0})
    uri = store.uri("no such/key")
    for name, error in failures(connector, uri):
        if "list" in name:
            assert error is None
            continue
        assert type(error) is ObjectNotFoundError, name
        assert isinstance(error, FileNotFoundError)
        assert (error.uri, error.status, error.code) == (uri, 404, "NoSuchKey")
        assert error.request_id
        assert error.attempts == 1
        assert error.filename == uri
        for word in (uri, "404", "NoSuchKey", error.request_id):
            assert word in str(error), (name, word)
        no_secrets(error, connector)
    assert connector.exists(uri) is False


@V1_V4
def test_missing_bucket(make_connector, no_secrets, options):
    connector = make_connector(**options)
    for name, error in failures(connector, "oss://no-such-bucket/key"):
        assert type(error) is BucketNotFoundError, name
        assert isinstance(error, FileNotFoundError)
        assert error.code == "NoSuchBucket"
        assert "no-such-bucket" in str(error)
        no_secrets(error)
    with pytest.raises(BucketNotFoundError):
        connector.exists("oss://no-such-bucket/key")


@V1_V4
def test_wrong_secret(make_connector, store, server, no_secrets, options):
    provider = oss2.credentials.StaticCredentialsProvider(server.access_key_id, "canary-7f3a")
    connector = make_connector(**options, cred_provider=provider, config={"logLevel": 0})
    for name, error in failures(connector, store.uri("text.txt")):
        assert type(error) is CredentialsError, name
        assert isinstance(error, PermissionError)
        assert (error.status, error.code) == (403, "SignatureDoesNotMatch")
        assert "SignatureDoesNotMatch" in str(error)
        no_secrets(error, connector)


@V1_V4
def test_unknown_key_id(make_connector, store, no_secrets, options):
    provider = oss2.credentials.StaticCredentialsProvider("LTAI-unknown", "canary-7f3a")
    connector = make_connector(**options, cred_provider=provider)
    for name, error in failures(connector, store.uri("text.txt")):
        assert type(error) is CredentialsError, name
        assert error.code == "InvalidAccessKeyId"
        no_secrets(error)


@V1_V4
def test_wrong_token(make_connector, store, server, no_secrets, options):
    access_key_id, secret, _ = server.sts
    provider = oss2.credentials.StaticCredentialsProvider(access_key_id, secret, "canary-7f3a")
    connector = make_connector(**options, cred_provider=provider)
    for name, error in failures(connector, store.uri("text.txt")):
        assert type(error) is CredentialsError, name
        no_secrets(error)


@V1_V4
def test_no_permission(make_connector, denied, no_secrets, options):
    connector = make_connector(**options)
    for name, error in failures(connector, denied.uri("key")):
        assert type(error) is AccessDeniedError, name
        assert isinstance(error, PermissionError)
        assert (error.status, error.code) == (403, "AccessDenied")
        no_secrets(error)


@pytest.fixture(scope="module")
def denied(new_bucket, server):
    """A bucket that nobody may read."""
    store = new_bucket("denied")
    store.put("key", b"data")
    server.local.deny(store.bucket)
    return store


BAD_URIS = [
    "",
    "bucket/key",
    "s3://bucket/key",
    "OSS//bucket/key",
    "oss:/bucket/key",
    "oss://",
    "oss://bucket",
    "oss://bucket/",
    "oss:///key",
    "oss://Bucket/key",
    "oss://bu/key",
    "oss://-bucket/key",
    "oss://bucket-/key",
    "oss://bucket_1/key",
    "oss://" + "b" * 64 + "/key",
    "oss://bucket/" + "k" * 1024,
    "oss://bucket/" + "世" * 342,
    "oss://bucket/\ud800",
    " oss://bucket/key",
    "/tmp/file",
]


@pytest.mark.parametrize("uri", BAD_URIS, ids=lambda uri: ascii(uri)[:30])
def test_bad_uri(make_connector, uri):
    connector = make_connector()
    for call in (
        connector.open,
        connector.stat,
        connector.exists,
        lambda uri: connector.open(uri, False),
        lambda uri: connector.open_many([uri]),
    ):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are looked at below
            call(uri)
        assert not isinstance(caught.value, OSError)
        text = str(caught.value)
        assert "URI" in text or "oss://" in text or "bucket" in text or "key" in text
        assert len(text) < 3000
    assert connector.stats().requests == 0


@pytest.mark.parametrize("uri", [b"oss://bucket/key", None, 5, object(), ["oss://bucket/key"]])
def test_uri_of_the_wrong_type(make_connector, uri):
    connector = make_connector()
    for call in (connector.open, connector.stat, connector.exists):
        with pytest.raises(TypeError, match=type(uri).__name__):
            call(uri)


def test_bad_bucket_and_prefix(make_connector):
    connector = make_connector()
    for bucket in ("", "Bucket", "a/b", "oss://bucket", "bucket\n", "\ud800"):
        with pytest.raises(ValueError, match="bucket"):
            connector.list(bucket)
    for prefix in ("p" * 1024, "\udcff"):
        with pytest.raises(ValueError, match="prefix"):
            connector.list("bucket", prefix)
    for bucket, prefix in ((b"bucket", ""), ("bucket", b"prefix"), (None, ""), ("bucket", None)):
        with pytest.raises(TypeError):
            connector.list(bucket, prefix)
    # Who follows the description's words, not its examples.
    with pytest.raises(TypeError, match="fast comes third"):
        connector.list("bucket", True)
    assert connector.stats().requests == 0


def test_mode_for_binary(make_connector, store):
    connector = make_connector()
    for mode in ("r", "rb"):
        with pytest.raises(TypeError, match=r"binary must be a bool.*'r"):
            connector.open(store.uri("text.txt"), mode)


TWICE = {"retry": {"maxAttempts": 2}}


def test_host_that_does_not_exist(make_connector, no_secrets):
    connector = make_connector(
        endpoint="http://no-such-host.invalid", region="cn-hangzhou", config=TWICE
    )
    for name, error in failures(connector, "oss://bucket/key"):
        assert type(error) is ConnectError, name
        assert isinstance(error, ConnectionError)
        assert "no-such-host.invalid" in str(error)
        assert error.errno is None
        no_secrets(error, connector)


def test_server_down(make_connector, no_secrets):
    with refusing_port() as port:
        connector = make_connector(endpoint=f"http://127.0.0.1:{port}", config=TWICE)
        for name, error in failures(connector, "oss://bucket/key"):
            assert type(error) is ConnectError, name
            assert f"127.0.0.1:{port}" in str(error) or str(port) in str(error)
            assert error.attempts == 2
            assert error.errno == errno.ECONNREFUSED, name
            assert pickle.loads(pickle.dumps(error)).errno == errno.ECONNREFUSED
            no_secrets(error)


def test_server_that_resets_connections(make_connector, no_secrets):
    with resetting_port() as port:
        connector = make_connector(endpoint=f"http://127.0.0.1:{port}", config=TWICE)
        for name, error in failures(connector, "oss://bucket/key"):
            assert type(error) is ConnectError, name
            assert error.errno == errno.ECONNRESET, name
            assert pickle.loads(pickle.dumps(error)).errno == errno.ECONNRESET
            no_secrets(error)


def test_host_that_cannot_be_reached(make_connector, no_secrets):
    # Linux has no way to a broadcast address for TCP, whatever the machine's network.
    connector = make_connector(endpoint="http://255.255.255.255", config={**TWICE, "proxy": ""})
    for name, error in failures(connector, "oss://bucket/key"):
        assert type(error) is ConnectError, name
        assert error.errno == errno.ENETUNREACH, name
        no_secrets(error)


def test_server_that_says_nothing(make_connector, silent_endpoint, no_secrets):
    impatient = {**TWICE, "timeout": {"readSeconds": 0.3}}
    connector = make_connector(endpoint=silent_endpoint, config=impatient)
    for name, error in failures(connector, "oss://bucket/key"):
        assert type(error) is TransferTimeoutError, name
        assert isinstance(error, TimeoutError)
        what = "LIST oss://bucket/" if "list" in name else "oss://bucket/key"
        assert what in str(error), name
        assert "timeout.readSeconds" in str(error), name
        assert error.uri == ("oss://bucket/" if "list" in name else "oss://bucket/key")
        no_secrets(error)


def test_certificate_that_is_not_trusted(make_connector, https_server, store, no_secrets):
    connector = make_connector(https_server, config=TWICE)
    for name, error in failures(connector, store.uri("text.txt")):
        assert type(error) is ConnectError, name
        assert "certificate" in str(error).lower()
        assert error.attempts == 1
        no_secrets(error)


def test_certificates_of_a_directory_are_trusted(make_connector, https_server, tmp_path):
    https_server.local.create_bucket("secure")
    https_server.local.put_object("secure", "key", b"bytes")
    shutil.copy(https_server.ca_file, tmp_path / "ours.pem")
    subprocess.run(["openssl", "rehash", tmp_path], check=True)  # names them as OpenSSL looks
    connector = make_connector(https_server, config={"tls": {"caPath": str(tmp_path)}})
    with connector.open("oss://secure/key") as reader:
        assert reader.read() == b"bytes"


def test_http_to_an_https_port(make_connector, https_server, store):
    endpoint = https_server.endpoint.replace("https://", "http://")
    connector = make_connector(https_server, endpoint=endpoint, config=TWICE)
    for name, error in failures(connector, store.uri("text.txt")):
        assert isinstance(error, OssError), name


def test_overwritten_while_read(make_connector, store):
    store.put("errors/changed", b"old" * 100_000)
    connector = make_connector(
        config={"prefetch": {"chunkBytes": "16 KiB", "memoryBytes": "64 KiB", "vcpus": 1}}
    )
    with connector.open(store.uri("errors/changed")) as reader:
        assert reader.read(3) == b"old"
        store.put("errors/changed", b"new" * 100_000)
        with pytest.raises(ObjectChangedError) as caught:
            list(iter(lambda: reader.read(10_000), b""))
        assert caught.value.uri == store.uri("errors/changed")
    with connector.open(store.uri("errors/changed")) as reader:
        assert reader.read() == b"new" * 100_000


def test_deleted_while_read(make_connector, store):
    store.put("errors/deleted", b"old" * 100_000)
    connector = make_connector(
        config={"prefetch": {"chunkBytes": "16 KiB", "memoryBytes": "64 KiB", "vcpus": 1}}
    )
    with connector.open(store.uri("errors/deleted")) as reader:
        assert reader.read(3) == b"old"
        store.delete("errors/deleted")
        with pytest.raises((ObjectNotFoundError, ObjectChangedError)):
            reader.read()


def test_secrets_of_the_proxy_are_not_shown(make_connector, store, no_secrets):
    with refusing_port() as port:
        proxy = f"http://user:canary-7f3a@127.0.0.1:{port}"
        connector = make_connector(config={**TWICE, "proxy": proxy, "logLevel": 0})
        for name, error in failures(connector, store.uri("text.txt")):
            assert type(error) is ConnectError, name
            no_secrets(error, connector)
    faulty = f"{proxy}/path?x"
    with pytest.raises(ValueError, match="proxy") as caught:
        make_connector(config={"proxy": faulty})
    no_secrets(caught.value)


def test_secrets_of_configuration_and_credentials_are_not_shown(
    make_connector, server, tmp_path, no_secrets
):
    keys = {"AccessKeyId": server.access_key_id, "AccessKeySecret": server.access_key_secret}
    path = tmp_path / "keys.json"
    # The file passed for the wrong argument.
    path.write_text(json.dumps(keys))
    with pytest.raises(ValueError, match="AccessKeyId") as caught:
        make_connector(config_path=path)
    no_secrets(caught.value)
    path.write_text(json.dumps(keys)[:-1])
    with pytest.raises(CredentialsError) as broken:
        make_connector(cred_provider=None, cred_path=path)
    no_secrets(broken.value)
    provider = oss2.credentials.StaticCredentialsProvider(*server.sts)
    connector = make_connector(cred_provider=provider)
    no_secrets(connector, connector.stats(), vars(connector).get("_renewal"))


def test_provider_that_tells_its_secret_is_redacted(
    make_connector, store, server, no_secrets, caplog
):
    class Telling:
        calls = 0

        def get_credentials(self):
            self.calls += 1
            if self.calls > 1:
                raise RuntimeError(f"cannot renew {server.access_key_secret}\nnor anything")
            return oss2.credentials.Credentials(server.access_key_id, server.access_key_secret)

    connector = make_connector(cred_provider=Telling(), config={"logLevel": 0})
    assert connector.exists(store.uri("text.txt"))
    connector._renewal.ask()
    connector.close()
    assert "cannot renew [redacted] nor anything" in caplog.text
    no_secrets()


def test_constructor_never_calls_the_provider(make_connector):
    class Never:
        def get_credentials(self):
            raise AssertionError

    connector = make_connector(cred_provider=Never())
    assert isinstance(connector, OssModelConnector)


def test_the_text_of_each_error_stayed_in_memory(make_connector):
    connector = make_connector()

    def fail(times):
        for _ in range(times):
            with suppress(ValueError):
                connector.open("oss://bucket-without-a-key")

    fail(100)
    blocks = sys.getallocatedblocks()
    fail(1000)
    assert sys.getallocatedblocks() - blocks < 500
