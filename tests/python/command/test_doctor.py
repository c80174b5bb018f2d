"""`doctor` names the cause: each test has a real server, proxy or limit in the state it names."""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import pty
import resource
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from email.utils import formatdate
from pathlib import Path

import ossmodelconnector
import pytest
from ossmodelconnector.command.doctor import CHECKS
from ossmodelconnector.command.doctor._proxy import is_left_out as no_proxy_has
from ossmodelconnector.local import Credential, LocalServer, Reply
from support.certificates import Authority
from support.fault_server import FaultServer
from support.ports import refusing_port
from support.relay import ForwardProxy, Relay, SilentServer
from support.tries import HANG_SECONDS

from .conftest import COMMAND

KEY = Credential("LTAI5tDoctorTest", "canary-doctor-secret-9f")
STS = Credential("STS.NUDoctorTest", "canary-doctor-sts-9f", "canary-doctor-token-9f")
ENDED = Credential("STS.NUDoctorEnded", "canary-doctor-ended-9f", "canary-token-ended-9f", 1.0)
PROXY_PASSWORD = "canary-proxy-password-9f"
SECRETS = [
    *(secret for key in (KEY, STS, ENDED) for secret in (key.access_key_secret, key.token)),
    PROXY_PASSWORD,
]
MiB = 1 << 20
URI = "oss://models/qwen/"


def fill(server):
    server.create_bucket("models")
    for i in range(3):
        server.put_object("models", f"qwen/{i}.bin", os.urandom(2 * MiB))
    return server


@pytest.fixture(scope="module")
def store():
    with LocalServer(credentials=(KEY, STS, ENDED)) as server:
        yield fill(server)


@pytest.fixture(scope="module")
def secure_store():
    with LocalServer(credentials=(KEY, STS), tls=True) as server:
        yield fill(server)


@pytest.fixture
def own_store():
    """For a test that changes how it answers."""
    with LocalServer(credentials=(KEY,)) as server:
        yield fill(server)


class Report:
    """What the doctor found, in JSON."""

    def __init__(self, ran):
        self.ran = ran
        assert ran.err == "", ran.err
        self.document = json.loads(ran.out)
        self.checks = {check["check"]: check for check in self.document["checks"]}
        assert list(self.checks) == [check.name for check in CHECKS]
        assert self.document["exit_code"] == ran.code
        assert [secret for secret in SECRETS if secret and secret in ran.out] == []
        # What to type next has none, so that nothing in it may look like one.
        assert [one for one in self.checks.values() if "[redacted]" in one["next"]] == []

    def verdict(self, name):
        return self.checks[name]["verdict"]

    def says(self, name, *words, verdict="failed"):
        """That check has the verdict, and its evidence and way out hold the words."""
        check = self.checks[name]
        assert check["verdict"] == verdict, self.ran.out
        text = f"{check['evidence']} | {check['next']}"
        assert [word for word in words if word not in text] == [], text
        if verdict in ("failed", "warning"):
            assert check["next"], name

    def first_failure(self):
        return next((n for n, check in self.checks.items() if check["verdict"] == "failed"), None)


@pytest.fixture
def diagnose(run_ossmc):
    """diagnose(endpoint, *words, key=, env={}): runs the doctor, and returns its report."""

    def run(endpoint, *words, uri=URI, key=KEY, env=None, **options):
        environ = {"OSS_ENDPOINT": endpoint, "NO_PROXY": "", "no_proxy": ""}
        environ["OSS_ACCESS_KEY_ID"] = key.access_key_id
        environ["OSS_ACCESS_KEY_SECRET"] = key.access_key_secret
        environ["OSS_SESSION_TOKEN"] = key.token or ""
        words = ["doctor", *([uri] if uri else []), "--format", "json", "--timeout", "3", *words]
        return Report(run_ossmc(*words, env={**environ, **(env or {})}, **options))

    return run


def test_where_all_is_right(diagnose, secure_store):
    report = diagnose(secure_store.endpoint, env={"SSL_CERT_FILE": secure_store.ca_file})
    assert report.document["exit_code"] == 0
    wrong = [name for name in report.checks if report.verdict(name) == "failed"]
    assert wrong == []
    for name in ("tls", "service", "clock", "credentials", "region", "signature", "permission"):
        assert report.verdict(name) == "ok", report.checks[name]
    assert report.checks["one-connection"]["facts"]["bytes_per_second"] > 0
    assert report.checks["many-connections"]["facts"]["connections"] > 1
    assert report.checks["credentials"]["facts"]["source"].startswith("OSS_ACCESS_KEY_ID")


