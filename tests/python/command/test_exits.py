"""How the command ends: its exit codes, and the two lines that say what happened and what helps."""

from __future__ import annotations

import errno
import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ossmodelconnector import _errors as kinds
from ossmodelconnector import command
from ossmodelconnector.command._exits import Exit, failure_of
from ossmodelconnector.command._group import VERBS
from support.tries import HANG_SECONDS, wait_until

from ..conftest import LONG_TERM, STS
from .conftest import COMMAND

VERBS_THAT_READ = ["ls", "stat", "cat", "pull", "verify", "tensors", "bench"]


@pytest.fixture(scope="module")
def store(bucket):
    bucket.put("a.txt", b"a\n")
    return bucket


def test_the_codes_are_those_of_the_contract():
    assert {code.name: code.value for code in Exit} == {
        "RIGHT": 0,
        "FAILED": 1,
        "WRONG_USE": 2,
        "NOT_FOUND": 3,
        "NO_PERMISSION": 4,
        "WRONG_BYTES": 5,
        "NETWORK": 6,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("OssError", 1),
        ("ObjectNotFoundError", 3),
        ("BucketNotFoundError", 3),
        ("AccessDeniedError", 4),
        ("CredentialsError", 4),
        ("ObjectChangedError", 1),
        ("ChecksumError", 5),
        ("ObjectArchivedError", 1),
        ("ThrottledError", 6),
        ("ServerError", 6),
        ("TransferTimeoutError", 6),
        ("ConnectError", 6),
        ("ProtocolError", 6),
        ("MemoryBudgetError", 1),
    ],
)
def test_every_error_has_a_code_and_says_what_to_do(kind, code):
    error = getattr(kinds, kind)("it failed", uri="oss://bucket/a b")
    failure = failure_of(error, "pull")
    assert (failure.exit_code, failure.thing) == (code, "oss://bucket/a b")
    assert re.search(r"ossmc \w+|the same command|--config FILE", failure.next_step)


def test_no_kind_of_error_was_forgotten():
    (table,) = (
        mark.args[1]
        for mark in test_every_error_has_a_code_and_says_what_to_do.pytestmark
        if mark.name == "parametrize"
    )
    assert {name for name, _ in table} == set(kinds.__all__)


