"""Where `from_env` finds keys, beside our own variables: RRSA, profiles, the ECS role, a URI."""

from __future__ import annotations

import contextlib
import json
import logging
import pickle
import socket
import subprocess
import sys
import threading
import time

import pytest
from ossmodelconnector import CredentialsError, OssModelConnector, _credentials_metadata
from ossmodelconnector._credentials_chain import DefaultChain
from ossmodelconnector._credentials_metadata import CredentialsUri, EcsRole, NoMetadataError
from support.certificates import Authority
from support.key_service import KeyService, keys_document, metadata
from support.relay import ForwardProxy, SilentServer
from support.tries import once_within

ROLE = ("STS.role", "canary-secret-7f3a9c", "canary-token-51d0be")


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch, tmp_path):
    """A machine that has no keys; its metadata service is one that refuses connections."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED")
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        monkeypatch.setattr(_credentials_metadata, "ADDRESS", nobody_listens.getsockname())
        yield


@pytest.fixture
def make(server, monkeypatch):
    made = []

    def make(**options):
        made.append(
            OssModelConnector.from_env(endpoint=server.endpoint, region="cn-hangzhou", **options)
        )
        return made[-1]

    yield make
    for connector in made:
        connector.close()


@pytest.fixture
def metadata_of(monkeypatch):
    """Starts a metadata service in the place of the machine's own."""
    services = []

    def start(answer):
        service = KeyService(answer)
        services.append(service)
        monkeypatch.setattr(_credentials_metadata, "ADDRESS", ("127.0.0.1", service.port))
        return service

    yield start
    for service in services:
        service.__exit__()


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


# --- variables


def test_variables_of_alibaba_cloud(make, store, server, monkeypatch):
    names = ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")
    for name, value in zip(names, server.sts):
        monkeypatch.setenv(f"ALIBABA_CLOUD_{name}", value)
    assert make().exists(store.uri("text.txt"))


def test_our_own_variables_come_first(make, store, server, monkeypatch):
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "other")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "other")
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", server.access_key_id)
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", server.access_key_secret)
    assert make().exists(store.uri("text.txt"))


@pytest.mark.parametrize("prefix", ["OSS_", "ALIBABA_CLOUD_"])
def test_half_a_pair_is_told_at_once(make, monkeypatch, prefix):
    monkeypatch.setenv(f"{prefix}ACCESS_KEY_ID", "id")
    with pytest.raises(CredentialsError, match=f"set {prefix}ACCESS_KEY_SECRET too"):
        make()
    monkeypatch.setenv(f"{prefix}ACCESS_KEY_SECRET", f"{ROLE[1]}\n")
    with pytest.raises(CredentialsError, match=f"{prefix}ACCESS_KEY_ID.* a line break") as caught:
        make()
    assert ROLE[1] not in str(caught.value)


def test_nothing_at_all_names_all_that_was_looked_for(make, monkeypatch, tmp_path):
    with pytest.raises(CredentialsError) as caught:
        make()
    text = str(caught.value)
    for name in (
        "OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET",
        "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET",
        "RRSA (ALIBABA_CLOUD_ROLE_ARN",
        str(tmp_path / ".aliyun" / "config.json"),
        str(tmp_path / ".alibabacloud" / "credentials.ini"),
        "the ECS RAM role (no answer from 127.0.0.1: ConnectionRefusedError)",
        "ALIBABA_CLOUD_CREDENTIALS_URI",
        "cred_provider or cred_path",
    ):
        assert name in text
    monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "True")
    monkeypatch.setenv("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/r")
    with pytest.raises(CredentialsError, match=r"the ECS RAM role \(disabled\)") as caught:
        make()
    assert "RRSA (ALIBABA_CLOUD_OIDC_PROVIDER_ARN," in str(caught.value)  # what is lacking