# --- the cases of the issue ---


def test_wrong_region(diagnose, store):
    report = diagnose(store.endpoint, "--region", "cn-beijing")
    report.says("region", "cn-beijing", "--region REGION")
    assert report.document["exit_code"] == 4
    assert report.verdict("permission") == "skipped"


def test_a_bucket_of_another_region(diagnose, own_store):
    own_store.on_request = lambda record: record.bucket and Reply(
        403,
        headers={"Content-Type": "application/xml"},
        body=b"<Error><Code>AccessDenied</Code><Message>The bucket must be addressed using the "
        b"specified endpoint.</Message><Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint></Error>",
    )
    report = diagnose(own_store.endpoint)
    report.says("region", "models", "--endpoint https://oss-cn-beijing.aliyuncs.com")


def test_a_region_that_contradicts_the_endpoint(diagnose):
    report = diagnose("https://oss-cn-hangzhou.invalid", "--region", "beijing/x")
    assert report.verdict("region") in ("failed", "skipped")
    assert report.document["exit_code"] != 0


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")
@pytest.mark.parametrize(("offset", "word"), [("+20m", "ahead of"), ("-20m", "behind")])
def test_a_clock_that_is_20_minutes_off(environment, store, offset, word):
    environ = {
        **environment,
        "OSS_ENDPOINT": store.endpoint,
        "OSS_ACCESS_KEY_ID": KEY.access_key_id,
        "OSS_ACCESS_KEY_SECRET": KEY.access_key_secret,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    command = ["faketime", "-f", offset, *COMMAND, "doctor", URI, "--format", "json"]
    ran = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=HANG_SECONDS, check=False
    )
    checks = {check["check"]: check for check in json.loads(ran.stdout)["checks"]}
    assert checks["clock"]["verdict"] == "failed"
    assert "20 min" in checks["clock"]["evidence"]
    assert word in checks["clock"]["evidence"]
    assert "timedatectl" in checks["clock"]["next"]
    assert checks["signature"]["verdict"] == "failed"
    assert "clock" in checks["signature"]["evidence"]
    assert ran.returncode == 1


def test_a_store_whose_errors_alone_tell_its_time(diagnose, own_store):
    there = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=20)
    body = (
        "<Error><Code>RequestTimeTooSkewed</Code><Message>Too large.</Message>"
        f"<ServerTime>{there:%Y-%m-%dT%H:%M:%S}.000Z</ServerTime></Error>"
    )
    own_store.on_request = lambda record: (
        Reply(403, body=body.encode()) if "authorization" in record.headers else None
    )
    report = diagnose(own_store.endpoint)
    report.says("signature", "clock", "timedatectl")


def test_a_clock_that_is_a_few_minutes_off_is_a_warning(diagnose, own_store):
    there = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)
    own_store.on_request = lambda _: Reply(headers={"Date": f"{there:%a, %d %b %Y %H:%M:%S} GMT"})
    diagnose(own_store.endpoint).says("clock", "behind", verdict="warning")


def test_an_unknown_host(diagnose):
    report = diagnose("http://no-such-host.invalid")
    report.says("dns", "models.no-such-host.invalid", "getent hosts")
    assert report.document["exit_code"] == 6
    assert report.checks["tcp"]["evidence"] == "it needs dns, which failed"
    assert report.verdict("memory") != "skipped"


def test_a_port_that_refuses(diagnose):
    with refusing_port() as port:
        report = diagnose(f"http://127.0.0.1:{port}")
    report.says("tcp", f"127.0.0.1:{port}", "refused", "firewalls")
    assert report.document["exit_code"] == 6


