"""Files that `cred_path` takes beside our own JSON: those of aliyun-cli and of ossutil."""

from __future__ import annotations

import json

import pytest
from ossmodelconnector import CredentialsError
from ossmodelconnector._credentials_files import CredentialsFileProvider
from ossmodelconnector._keys import Keys

SECRET, TOKEN = "canary-7f3a9c", "canary-51d0be"


def keys_in(tmp_path, text, profile=""):
    path = tmp_path / "file"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return CredentialsFileProvider(path, profile).get_credentials()


def cli(*profiles, **top):
    return json.dumps({"current": "work", "profiles": list(profiles), "meta_path": "", **top})


def profile(name="work", mode="AK", **fields):
    keys = {"access_key_id": "id", "access_key_secret": SECRET, "sts_token": ""}
    return {"name": name, "mode": mode, **keys, "region_id": "cn-hangzhou", **fields}


OTHER = profile("default", access_key_id="other")
WITH_TOKEN = {"sts_token": TOKEN, "sts_expiration": 4070908800}
GOOD = {
    "own": (json.dumps({"AccessKeyId": "id", "AccessKeySecret": SECRET}), "", None),
    "aliyun-cli AK": (cli(OTHER, profile()), "", None),
    "aliyun-cli AK with a token left over": (cli(profile(**WITH_TOKEN)), "", None),
    "aliyun-cli StsToken": (cli(profile(mode="StsToken", **WITH_TOKEN)), TOKEN, 4070908800.0),
    "aliyun-cli StsToken without expiry": (
        cli(profile(mode="StsToken", sts_token=TOKEN, sts_expiration=0)),
        TOKEN,
        None,
    ),
    "aliyun-cli without a mode": (cli(profile(mode="", sts_token=TOKEN)), TOKEN, None),
    "aliyun-cli without current": (cli(profile("default"), current=""), "", None),
    "ossutil 1": (
        f"[Credentials]\nlanguage=EN\nendpoint=oss-cn-hangzhou.aliyuncs.com\naccessKeyID=id\n"
        f"accessKeySecret={SECRET}\n[Bucket-Endpoint]\nbucket=host\n",
        "",
        None,
    ),
    "ossutil 1, old names": (f"[Credentials]\naccessid = id\naccesskey = {SECRET}\n", "", None),
    "ossutil 1 with a token": (
        f"# written by ossutil\n[Credentials]\naccessKeyID=id\naccessKeySecret={SECRET}\n"
        f"stsToken={TOKEN}\n",
        TOKEN,
        None,
    ),
    "ossutil 2": (
        f"\n; a comment\n[default]\naccess-key-id = id\naccess-key-secret = {SECRET}\n"
        "region = cn-hangzhou\n",
        "",
        None,
    ),
    "ossutil 2, mode StsToken": (
        f"[ Profile   Default ]\nmode=StsToken\naccess_key_id=id\nAccessKeySecret={SECRET}\n"
        f"sts-token={TOKEN}\n",
        TOKEN,
        None,
    ),
    "ossutil 1 and 2 in one": (
        f"[default]\nregion=cn-hangzhou\n[Credentials]\naccessKeyID=id\naccessKeySecret={SECRET}\n",
        "",
        None,
    ),
    "SDKs": (
        f"[default]\nenable=true\ntype=sts\naccess_key_id=id\naccess_key_secret={SECRET}\n"
        f"security_token={TOKEN}\n",
        TOKEN,
        None,
    ),
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("form", ["as it is", "byte-order mark", "CRLF", "both", "no end of line"])
def test_file_is_read(tmp_path, name, form):
    text, token, expiration = GOOD[name]
    data = text.encode()
    if form in ("CRLF", "both"):
        data = data.replace(b"\n", b"\r\n")
    if form in ("byte-order mark", "both"):
        data = b"\xef\xbb\xbf" + data
    if form == "no end of line":
        data = data.rstrip()
    assert keys_in(tmp_path, data) == Keys("id", SECRET, token, expiration)


def test_profile_that_is_asked_for(tmp_path):
    assert keys_in(tmp_path, cli(OTHER, profile()), "default").access_key_id == "other"
    text = f"[default]\naccessKeyID=x\n[profile p]\naccessKeyID=id\naccessKeySecret={SECRET}\n"
    assert keys_in(tmp_path, text, "p").access_key_id == "id"


@pytest.mark.parametrize(
    "mode", ["RamRoleArn", "EcsRamRole", "OIDC", "CloudSSO", "OAuth", "External"]
)
def test_other_mode_is_named_with_the_way_out(tmp_path, mode):
    texts = [
        cli(profile(mode=mode)),
        f"[Credentials]\nmode={mode}\naccessKeyID=id\naccessKeySecret={SECRET}\n",
        f"[default]\ntype={mode}\naccess_key_id=id\naccess_key_secret={SECRET}\n",
    ]
    for text in texts:
        with pytest.raises(CredentialsError) as caught:
            keys_in(tmp_path, text)
        assert type(caught.value) is CredentialsError
        for part in (f"mode {mode!r}", "AK and StsToken", "ossmodelconnector[alibaba]", "Client()"):
            assert part in str(caught.value)
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (cli(OTHER), "has no profile 'work'"),
        (cli(), "has no profile 'work'"),
        (cli(profile(access_key_secret="")), "an empty access_key_secret in profile 'work'"),
        (cli({"name": "work"}), "no access_key_id in profile 'work'"),
        (cli(profile(access_key_secret=[SECRET])), "access_key_secret that is not a string"),
        (cli(None, 5, "x"), "has no profile 'work'"),
        ("[Bucket-Endpoint]\nb=h\n", "no section [Credentials] and no [default]"),
        (f"[Credentials]\naccessKeySecret={SECRET}\n", "no accessKeyID in section 'credentials'"),
        (f"[Credentials]\naccessKeyID=\n{SECRET}\n", "neither a section nor name=value in line 3"),
        (
            f"[default]\naccessKeyID=id\naccessKeySecret={SECRET} x\n",
            "access_key_secret with a blank",
        ),
        (f"accessKeyID=id\naccessKeySecret={SECRET}\n", "not valid JSON (line 1)"),
        ("[Credentials\naccessKeyID=id", "not valid JSON (line 1)"),
    ],
)
def test_faulty_file_is_told_without_what_it_holds(tmp_path, text, words):
    with pytest.raises(CredentialsError) as caught:
        keys_in(tmp_path, text)
    assert words in str(caught.value)
    assert str(tmp_path / "file") in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("form", ["aliyun-cli", "ossutil"])
def test_connector_takes_such_a_file(make_connector, store, server, tmp_path, form):
    keys = {"access_key_id": server.access_key_id, "access_key_secret": server.access_key_secret}
    text = cli(profile(**keys))
    if form == "ossutil":
        text = "[Credentials]\n" + "".join(f"{name} = {key}\r\n" for name, key in keys.items())
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert make_connector(cred_provider=None, cred_path=path).exists(store.uri("text.txt"))


def test_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "config.json").write_text(cli(profile()))
    assert CredentialsFileProvider("~/config.json").get_credentials().access_key_id == "id"