def test_none_is_as_good_as_not_given(server, store, monkeypatch):
    monkeypatch.setenv("OSS_ENDPOINT", server.endpoint)
    monkeypatch.setenv("OSS_REGION", "cn-beijing")
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", server.access_key_id)
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", server.access_key_secret)
    names = ("endpoint", "region", "cred_path", "config_path", "cred_provider", "config")
    with OssModelConnector.from_env(**dict.fromkeys(names)) as connector:
        assert connector.region == "cn-beijing"
    https = server.endpoint.replace("http:", "https:")
    with (
        pytest.warns(UserWarning, match="give region="),
        OssModelConnector(https, None, None, DefaultChain(), region=None, config=None) as connector,
    ):
        assert "signature V1" in repr(connector)


# --- the ECS RAM role


@pytest.mark.parametrize("knows_tokens", [True, False], ids=["IMDSv2", "IMDSv1"])
def test_ecs_role(make, store, server, metadata_of, knows_tokens):
    service = metadata_of(metadata(server.sts, knows_tokens=knows_tokens))
    connector = make()
    assert [asked.method for asked in service.asked] == ["PUT", "GET", "GET"]
    assert connector.exists(store.uri("text.txt"))
    assert len(service.asked) == 3  # what from_env found serves the first request


def test_ecs_role_that_is_named_is_not_asked_for(metadata_of, monkeypatch):
    service = metadata_of(metadata(ROLE, role="reader"))
    monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA", "reader")
    keys = DefaultChain().get_credentials()
    assert keys[:3] == ROLE
    assert 3000 < keys.expiration - time.time() <= 3600
    assert [asked.target.rpartition("/")[2] for asked in service.asked] == ["token", "reader"]


def test_imdsv1_is_not_used_where_it_is_forbidden(make, metadata_of, monkeypatch):
    service = metadata_of(metadata(ROLE, knows_tokens=False))
    monkeypatch.setenv("ALIBABA_CLOUD_IMDSV1_DISABLED", "true")
    with pytest.raises(CredentialsError, match=r"no token \(status 405\).*IMDSV1_DISABLED"):
        make()
    assert [asked.method for asked in service.asked] == ["PUT"]


def test_token_that_does_not_reach_a_container_is_done_without(metadata_of):
    answers = metadata(ROLE, knows_tokens=False)
    metadata_of(lambda asked: None if asked.method == "PUT" else answers(asked))
    assert EcsRole().get_credentials()[:3] == ROLE


def test_metadata_disabled_is_not_asked(make, metadata_of, monkeypatch):
    service = metadata_of(metadata(ROLE))
    monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
    with pytest.raises(CredentialsError):
        make()
    assert service.asked == []


def test_instance_without_a_role_says_so(metadata_of):
    metadata_of(metadata(ROLE, role=""))
    with pytest.raises(NoMetadataError, match="has none: status 404"):
        EcsRole().get_credentials()


def test_portal_that_answers_everything_is_no_metadata_service(metadata_of):
    metadata_of(lambda _: (200, "<html>log in</html>"))
    with pytest.raises(NoMetadataError, match="names none"):
        EcsRole().get_credentials()


def trickle(sock):
    """Sends a byte of a reply every 100 ms."""
    with sock, contextlib.suppress(OSError):
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000:
            sock.sendall(bytes([byte]))
            time.sleep(0.1)