@pytest.mark.parametrize("self_signed", [True, False])
def test_a_certificate_that_nobody_trusts(diagnose, tmp_path, self_signed):
    authority = Authority(tmp_path, "authority of the doctor's test")
    with FaultServer(tls=authority.serve(self_signed=self_signed)) as server:
        server.script = lambda _, reply: reply.headers.update(Date=formatdate(usegmt=True))
        report = diagnose(server.endpoint)
    issuer = "so it signed itself" if self_signed else "authority of the doctor's test"
    report.says("tls", "not trusted", issuer, "tls.caFile", "SSL_CERT_FILE")
    assert report.document["exit_code"] == 6
    assert report.verdict("clock") == "ok"


@pytest.mark.parametrize(
    ("ends_in", "address", "words"),
    [
        (datetime.timedelta(days=-1), "127.0.0.1", ["expired", "clock", "good from"]),
        (datetime.timedelta(days=1), "127.0.0.2", ["127.0.0.2", "one of these names"]),
    ],
    ids=["ended", "of another host"],
)
def test_a_certificate_that_does_not_fit(diagnose, tmp_path, ends_in, address, words):
    authority = Authority(tmp_path)
    with FaultServer(tls=authority.serve(address, ends_in=ends_in)) as server:
        report = diagnose(server.endpoint, env={"SSL_CERT_FILE": str(authority.ca_file)})
    report.says("tls", *words)


@pytest.mark.parametrize("made", ["none", "empty"])
def test_a_file_of_authorities_that_has_none(diagnose, secure_store, tmp_path, made):
    file = tmp_path / "ca.pem"
    if made == "empty":
        file.write_text("")
    report = diagnose(secure_store.endpoint, env={"SSL_CERT_FILE": str(file)})
    report.says("tls", str(file), "SSL_CERT_FILE")


def test_a_wrong_secret(diagnose, store):
    wrong = Credential(KEY.access_key_id, "canary-doctor-secret-9f-not")
    report = diagnose(store.endpoint, key=wrong)
    report.says("signature", "SignatureDoesNotMatch", "secret", "OSS_ACCESS_KEY_SECRET")
    assert report.document["exit_code"] == 4
    assert wrong.access_key_secret not in report.ran.out
    # Without a bucket one that nobody has is asked for.
    diagnose(store.endpoint, uri="", key=wrong).says("signature", "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (Credential("LTAI5tNobody", "canary"), ["InvalidAccessKeyId", "not known"]),
        (ENDED, ["SecurityTokenExpired", "OSS_SESSION_TOKEN"]),
        (Credential(STS.access_key_id, STS.access_key_secret, "cut"), ["InvalidSecurityToken"]),
    ],
    ids=["unknown", "expired", "cut token"],
)
def test_keys_that_the_store_refuses(diagnose, store, key, words):
    report = diagnose(store.endpoint, key=key)
    report.says("signature", *words)
    assert report.document["exit_code"] == 4


def test_temporary_keys_without_their_token(diagnose, store):
    report = diagnose(store.endpoint, key=Credential(STS.access_key_id, STS.access_key_secret))
    report.says("credentials", "STS.", "OSS_SESSION_TOKEN")
    assert report.document["exit_code"] == 4


def test_keys_of_a_file_that_have_ended(diagnose, store, tmp_path):
    file = tmp_path / "keys.json"
    fields = {"AccessKeyId": ENDED.access_key_id, "AccessKeySecret": ENDED.access_key_secret}
    fields |= {"SecurityToken": ENDED.token, "Expiration": "2024-01-01T00:00:00Z"}
    file.write_text(json.dumps(fields))
    report = diagnose(store.endpoint, "--credentials", file)
    report.says("credentials", "ended", str(file))
    assert report.document["exit_code"] == 4


def test_no_keys_at_all(diagnose, store, tmp_path):
    nothing = {"OSS_ACCESS_KEY_ID": "", "OSS_ACCESS_KEY_SECRET": "", "HOME": str(tmp_path)}
    report = diagnose(store.endpoint, env=nothing)
    report.says("credentials", "looked for", "OSS_ACCESS_KEY_ID", "--credentials FILE")
    assert report.verdict("service") == "ok"


@pytest.mark.parametrize(
    ("denied", "action"), [(None, "oss:ListObjects"), ("qwen/0.bin", "oss:GetObject")]
)
def test_a_permission_that_is_missing(diagnose, own_store, denied, action):
    if denied:
        for i in range(3):
            own_store.deny("models", f"qwen/{i}.bin")
    else:
        own_store.deny("models")
    report = diagnose(own_store.endpoint)
    assert report.verdict("signature") == "ok"
    report.says("permission", action, "policy")
    assert report.document["exit_code"] == 4


