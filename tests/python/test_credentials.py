"""Providers and the credentials file: both shapes, renewal, and what is wrong with them."""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import datetime, timedelta, timezone

import alibabacloud_oss_v2
import oss2.credentials
import pytest
from ossmodelconnector import AccessDeniedError, AnonymousCredentialsProvider, CredentialsError
from ossmodelconnector._credentials import (
    CredentialsFileProvider,
    Keys,
    UnusableCredentialsError,
    adapt,
)
from support.tries import HANG_SECONDS, once

v2 = alibabacloud_oss_v2.credentials


class Getters:
    """As oss2 has it."""

    def get_access_key_id(self):
        return "id"

    def get_access_key_secret(self):
        return "secret"

    def get_security_token(self):
        return None


class Attributes:
    """As alibabacloud-oss-v2 has it."""

    def __init__(self, **fields):
        self.access_key_id = "id"
        self.access_key_secret = "secret"
        self.security_token = ""
        vars(self).update(fields)


class Counting:
    """A provider that counts its calls and can be told what to do."""

    def __init__(self, give):
        self.calls = 0
        self.give = give
        self.threads = set()

    def get_credentials(self):
        self.calls += 1
        self.threads.add(threading.current_thread())
        result = self.give() if callable(self.give) else self.give
        if isinstance(result, Exception):
            raise result
        return result


def test_adapt_takes_both_shapes():
    assert adapt(Getters()) == Keys("id", "secret", "", None)
    assert adapt(Attributes()) == Keys("id", "secret", "", None)
    assert adapt(Attributes(security_token=None)) == Keys("id", "secret", "", None)
    assert adapt(Attributes(security_token="token")) == Keys("id", "secret", "token", None)


def test_adapt_takes_both_forms_of_expiration():
    end = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(hours=1)
    for expiration in (end, end.replace(tzinfo=None), end.timestamp(), int(end.timestamp())):
        assert adapt(Attributes(expiration=expiration)).expiration == end.timestamp()
    assert adapt(Attributes(expiration=None)).expiration is None


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        (None, "None"),
        (object(), "no access_key_id"),
        (Attributes(access_key_id=""), "no access_key_id"),
        (Attributes(access_key_secret=None), "no access_key_secret"),
        (Attributes(access_key_id=5), "access_key_id as int"),
        (Attributes(access_key_secret="secret\n"), "access_key_secret with a blank, a line break"),
        (Attributes(security_token="t\r\nHost: x"), "security_token with a blank"),
        (Attributes(access_key_id="schlüssel"), "access_key_id with"),
        (Attributes(expiration="soon"), "expiration as str"),
        (Attributes(expiration=0), "expired at 1970-01-01T00:00:00Z"),
        (Attributes(expiration=datetime(2020, 1, 2, tzinfo=timezone.utc)), "expired at 2020-01-02"),
    ],
)
def test_adapt_says_what_is_wrong_without_showing_it(credentials, words):
    with pytest.raises(UnusableCredentialsError) as caught:
        adapt(credentials)
    assert words in str(caught.value)
    assert "Host" not in str(caught.value)


def test_keys_do_not_print_themselves():
    assert "secret" not in f"{adapt(Attributes())!r}{adapt(Attributes())}"


@pytest.mark.parametrize("sdk", ["oss2", "v2"])
def test_providers_of_the_sdks(make_connector, store, server, sdk, monkeypatch):
    static = (
        oss2.credentials.StaticCredentialsProvider
        if sdk == "oss2"
        else v2.StaticCredentialsProvider
    )
    provider = static(server.access_key_id, server.access_key_secret)
    assert make_connector(cred_provider=provider).exists(store.uri("text.txt"))

    monkeypatch.setenv("OSS_ACCESS_KEY_ID", server.access_key_id)
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", server.access_key_secret)
    monkeypatch.delenv("OSS_SESSION_TOKEN", raising=False)
    module = oss2.credentials if sdk == "oss2" else v2
    provider = module.EnvironmentVariableCredentialsProvider()
    assert make_connector(cred_provider=provider).exists(store.uri("text.txt"))


def test_provider_func_of_v2(make_connector, store, server):
    def give():
        return v2.Credentials(server.access_key_id, server.access_key_secret)

    provider = v2.CredentialsProviderFunc(give)
    assert make_connector(cred_provider=provider).exists(store.uri("text.txt"))


def test_sts_token_is_sent(make_connector, store, server):
    provider = oss2.credentials.StaticCredentialsProvider(*server.sts)
    for options in ({}, {"region": "cn-hangzhou"}):
        assert make_connector(cred_provider=provider, **options).exists(store.uri("text.txt"))
    without = oss2.credentials.StaticCredentialsProvider(*server.sts[:2])
    with pytest.raises(CredentialsError):
        make_connector(cred_provider=without).exists(store.uri("text.txt"))