@pytest.mark.parametrize("kind", ["silent", "full", "trickling"])
def test_laptop_is_told_after_a_second(kind, monkeypatch):
    with SilentServer() as silent, socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = ("127.0.0.1", silent.port) if kind == "silent" else full.getsockname()
        clients = []
        if kind == "full":  # its queue takes no more: as if packets were dropped
            clients = [socket.socket() for _ in range(3)]
            for client in clients:
                client.setblocking(False)
                client.connect_ex(address)
        if kind == "trickling":

            def accept():
                with contextlib.suppress(OSError):
                    while True:
                        sock, _ = full.accept()
                        threading.Thread(target=trickle, args=(sock,), daemon=True).start()

            threading.Thread(target=accept, daemon=True).start()
        monkeypatch.setattr(_credentials_metadata, "ADDRESS", address)

        def attempt():
            begin = time.monotonic()
            with pytest.raises(NoMetadataError, match=r"no answer from 127\.0\.0\.1"):
                EcsRole().get_credentials()
            return time.monotonic() - begin

        once_within(1.3, attempt, because="the docs say a second")
        for client in clients:
            client.close()
        full.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("proxy", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_metadata_is_not_asked_for_through_a_proxy(metadata_of, monkeypatch, proxy):
    metadata_of(metadata(ROLE))
    monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    assert EcsRole().get_credentials()[:3] == ROLE


# --- a credentials URI


def test_credentials_uri(make, store, server, monkeypatch):
    with KeyService(lambda _: (200, keys_document(server.sts))) as service:
        uri = f"http://127.0.0.1:{service.port}/api/v1/credentials/0?role=r%20x"
        monkeypatch.setenv("ALIBABA_CLOUD_CREDENTIALS_URI", uri)
        assert make().exists(store.uri("text.txt"))
        assert service.asked[0].target == "/api/v1/credentials/0?role=r%20x"


def test_credentials_uri_over_tls(monkeypatch, tmp_path):
    authority = Authority(tmp_path)
    with KeyService(lambda _: (200, keys_document(ROLE)), authority.serve()) as service:
        source = CredentialsUri(f"https://127.0.0.1:{service.port}/keys")
        with pytest.raises(CredentialsError, match="gave no answer: SSLCertVerificationError"):
            source.get_credentials()
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
        assert source.get_credentials()[:3] == ROLE


def test_credentials_uri_that_fails_now_and_then(monkeypatch):
    answers = [(503, ""), None, (200, keys_document(ROLE))]
    monkeypatch.setattr(_credentials_metadata, "_URI_SECONDS", 0.3)
    with KeyService(lambda _: answers.pop(0)) as service:
        source = CredentialsUri(f"http://127.0.0.1:{service.port}")
        assert source.get_credentials()[:3] == ROLE


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((404, ROLE[1]), "gave status 404"),
        ((500, ROLE[1]), "gave status 500"),
        ((200, "<html>"), "no JSON"),
        ((200, "[1]"), "no JSON object"),
        ((200, keys_document(ROLE, Code="NoPermission")), "gave Code 'NoPermission'"),
        ((200, keys_document(ROLE, AccessKeyId="")), "no JSON with AccessKeyId"),
        ((200, keys_document(ROLE, AccessKeyId="a b")), "a blank"),
        ((200, keys_document(ROLE, Expiration=ROLE[1])), "no JSON with AccessKeyId"),
        ((200, "[" * 30_000), "no JSON"),
    ],
)
def test_credentials_uri_that_gives_none_shows_nothing_of_its_answer(answer, words):
    with KeyService(lambda _: answer) as service:
        source = CredentialsUri(f"http://127.0.0.1:{service.port}/?secret={ROLE[1]}")
        with pytest.raises(CredentialsError, match=words) as caught:
            source.get_credentials()
    text = str(caught.value)
    assert f"ALIBABA_CLOUD_CREDENTIALS_URI (127.0.0.1:{service.port})" in text
    assert ROLE[1] not in text
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize(
    "uri",
    [
        "localhost:7002/x",
        "ftp://h/x",
        "http://h:port/",
        "http:///x",
        "http://[::1",
        "https://a..b/",
        ROLE[1],
        f"http://{'h' * 64}/{ROLE[1]}",
        f"http://h/\udcff{ROLE[1]}",
    ],
)
def test_credentials_uri_that_is_none(uri):
    with pytest.raises(CredentialsError, match="no URL like http://") as caught:
        CredentialsUri(uri).get_credentials()
    assert ROLE[1] not in str(caught.value)


# --- RRSA, through alibabacloud_credentials


@pytest.fixture
def sts(monkeypatch, tmp_path):
    """STS, and a pod with RRSA that asks it."""
    pytest.importorskip("alibabacloud_credentials")
    token_file = tmp_path / "oidc"
    token_file.write_text("oidc-token-canary-9d21")
    with KeyService(lambda _: (500, "")) as service:
        variables = {
            "ROLE_ARN": "acs:ram::1:role/r",
            "OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/p",
            "OIDC_TOKEN_FILE": str(token_file),
            "STS_ENDPOINT": f"http://127.0.0.1:{service.port}",
        }
        for name, value in variables.items():
            monkeypatch.setenv(f"ALIBABA_CLOUD_{name}", value)
        yield service