def test_who_may_read_but_not_list(diagnose, own_store):
    own_store.on_request = lambda record: None if record.key else Reply(403, "AccessDenied")
    diagnose(own_store.endpoint).says("permission", "oss:ListObjects")
    report = diagnose(own_store.endpoint, uri="oss://models/qwen/0.bin")
    report.says("permission", "read, but not listed", verdict="ok")
    assert report.document["exit_code"] == 0


def test_no_such_bucket(diagnose, store):
    report = diagnose(store.endpoint, uri="oss://no-such-bucket/")
    report.says("permission", "no-such-bucket", "name")
    assert report.document["exit_code"] == 3


def test_archived_objects(diagnose, own_store):
    for i in range(3):
        own_store.put_object("models", f"qwen/{i}.bin", bytes(MiB), storage_class="Archive")
    diagnose(own_store.endpoint).says("permission", "archived", "restore", verdict="warning")


# --- what stands between ---


class Answering(Relay):
    """A proxy, or what stands in its place: it answers each connection itself."""

    reply = (403, "Forbidden")

    def connect(self, client):
        client.settimeout(HANG_SECONDS)
        client.recv(1 << 16)
        page = b"<html><head><title>Access is not allowed</title></head></html>"
        status, reason = self.reply
        head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/html\r\n"
        client.sendall(f"{head}Content-Length: {len(page)}\r\n\r\n".encode() + page)
        raise ConnectionAbortedError


class WantsPassword(Answering):
    """It wants to know who asks."""

    reply = (407, "Proxy Authentication Required")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("proxy_class", "words"),
    [(Answering, ["403"]), (WantsPassword, ["407", "NAME:PASSWORD@"])],
)
def test_a_proxy_in_the_way(diagnose, store, secure_store, scheme, proxy_class, words):
    served = store if scheme == "http" else secure_store
    with proxy_class("127.0.0.1", 9) as proxy:
        url = f"http://somebody:{PROXY_PASSWORD}@127.0.0.1:{proxy.port}"
        report = diagnose(served.endpoint, env={f"{scheme}_proxy": url})
    # That it goes without the proxy is tried, not guessed.
    report.says("proxy", f"{scheme}_proxy", str(proxy.port), "NO_PROXY", *words)
    assert report.document["exit_code"] == 6
    assert report.verdict("dns") == "skipped"


def test_a_proxy_that_is_not_there(diagnose, store):
    with refusing_port() as port:
        url = f"http://127.0.0.1:{port}"
        report = diagnose(store.endpoint, env={"http_proxy": url})
    report.says("proxy", "http_proxy", "refused", "unset http_proxy")


def test_a_proxy_of_the_configuration(diagnose, store, tmp_path):
    file = tmp_path / "config.json"
    with Answering("127.0.0.1", 9) as proxy:
        file.write_text(json.dumps({"proxy": f"http://127.0.0.1:{proxy.port}"}))
        report = diagnose(store.endpoint, "--config", file)
    report.says("proxy", '"proxy" of the configuration', '"proxy": ""')


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_works(diagnose, store, secure_store, scheme):
    served = store if scheme == "http" else secure_store
    with ForwardProxy("127.0.0.1", served.port) as proxy:
        environ = {f"{scheme}_proxy": f"http://somebody:{PROXY_PASSWORD}@127.0.0.1:{proxy.port}"}
        if served.ca_file:
            environ["SSL_CERT_FILE"] = served.ca_file
        report = diagnose(served.endpoint, env=environ)
    report.says("proxy", "lets", verdict="ok")
    assert report.first_failure() is None, report.ran.out
    assert report.verdict("permission") == "ok"


def test_a_host_that_no_proxy_names(diagnose, store):
    environ = {"http_proxy": "http://127.0.0.1:9", "no_proxy": "10.0.0.0/8, 127.0.0.0/8"}
    report = diagnose(store.endpoint, env=environ)
    report.says("proxy", "NO_PROXY", verdict="ok")
    assert report.first_failure() is None