def test_anonymous(make_connector, store, public_store):
    for provider in (AnonymousCredentialsProvider(), v2.AnonymousCredentialsProvider()):
        for options in ({}, {"region": "cn-hangzhou"}):
            connector = make_connector(public_store, cred_provider=provider, **options)
            with connector.open(public_store.uri("text.txt")) as reader:
                assert reader.read() == public_store["text.txt"]
            assert len(connector.list(public_store.bucket)) == len(public_store.keys())
        with pytest.raises(AccessDeniedError):
            make_connector(cred_provider=provider).stat(store.uri("text.txt"))


def test_provider_is_called_lazily_once_and_in_the_callers_thread(make_connector, store, server):
    provider = Counting(v2.Credentials(server.access_key_id, server.access_key_secret))
    connector = make_connector(cred_provider=provider)
    assert provider.calls == 0
    readers = connector.open_many(store.uri(key) for key in store.keys("list/"))
    for reader, key in zip(readers, store.keys("list/")):
        assert reader.read() == store[key]
    assert provider.calls == 1
    assert provider.threads == {threading.current_thread()}


def test_provider_that_fails_is_named_and_asked_again(make_connector, store, server):
    provider = Counting(RuntimeError("vault is sealed"))
    connector = make_connector(cred_provider=provider)
    with pytest.raises(CredentialsError, match=r"Counting.*RuntimeError.*vault is sealed"):
        connector.open(store.uri("text.txt"))
    provider.give = v2.Credentials(server.access_key_id, server.access_key_secret)
    deadline = time.monotonic() + 30
    while True:
        try:
            assert connector.exists(store.uri("text.txt"))
            break
        except CredentialsError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.parametrize("give", [None, Attributes(access_key_id=""), Attributes(expiration=1)])
def test_provider_that_gives_nothing_usable_is_an_error(make_connector, store, give):
    connector = make_connector(cred_provider=Counting(give))
    with pytest.raises(CredentialsError, match="credentials provider Counting gave"):
        connector.open(store.uri("text.txt"))


def test_provider_that_hangs_is_an_error_after_its_own_limit(make_connector, store):
    leave, entered = threading.Event(), threading.Event()
    connector = make_connector(cred_provider=Counting(lambda: entered.set() or leave.wait(60)))
    errors = []

    def ask():
        with pytest.raises(CredentialsError, match="has not answered for 10 s") as caught:
            connector.open(store.uri("text.txt"))
        errors.append(caught.value)

    caller = threading.Thread(target=ask)  # its provider is in its own thread: nothing ends that
    caller.start()
    assert entered.wait(HANG_SECONDS)
    begin = time.monotonic()
    with pytest.raises(CredentialsError, match="has not answered for 10 s"):
        connector.open(store.uri("text.txt"))
    assert 9 < time.monotonic() - begin < HANG_SECONDS
    leave.set()
    caller.join(HANG_SECONDS)
    assert len(errors) == 1


def test_failed_renewal_keeps_usable_keys(make_connector, store, server, caplog):
    def give():
        if provider.calls > 1:
            raise RuntimeError(f"no answer for {server.access_key_secret}")
        # Due for renewal in 3.4 s, good for 0.6 s more.
        good = v2.Credentials(server.access_key_id, server.access_key_secret)
        good.expiration = datetime.now(timezone.utc) + timedelta(seconds=4)
        return good

    def use_keys_that_are_not_renewed():
        nonlocal provider
        provider = Counting(give)
        connector = make_connector(cred_provider=provider)
        begin = time.monotonic()
        try:
            while provider.calls < 2:
                assert connector.exists(store.uri("text.txt"))
                time.sleep(0.02)
            assert connector.exists(store.uri("text.txt"))
        except CredentialsError:
            assert time.monotonic() - begin > 3.9  # they have come to their end
            return False
        finally:
            connector.close()
        return True

    provider = None
    once(use_keys_that_are_not_renewed, because="keys that are good for 0.6 s more may end first")
    assert server.access_key_secret not in caplog.text


def test_rotated_keys_are_picked_up_after_a_refusal(make_connector, store, server):
    keys = [
        v2.Credentials(server.access_key_id, "old-secret"),
        v2.Credentials(server.access_key_id, server.access_key_secret),
    ]
    provider = Counting(lambda: keys[min(provider.calls, 2) - 1])
    connector = make_connector(cred_provider=provider)
    with connector.open(store.uri("text.txt")) as reader:
        assert reader.read() == store["text.txt"]
    assert provider.calls == 2


def write_keys(path, **fields):
    path.write_text(json.dumps(fields))
    return path


def test_credentials_file(make_connector, store, server, tmp_path):
    path = write_keys(
        tmp_path / "keys.json",
        AccessKeyId=server.access_key_id,
        AccessKeySecret=server.access_key_secret,
        Code="Success",
    )
    for cred_path in (path, str(path)):
        connector = make_connector(cred_provider=None, cred_path=cred_path)
        assert connector.exists(store.uri("text.txt"))