def test_rrsa(make, store, server, sts):
    reply = json.dumps({"Credentials": json.loads(keys_document(server.sts))})
    sts.answer = lambda _: (200, reply)
    threads = set(threading.enumerate())
    connector = make()
    assert connector.exists(store.uri("text.txt"))
    (asked,) = sts.asked
    for part in ("AssumeRoleWithOIDC", "role%2Fr", "oidc-token-canary-9d21", "ossmodelconnector"):
        assert part in asked.target
    assert not [one for one in set(threading.enumerate()) - threads if "APS" in one.name]
    assert connector._configuration.provider.found.expiration > time.time() + 3000


@pytest.mark.parametrize(
    "answer",
    [
        (403, '{"Code": "AuthenticationFail.OIDCToken.Expired"}'),
        (200, json.dumps({"Credentials": {"AccessKeySecret": ROLE[1], "SecurityToken": ROLE[2]}})),
        (200, json.dumps({"AccessKeyId": "i", "AccessKeySecret": ROLE[1]})),
    ],
)
def test_rrsa_that_fails_is_the_end_and_shows_no_secret(make, sts, metadata_of, capfd, answer):
    service = metadata_of(metadata(ROLE))
    sts.answer = lambda _: answer
    with pytest.raises(CredentialsError, match="RRSA") as caught:
        make()
    out, err = capfd.readouterr()
    said = f"{caught.value}{out}{err}"
    for secret in (ROLE[1], ROLE[2], "oidc-token-canary-9d21"):
        assert secret not in said
    assert err == ""  # the package's log handler has nothing to say
    assert service.asked == []  # no other identity in its place