@pytest.mark.parametrize("verb", VERBS_THAT_READ)
def test_what_is_not_there(ossmc, store, verb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = ossmc(verb, store.uri("no/such"))
    assert (ran.code, ran.out) == (3, "")
    happened, step = ran.err.splitlines()
    assert happened.startswith("error: ")
    assert store.uri("no/such") in happened
    assert step == f"next: ossmc ls {store.uri('no/')}"
    error = ossmc(verb, store.uri("no/such"), "--format", "json").error
    assert error["exit_code"] == 3
    assert error["thing"].startswith(store.uri("no/such"))
    assert error["next"] == f"ossmc ls {store.uri('no/')}"


@pytest.mark.parametrize("verb", VERBS_THAT_READ)
def test_a_bucket_that_is_not_there(ossmc, verb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = ossmc(verb, "oss://no-such-bucket/a")
    assert ran.code == 3
    assert "no-such-bucket" in ran.err
    assert "next: " in ran.err


@pytest.mark.parametrize("verb", VERBS_THAT_READ)
def test_no_permission_and_wrong_keys(ossmc, store, verb, monkeypatch, server, tmp_path):
    monkeypatch.chdir(tmp_path)
    server.local.deny(store.bucket)
    try:
        ran = ossmc(verb, store.uri("a.txt"))
    finally:
        server.local.allow(store.bucket)
    assert (ran.code, ran.out) == (4, "")
    assert "AccessDenied" in ran.err
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", "canary-wrong-secret")
    ran = ossmc(verb, store.uri("a.txt"), "-v")
    assert ran.code == 4
    assert "SignatureDoesNotMatch" in ran.err
    assert "canary" not in ran.err


@pytest.mark.parametrize("verb", VERBS_THAT_READ)
def test_nobody_there(ossmc, store, verb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "once.json"
    config.write_text('{"retry": {"maxAttempts": 1}}')
    words = ("--endpoint", "http://127.0.0.1:9", "--config", config)
    ran = ossmc(verb, store.uri("a.txt"), *words)
    assert (ran.code, ran.out) == (6, "")
    assert "127.0.0.1" in ran.err
    assert "next: " in ran.err


@pytest.mark.parametrize("verb", VERBS_THAT_READ)
@pytest.mark.parametrize(
    "uri", ["", "models", "/a/b", "s3://bucket/a", "oss://", "oss:///a", "http://x/y"]
)
def test_what_is_no_uri(ossmc, server, verb, uri):
    server.clear_log()
    ran = ossmc(verb, uri)
    assert (ran.code, ran.out) == (2, "")
    assert "oss://BUCKET/" in ran.err
    assert server.log() == []


def test_wrong_use(ossmc, store, tmp_path, monkeypatch):
    assert "Did you mean verify?" in ossmc("verifi", store.uri("a.txt")).err
    for words in (
        ["nonsense"],
        ["ls"],
        ["ls", store.uri(""), "--nonsense"],
        ["ls", store.uri(""), "--format", "xml"],
        ["ls", store.uri(""), "--config", tmp_path / "missing"],
        ["ls", store.uri(""), "--credentials", tmp_path / "missing"],
        ["ls", store.uri(""), "--endpoint", "ftp://host"],
        ["ls", store.uri(""), "--region", "Hang Zhou"],
        ["ls", "oss://Bad_Bucket/"],
    ):
        ran = ossmc(*words)
        assert (ran.code, ran.out) == (2, ""), words
        assert "next: ossmc" in ran.err
        assert "Traceback" not in ran.err
    error = ossmc("ls", "--format", "json").error
    assert error["exit_code"] == 2
    assert error["next"] == "ossmc ls --help"
    monkeypatch.delenv("OSS_ENDPOINT")
    ran = ossmc("ls", store.uri(""))
    assert ran.code == 2
    assert "no endpoint is given" in ran.err
    assert "next: ossmc ls --endpoint https://" in ran.err


def test_no_credentials_at_all(ossmc, store, monkeypatch, tmp_path):
    monkeypatch.delenv("OSS_ACCESS_KEY_ID")
    monkeypatch.delenv("OSS_ACCESS_KEY_SECRET")
    monkeypatch.setenv("HOME", str(tmp_path))
    ran = ossmc("ls", store.uri(""))
    assert ran.code == 4
    assert "next: ossmc ls --credentials FILE" in ran.err


def test_options_that_all_verbs_have(ossmc, store, server, monkeypatch, tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_text(
        json.dumps(
            {"AccessKeyId": STS.access_key_id, "AccessKeySecret": STS.access_key_secret}
            | {"SecurityToken": STS.token}
        )
    )
    config = tmp_path / "config.json"
    config.write_text('{"prefetch": {"workers": 3}}')
    for name in ("OSS_ENDPOINT", "OSS_REGION", "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET"):
        monkeypatch.delenv(name)
    words = ["--endpoint", server.endpoint, "--region", "cn-hangzhou"]
    words += ["--credentials", keys, "--config", config]
    server.clear_log()
    for verb in VERBS_THAT_READ:
        ran = ossmc(
            verb, store.uri("a.txt"), *words, "-vv", *([tmp_path] if verb == "pull" else [])
        )
        assert ran.code == (5 if verb == "tensors" else 0), ran.err
        assert STS.access_key_secret not in ran.out + ran.err
        assert STS.token not in ran.out + ran.err
    assert all(STS.access_key_id in str(one.headers) for one in server.log())


def test_verbose_shows_the_log_and_quiet_shows_nothing(ossmc, store, monkeypatch):
    assert ossmc("stat", store.uri("a.txt"), "--format", "quiet") == (0, "", "")
    monkeypatch.delenv("OSS_REGION")
    ran = ossmc("stat", store.uri("a.txt"))
    assert "warning: " in ran.err
    assert "region=" in ran.err
    assert ossmc("stat", store.uri("a.txt"), "--format", "json").err == ""


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "doctor"])
def test_help_of_each_verb(ossmc, verb):
    ran = ossmc(verb, "--help")
    assert (ran.code, ran.err) == (0, "")
    for option in ("--format", "--endpoint", "--region", "--credentials", "--config", "-v"):
        assert option in ran.out


def test_help_names_all_verbs_and_codes(ossmc):
    ran = ossmc("--help")
    assert ran.code == 0
    assert [verb for verb in VERBS_THAT_READ if f"  {verb} " not in ran.out] == []
    assert "130 Ctrl-C" in " ".join(ran.out.split())
    assert re.fullmatch(r"ossmc \d+\.\d+\.\d+\S*\n", ossmc("--version").out)


def test_a_verb_imports_no_other(environment, store):
    code = "import sys; from ossmodelconnector.command import main; main(sys.argv[1:]);"
    code += "print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "stat", store.uri("a.txt")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=True,
    )
    imported = set(done.stdout.split())
    assert "ossmodelconnector.command._stat" in imported
    others = {f"ossmodelconnector.command._{verb}" for verb in VERBS} - {
        "ossmodelconnector.command._stat"
    }
    assert imported & others == set()
    assert imported & {"numpy", "torch", "aiohttp", "fsspec", "rich.progress"} == set()


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_its_extra_it_names_it_in_one_line(environment, tmp_path, missing):
    (tmp_path / f"{missing}.py").write_text(f"raise ModuleNotFoundError('no', name={missing!r})")
    environ = {**environment, "PYTHONPATH": f"{tmp_path}:{environment['PYTHONPATH']}"}
    done = subprocess.run(
        [*COMMAND, "ls", "oss://bucket/"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"ossmc needs {missing}: pip install 'ossmodelconnector[cli]'\n"


def test_ctrl_c_while_it_waits(environment, silent_endpoint):
    words = [*COMMAND, "ls", "oss://bucket/", "--endpoint", silent_endpoint]
    process = subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    task = Path(f"/proc/{process.pid}/task")
    wait_until(lambda: any("ossmc-list" in (one / "comm").read_text() for one in task.iterdir()))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=HANG_SECONDS)
    assert (process.returncode, out) == (130, "")
    assert err == "error: stopped by Ctrl-C\n"


@pytest.mark.parametrize("verb", ["cat", "verify", "bench"])
def test_ctrl_c_while_bytes_come(environment, slow_store, verb):
    words = [*COMMAND, verb, slow_store.uri("large.bin")]
    environ = {**environment, "OSS_ENDPOINT": slow_store.served.endpoint}
    environ["OSS_ACCESS_KEY_SECRET"] = LONG_TERM.access_key_secret
    slow_store.served.clear_log()
    process = subprocess.Popen(
        words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: any(one.method == "GET" and one.key for one in slow_store.served.log()))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 130
    assert err.endswith("error: stopped by Ctrl-C\n")
    assert "Traceback" not in err


def test_stdout_that_is_full(environment, store):
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "cat", store.uri("a.txt")],
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
    assert done.returncode == 1
    assert os.strerror(errno.ENOSPC) in done.stderr
    assert "Traceback" not in done.stderr


def test_the_scripts_are_those_of_the_contract():
    try:
        found = importlib.metadata.distribution("ossmodelconnector").entry_points
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("run from the source tree: the distribution is not installed")
    ours = {one.name: one.value for one in found if one.group == "console_scripts"}
    assert ours == dict.fromkeys(["ossmc", "ossmodelconnector"], "ossmodelconnector.command:main")
    assert callable(command.main)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(environment, shell):
    def complete(how, **more):
        program = "import sys; sys.argv[0] = 'ossmc'\n"
        program += "from ossmodelconnector.command import main; sys.exit(main())"
        return subprocess.run(
            [sys.executable, "-c", program],
            env={**environment, "_OSSMC_COMPLETE": f"{shell}_{how}", **more},
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        ).stdout

    assert "_OSSMC_COMPLETE" in complete("source")
    word = "ver" if shell == "fish" else "1"  # the word itself, or its place
    assert "verify" in complete("complete", COMP_WORDS="ossmc ver", COMP_CWORD=word)
