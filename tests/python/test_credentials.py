"""Providers and the credentials file: both shapes, renewal, and what is wrong with them."""

from __future__ import annotations

import json
import os
import pickle
import threading
import time
from datetime import datetime, timedelta, timezone

import alibabacloud_oss_v2
import oss2.credentials
import pytest
from ossmodelconnector import (
    AccessDeniedError,
    AnonymousCredentialsProvider,
    CredentialsError,
    OssModelConnector,
)
from ossmodelconnector._credentials_files import CredentialsFileProvider
from ossmodelconnector._keys import Keys, UnusableCredentialsError, adapt
from support.tries import HANG_SECONDS, once, wait_until

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
        by_method = Attributes(get_expiration=lambda end=expiration: end)
        assert adapt(by_method).expiration == end.timestamp()
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


@pytest.mark.parametrize("give", [None, Attributes(access_key_id=""), Attributes(expiration="1")])
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


def function():
    return Attributes()


class Asynchronous:
    async def get_credentials(self):
        return Attributes()


class TakesArguments:
    def get_credentials(self, config):
        return config


@pytest.mark.parametrize(
    ("provider", "way_out"),
    [
        ("id:secret", "cred_path="),
        (object(), "StaticCredentialsProvider(id, secret)"),
        (("id", "secret"), "not tuple; for a key pair"),
        ({"access_key_id": "id"}, "not dict; for a key pair"),
        (oss2.credentials.StaticCredentialsProvider, "call StaticCredentialsProvider(...) first"),
        (AnonymousCredentialsProvider, "call AnonymousCredentialsProvider(...) first"),
        (oss2.Auth("id", "secret"), "auth.credentials_provider"),
        (oss2.ProviderAuthV4(Attributes()), "an Auth signs requests of oss2"),
        (
            oss2.ProviderAuth(oss2.credentials.StaticCredentialsProvider("id", "secret")),
            "give its provider, auth.credentials_provider",
        ),
        (oss2.StsAuth("id", "secret", "token"), "with a token as its third argument"),
        (v2.Credentials("id", "secret"), "these are credentials, not what gives them"),
        (Getters(), "these are credentials, not what gives them"),
        (function, "CredentialsProviderFunc(function)"),
        (Asynchronous(), "must not be async"),
        (TakesArguments(), "not"),
    ],
)
def test_provider_of_the_wrong_type_is_told_what_to_write(make_connector, provider, way_out):
    shapes = r"get_credentials\(\).*oss2.*alibabacloud_oss_v2.*get_credential\(\)"
    with pytest.raises(TypeError, match=shapes) as caught:
        make_connector(cred_provider=provider)
    assert way_out in str(caught.value)
    assert "secret')" not in str(caught.value)


class ClientOfAlibabaCloud:
    """As alibabacloud_credentials has it: get_credential, and a get_credentials that makes one."""

    def __init__(self, credentials):
        self.credentials = credentials

    @staticmethod
    def get_credentials(config):
        raise AssertionError("for configurations")

    def get_credential(self):
        return self.credentials


def test_object_with_get_credential(make_connector, store, server):
    keys = v2.Credentials(server.access_key_id, server.access_key_secret)
    connector = make_connector(cred_provider=ClientOfAlibabaCloud(keys))
    assert connector.exists(store.uri("text.txt"))


def test_client_of_alibabacloud_credentials(make_connector, store, server):
    credentials = pytest.importorskip("alibabacloud_credentials.client")
    models = pytest.importorskip("alibabacloud_credentials.models")
    access_key_id, secret, token = server.sts
    config = models.Config(
        type="sts", access_key_id=access_key_id, access_key_secret=secret, security_token=token
    )
    for provider in (
        credentials.Client(config),
        credentials.Client(config).cloud_credential.provider,
    ):
        connector = make_connector(cred_provider=provider)
        assert connector.exists(store.uri("text.txt"))
        with pickle.loads(pickle.dumps(connector)) as copy:
            assert copy.exists(store.uri("text.txt"))


def test_client_that_cannot_be_pickled_is_told_of(make_connector):
    credentials = pytest.importorskip("alibabacloud_credentials.client")
    provider = pytest.importorskip("alibabacloud_credentials.provider")
    uri = provider.URLCredentialsProvider(uri="http://127.0.0.1:9/")
    connector = make_connector(cred_provider=credentials.Client(provider=uri))
    with pytest.raises(TypeError, match=r"alibabacloud_credentials\.client\.Client.*from_env"):
        pickle.dumps(connector)