def test_sts_of_the_region_over_tls_and_a_broken_connection_shows_no_token(make, sts, monkeypatch):
    monkeypatch.delenv("ALIBABA_CLOUD_STS_ENDPOINT")
    monkeypatch.setenv("ALIBABA_CLOUD_STS_REGION", "cn-hangzhou")
    monkeypatch.setenv("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "true")
    with ForwardProxy("127.0.0.1", sts.port) as proxy:  # STS speaks no TLS here
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(CredentialsError, match="RRSA") as caught:
            make()
    assert proxy.hosts == {"sts-vpc.cn-hangzhou.aliyuncs.com:443"}
    assert "oidc-token-canary-9d21" not in str(caught.value)


def test_rrsa_without_its_token_file_names_the_variable(make, sts, monkeypatch, tmp_path):
    monkeypatch.setenv("ALIBABA_CLOUD_OIDC_TOKEN_FILE", str(tmp_path / "gone"))
    with pytest.raises(CredentialsError, match=r"ALIBABA_CLOUD_OIDC_TOKEN_FILE.*no file .*gone"):
        make()


@pytest.fixture
def without_the_package(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("alibabacloud_credentials")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "alibabacloud_credentials", None)


def test_rrsa_without_the_package_says_what_to_install(make, sts, without_the_package):
    with pytest.raises(CredentialsError, match=r"RRSA.*pip install 'ossmodelconnector\[alibaba\]'"):
        make()


def test_nothing_found_without_the_package_says_what_to_install(make, without_the_package):
    with pytest.raises(CredentialsError, match=r"pip install 'ossmodelconnector\[alibaba\]'"):
        make()


# --- profiles


def cli_profile(server, **fields):
    keys = {"access_key_id": server.access_key_id, "access_key_secret": server.access_key_secret}
    profile = {"name": "work", "mode": "AK", **keys, **fields}
    return json.dumps({"current": "work", "profiles": [profile]})


def test_profile_of_aliyun_cli(make, store, server, tmp_path, monkeypatch):
    write(tmp_path / ".aliyun" / "config.json", cli_profile(server))
    assert make().exists(store.uri("text.txt"))
    monkeypatch.setenv("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true")
    with pytest.raises(CredentialsError, match="looked for"):
        make()


def test_profile_of_the_sdks(make, store, server, tmp_path, monkeypatch):
    path = write(
        tmp_path / "elsewhere" / "keys.ini",
        f"[prod]\ntype = access_key\naccess_key_id = {server.access_key_id}\n"
        f"access_key_secret = {server.access_key_secret}\n",
    )
    monkeypatch.setenv("ALIBABA_CLOUD_CREDENTIALS_FILE", str(path))
    monkeypatch.setenv("ALIBABA_CLOUD_PROFILE", "prod")
    assert make().exists(store.uri("text.txt"))


def test_profile_that_cannot_be_used_is_passed_over_with_a_warning(
    make, store, server, tmp_path, metadata_of, caplog
):
    metadata_of(metadata(server.sts))
    write(tmp_path / ".aliyun" / "config.json", cli_profile(server, access_key_id=""))
    with caplog.at_level(logging.WARNING, logger="ossmodelconnector"):
        assert make().exists(store.uri("text.txt"))
    assert "an empty access_key_id in profile 'work'" in caplog.text
    assert server.access_key_secret not in caplog.text


def test_profile_of_another_mode_without_the_package(make, server, tmp_path, without_the_package):
    write(tmp_path / ".aliyun" / "config.json", cli_profile(server, mode="RamRoleArn"))
    needs = r"mode 'RamRoleArn' in profile 'work', needs pip install 'ossmodelconnector\[alibaba\]'"
    with pytest.raises(CredentialsError, match=needs) as caught:
        make()
    assert "looked for OSS_ACCESS_KEY_ID" in str(caught.value)


def test_profile_of_another_mode_goes_through_the_package(make, store, server, tmp_path):
    package = pytest.importorskip("alibabacloud_credentials.provider")
    if not hasattr(package, "ExternalCredentialsProvider"):
        pytest.skip("a package that does not know the mode")
    program = tmp_path / "give_keys"
    given = {"mode": "StsToken", "expiration": "2099-01-01T00:00:00Z"}
    given.update(zip(("access_key_id", "access_key_secret", "sts_token"), server.sts))
    program.write_text(f"#!/bin/sh\necho '{json.dumps(given)}'\n")
    program.chmod(0o700)
    text = cli_profile(server, mode="External", process_command=str(program))
    write(tmp_path / ".aliyun" / "config.json", text)
    assert make().exists(store.uri("text.txt"))


# --- what else a provider must do


def test_what_gave_keys_once_is_asked_again(metadata_of, monkeypatch):
    with KeyService(lambda _: (200, keys_document(ROLE))) as service:
        monkeypatch.setenv("ALIBABA_CLOUD_CREDENTIALS_URI", f"http://127.0.0.1:{service.port}")
        chain = DefaultChain()
        chain.get_credentials()
        metadata_of(metadata(("other", "other", "other")))
        assert chain.get_credentials()[:3] == ROLE
        assert len(service.asked) == 2


def test_connector_with_a_role_pickles_as_how_to_find_it(make, store, server, metadata_of):
    service = metadata_of(metadata(server.sts))
    pickled = pickle.dumps(make())
    assert server.sts[1].encode() not in pickled
    service.asked.clear()
    with pickle.loads(pickled) as copy:
        assert service.asked == []
        assert copy.exists(store.uri("text.txt"))
        assert len(service.asked) == 3


def test_secrets_of_a_role_are_in_no_record(make, store, metadata_of, caplog):
    metadata_of(metadata(ROLE))
    with caplog.at_level(logging.DEBUG), pytest.raises(CredentialsError) as caught:
        make().stat(store.uri("text.txt"))
    for secret in ROLE[1:]:
        assert secret not in f"{caplog.text}{caught.value}{caught.value!r}"


def test_importing_the_package_takes_none_of_the_libraries_for_keys():
    program = (
        "import sys, ossmodelconnector; "
        "print([name for name in ('alibabacloud_credentials', 'requests', 'aiohttp', 'oss2')"
        " if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