def test_a_proxy_of_another_protocol_is_not_looked_into(diagnose, store):
    with refusing_port() as port:
        report = diagnose(store.endpoint, env={"http_proxy": f"socks5h://127.0.0.1:{port}"})
    for name in ("proxy", "tcp", "service", "clock"):
        report.says(name, "socks5h://", "http_proxy", verdict="skipped")
    # libcurl goes there.
    report.says("signature", str(port))
    assert report.document["exit_code"] == 6


@pytest.mark.parametrize(
    ("words", "is_left_out"),
    [
        ("", False),
        ("*", True),
        ("example.com", True),
        (".example.com", True),
        ("other.com,store.example.com", True),
        ("ample.com", False),
        ("10.0.0.0/8", False),
    ],
)
def test_words_of_no_proxy(words, is_left_out):
    assert no_proxy_has("store.example.com", words) is is_left_out
    assert no_proxy_has("10.1.2.3", "192.168.0.0/16 10.0.0.0/8")


def test_a_login_page_before_the_store(diagnose):
    with Answering("127.0.0.1", 9) as page:
        report = diagnose(page.endpoint)
    report.says("service", "no object store", "Access is not allowed", "login page")
    assert report.document["exit_code"] == 6


def test_https_where_plain_http_is_spoken(diagnose, store):
    report = diagnose(store.endpoint.replace("http://", "https://"))
    report.says("tls", "plain HTTP", f"--endpoint {store.endpoint}")
    assert report.document["exit_code"] == 6


def test_plain_http_where_tls_is_spoken(diagnose, secure_store):
    report = diagnose(secure_store.endpoint.replace("https://", "http://"))
    report.says("service", "speaks TLS", f"--endpoint {secure_store.endpoint}")
    assert report.document["exit_code"] == 6


def test_a_host_that_never_says_a_word(diagnose):
    with SilentServer() as silent:
        report = diagnose(f"http://127.0.0.1:{silent.port}", "--timeout", "1")
    report.says("service", "no reply")
    assert report.document["exit_code"] == 6


# --- this machine ---

CGROUPS = Path("/sys/fs/cgroup/memory")


@pytest.fixture
def small_group():
    """A memory control group of version 1, of 160 MiB."""
    group = CGROUPS / f"ossmc-doctor-{os.getpid()}-{time.monotonic_ns()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(160 * MiB))
    except OSError as error:
        pytest.skip(f"no memory control group of version 1 can be made here: {error}")
    yield group
    deadline = time.monotonic() + HANG_SECONDS
    while group.exists() and time.monotonic() < deadline:
        try:
            group.rmdir()
        except OSError:  # what ran in it is about to be gone
            time.sleep(0.1)


def test_a_control_group_that_is_too_small(diagnose, store, small_group):
    def move():
        (small_group / "cgroup.procs").write_text(str(os.getpid()))

    report = diagnose(store.endpoint, preexec_fn=move)
    report.says("memory", "control group", str(small_group), "160.0 MiB", "--memory=")
    assert report.document["exit_code"] == 1


def test_too_few_descriptors(diagnose, store):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))

    report = diagnose(store.endpoint, preexec_fn=limit)
    report.says("descriptors", "of 50", "ulimit -n", "nofile=65536")
    assert report.document["exit_code"] == 1
    # The others are looked at all the same.
    assert report.verdict("permission") == "ok"


def test_so_few_descriptors_that_nothing_works(diagnose, store):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (5, 1000))

    report = diagnose(store.endpoint, preexec_fn=limit)
    report.says("descriptors", "of 5 ", "ulimit -n 1000")
    assert report.document["exit_code"] == 1


# --- speed ---


def test_connections_that_are_slow_each(diagnose):
    with LocalServer(credentials=(KEY,), rate_per_connection=1_000_000) as server:
        report = diagnose(fill(server).endpoint)
    report.says("one-connection", "slow", "MB/s", verdict="warning")
    many = report.checks["many-connections"]
    assert many["facts"]["times_one"] > 2, many
    assert "many make up for it" in many["evidence"] or many["verdict"] == "warning"
    assert report.document["exit_code"] == 0