def test_credentials_file_with_token_and_expiration(make_connector, store, server, tmp_path):
    end = datetime.now(timezone.utc) + timedelta(hours=1)
    access_key_id, secret, token = server.sts
    path = write_keys(
        tmp_path / "keys.json",
        AccessKeyId=access_key_id,
        AccessKeySecret=secret,
        SecurityToken=token,
        Expiration=end.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    keys = CredentialsFileProvider(path).get_credentials()
    assert keys.expiration == int(end.timestamp())
    assert make_connector(cred_provider=None, cred_path=path).exists(store.uri("text.txt"))


def test_replaced_credentials_file_is_read_after_a_refusal(make_connector, store, server, tmp_path):
    path = tmp_path / "keys.json"
    write_keys(path, AccessKeyId=server.access_key_id, AccessKeySecret="old-secret")
    connector = make_connector(cred_provider=None, cred_path=path)
    write_keys(path, AccessKeyId=server.access_key_id, AccessKeySecret=server.access_key_secret)
    assert connector.exists(store.uri("text.txt"))


def test_credentials_file_is_found_after_a_change_of_directory(
    make_connector, store, server, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write_keys(
        tmp_path / "keys.json",
        AccessKeyId=server.access_key_id,
        AccessKeySecret=server.access_key_secret,
    )
    provider = CredentialsFileProvider("keys.json")
    monkeypatch.chdir("/")
    assert provider.get_credentials().access_key_id == server.access_key_id


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "No such file"),
        ("", "not valid JSON"),
        ('{"AccessKeyId": "id", "AccessKeySecret": "canary-7f3a"', "not valid JSON (line 1)"),
        ("[]", "no JSON object"),
        ("{}", "has no AccessKeyId"),
        ('{"AccessKeyId": "id"}', "has no AccessKeySecret"),
        ('{"AccessKeyId": "", "AccessKeySecret": "canary-7f3a"}', "an empty AccessKeyId"),
        (
            '{"AccessKeyId": 1, "AccessKeySecret": "canary-7f3a"}',
            "AccessKeyId that is not a string",
        ),
        ('{"AccessKeyId": "id", "AccessKeySecret": "canary-7f3a\\n"}', "a line break"),
        (
            '{"AccessKeyId": "id", "AccessKeySecret": "canary-7f3a", "Expiration": "tomorrow"}',
            "'tomorrow', which is not like 2024-08-02T15:04:05Z",
        ),
        (
            '{"AccessKeyId": "id", "AccessKeySecret": "canary-7f3a", '
            '"Expiration": "2020-01-02T03:04:05Z"}',
            "expired at 2020-01-02T03:04:05Z",
        ),
        (b"\xff\xfe", "not UTF-8"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_faulty_credentials_file_is_told_at_construction(make_connector, tmp_path, text, words):
    path = tmp_path / "keys.json"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CredentialsError) as caught:
        make_connector(cred_provider=None, cred_path=path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "canary-7f3a" not in str(caught.value)


def test_credentials_file_that_is_a_directory(make_connector, tmp_path):
    with pytest.raises(CredentialsError, match="Is a directory"):
        make_connector(cred_provider=None, cred_path=tmp_path)


def test_exactly_one_source_of_credentials(make_connector, tmp_path):
    with pytest.raises(ValueError, match=r"cred_provider=.*cred_path=.*Anonymous"):
        make_connector(cred_provider=None)
    with pytest.raises(ValueError, match="not both"):
        make_connector(cred_path=tmp_path / "keys.json")


@pytest.mark.parametrize(
    "provider",
    ["id:secret", object(), {"get_credentials": 1}, oss2.credentials.StaticCredentialsProvider],
)
def test_provider_of_the_wrong_type(make_connector, provider):
    with pytest.raises(TypeError, match=r"get_credentials\(\).*oss2.*alibabacloud_oss_v2"):
        make_connector(cred_provider=provider)


def test_from_env(make_connector, store, server, monkeypatch):
    from ossmodelconnector import OssModelConnector

    for name in ("OSS_ENDPOINT", "OSS_REGION", "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("OSS_SESSION_TOKEN", raising=False)
    with pytest.raises(ValueError, match="OSS_ENDPOINT"):
        OssModelConnector.from_env()
    monkeypatch.setenv("OSS_ENDPOINT", server.endpoint)
    with pytest.raises(CredentialsError, match="OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET"):
        OssModelConnector.from_env()
    monkeypatch.setenv("OSS_REGION", "cn-hangzhou")
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", server.access_key_id)
    with pytest.raises(CredentialsError, match="set OSS_ACCESS_KEY_SECRET"):
        OssModelConnector.from_env()
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", server.access_key_secret)
    with OssModelConnector.from_env() as connector:
        assert connector.region == "cn-hangzhou"
        assert connector.exists(store.uri("text.txt"))
    with OssModelConnector.from_env(region="cn-beijing") as connector:
        assert connector.region == "cn-beijing"
    provider = AnonymousCredentialsProvider()
    with OssModelConnector.from_env(endpoint="https://127.0.0.1", cred_provider=provider) as other:
        assert "127.0.0.1" in other.endpoint
    access_key_id, secret, token = server.sts
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", access_key_id)
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", secret)
    monkeypatch.setenv("OSS_SESSION_TOKEN", token)
    with OssModelConnector.from_env() as connector:
        assert connector.exists(store.uri("text.txt"))
    assert os.environ["OSS_SESSION_TOKEN"] == token