def test_bearer_token_is_refused_in_words(make_connector, store):
    credentials = pytest.importorskip("alibabacloud_credentials.client")
    models = pytest.importorskip("alibabacloud_credentials.models")
    client = credentials.Client(models.Config(type="bearer", bearer_token="canary-51d0be"))
    with pytest.raises(CredentialsError, match="Client") as caught:
        make_connector(cred_provider=client).stat(store.uri("text.txt"))
    assert "canary-51d0be" not in str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        '{"AccessKeyId": "id", "AccessKeySecret": "canary-7f3a", "SecurityToken": "canary-51d0"}',
        "url: /?Action=AssumeRoleWithOIDC&OIDCToken=canary-7f3a&Format=JSON",
        "{'access_key_secret': 'canary-7f3a', 'sts_token': 'canary-51d0'}",
        r"{\"SecurityToken\":\"canary-51d0\"}",
    ],
)
def test_reply_in_a_providers_error_shows_no_secret(make_connector, store, caplog, said):
    connector = make_connector(cred_provider=Counting(RuntimeError(f"bad reply: {said} end")))
    with pytest.raises(CredentialsError, match="bad reply") as caught:
        connector.stat(store.uri("text.txt"))
    assert "canary" not in f"{caught.value}{caplog.text}"


# --- anonymity


@pytest.mark.parametrize("options", [{}, {"region": "cn-hangzhou"}])
def test_name_of_a_class_makes_nobody_anonymous(make_connector, store, server, options):
    keys = v2.Credentials(server.access_key_id, server.access_key_secret)
    kind = type("AnonymousCredentialsProvider", (), {"get_credentials": lambda _: keys})
    assert make_connector(cred_provider=kind(), **options).exists(store.uri("text.txt"))


class OurOwnDerived(AnonymousCredentialsProvider):
    pass


class TheSdksDerived(v2.AnonymousCredentialsProvider):
    pass


@pytest.mark.parametrize(
    "provider",
    [
        OurOwnDerived(),
        TheSdksDerived(),
        oss2.AnonymousAuth(),
        oss2.credentials.StaticCredentialsProvider("", ""),
        v2.StaticCredentialsProvider("", ""),
        Counting(v2.Credentials("", "")),
    ],
    ids=lambda provider: f"{type(provider).__module__}.{type(provider).__name__}",
)
def test_other_ways_to_be_anonymous(make_connector, store, public_store, provider):
    connector = make_connector(public_store, cred_provider=provider)
    assert connector.exists(public_store.uri("text.txt"))
    (request,) = public_store.served.log()[-1:]
    assert "authorization" not in {name.lower() for name in request.headers}
    with pytest.raises(AccessDeniedError):
        make_connector(cred_provider=provider).stat(store.uri("text.txt"))


# --- this machine's clock


def sts_keys(server, seconds_left):
    end = datetime.now(timezone.utc) + timedelta(seconds=seconds_left)
    return v2.Credentials(*server.sts, end)


def test_keys_that_seem_to_have_expired_are_for_the_store_to_judge(make_connector, store, server):
    provider = Counting(sts_keys(server, -600))
    connector = make_connector(cred_provider=provider)
    for key in store.keys("list/"):
        assert connector.open(store.uri(key)).read() == store[key]
    assert provider.calls <= 2


def test_file_whose_keys_seem_to_have_expired_is_for_the_store_to_judge(
    make_connector, store, server, tmp_path
):
    names = ("AccessKeyId", "AccessKeySecret", "SecurityToken")
    path = write_keys(
        tmp_path / "keys.json",
        **dict(zip(names, server.sts)),
        Expiration="2020-01-02T03:04:05Z",
    )
    connector = make_connector(cred_provider=None, cred_path=path)
    assert connector.exists(store.uri("text.txt"))


def test_store_is_asked_once_about_keys_that_seem_to_have_expired(make_connector, store, server):
    expired = sts_keys(server, -600)
    expired.security_token = "ended"
    provider = Counting(expired)
    connector = make_connector(cred_provider=provider)
    server.clear_log()
    with pytest.raises(CredentialsError) as caught:
        connector.stat(store.uri("text.txt"))
    assert caught.value.code == "InvalidSecurityToken"
    assert "the server has refused" in str(caught.value)
    with pytest.raises(CredentialsError, match="expired, by this machine's clock"):
        connector.stat(store.uri("text.txt"))
    assert len(server.log()) == 1
    provider.give = sts_keys(server, 600)

    def renewed():
        try:
            return connector.exists(store.uri("text.txt"))
        except CredentialsError:
            return False

    wait_until(renewed)


def test_from_env(store, server, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
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