def test_one_slow_connection_among_many(diagnose, own_store):
    slow = []

    def hold_one_back(record):
        # The third connection of those that read with many at a time.
        if record.range and record.connection_id not in slow and len(slow) < 1:
            readers = {one.connection_id for one in own_store.requests if one.range}
            if len(readers) > 6:
                slow.append(record.connection_id)
        return 2.0 if record.connection_id in slow and record.range else None

    own_store.on_request = hold_one_back
    report = diagnose(own_store.endpoint)
    assert slow
    report.says("many-connections", "slower than the rest", verdict="warning")


def test_a_store_that_asks_to_slow_down(diagnose, own_store):
    seen = []

    def throttle(record):
        if not record.range or record.range == "bytes=0-0":
            return None
        seen.append(record)
        return Reply(503, "SlowDown") if len(seen) in (8, 9) else None

    own_store.on_request = throttle
    report = diagnose(own_store.endpoint)
    assert any(
        "slow" in report.checks[n]["evidence"] + report.checks[n]["next"]
        for n in ("one-connection", "many-connections")
    )


# --- the command ---


def test_where_nothing_is_there(run_ossmc, tmp_path):
    nothing = dict.fromkeys(("OSS_ENDPOINT", "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET"), "")
    ran = run_ossmc("doctor", env={**nothing, "HOME": str(tmp_path / "none")})
    assert ran.code == 2
    assert "failed   endpoint" in ran.out
    assert "next: export OSS_ENDPOINT=" in ran.out
    assert "begin with endpoint" in ran.out
    ran = run_ossmc("doctor", "--format", "quiet", env=nothing)
    assert "failed endpoint" in ran.out.splitlines()


def test_a_broken_configuration_file(diagnose, store, tmp_path):
    file = tmp_path / "config.json"
    file.write_text('{"memory": 1}')
    report = diagnose(store.endpoint, "--config", file)
    report.says("endpoint", "unknown key memory", "FILE")
    assert report.document["exit_code"] == 2


def test_a_terminal_of_100_columns(environment):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    environ = {**environment, "OSS_ENDPOINT": "http://no-such-host.invalid", "LANG": "C"}
    environ.pop("COLUMNS", None)
    program = subprocess.Popen(
        [*COMMAND, "doctor"], env=environ, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    screen = b""
    try:
        while True:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:  # Linux says so at the end
                break
            if not piece:
                break
            screen += piece
        program.wait(HANG_SECONDS)
    finally:
        program.kill()
        program.wait()
        os.close(ours)
    lines = screen.decode("ascii").splitlines()
    assert program.returncode == 6
    assert max(map(len, lines)) <= 100
    dns = next(i for i, line in enumerate(lines) if line.startswith("failed   dns"))
    assert lines[dns + 1].startswith(" " * 20)
    assert lines[-1].endswith("begin with dns")


def test_where_the_extra_cli_is_missing(environment, store, tmp_path):
    (tmp_path / "ossmodelconnector").symlink_to(Path(ossmodelconnector.__file__).parent)
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    program += "from ossmodelconnector.command import main\n"
    environ = {"OSS_ACCESS_KEY_ID": KEY.access_key_id, "OSS_SESSION_TOKEN": ""}
    environ |= {"OSS_ACCESS_KEY_SECRET": KEY.access_key_secret, "OSS_ENDPOINT": store.endpoint}
    for words, code in ((["doctor", URI, "--format", "json"], 0), (["doctor", "s3://a"], 2)):
        ran = subprocess.run(
            [sys.executable, "-S", "-E", "-c", f"{program}sys.exit(main({words!r}))"],
            env={**environment, **environ},
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
        assert ran.returncode == code, ran.stderr
        if code == 0:
            assert json.loads(ran.stdout)["exit_code"] == 0


def test_ctrl_c_ends_it(environment):
    with SilentServer() as silent:
        environ = {**environment, "OSS_ENDPOINT": f"http://127.0.0.1:{silent.port}"}
        program = subprocess.Popen(
            [*COMMAND, "doctor", "--timeout", "60"],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert program.stdout is not None
        try:
            # It waits for the reply then.
            while not program.stdout.readline().startswith("skipped  tls"):
                assert program.poll() is None
            program.send_signal(signal.SIGINT)
            _, errors = program.communicate(timeout=HANG_SECONDS)
        finally:
            program.kill()
            program.wait()
    assert program.returncode == 130
    assert errors == "error: stopped by Ctrl-C\n"
