"""What the tests share: local servers, their objects, and connectors to them.

The server is the package's own, whose judges are other people's clients; see tests/python/local.
"""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import oss2.credentials
import pytest
from hypothesis import HealthCheck, settings
from ossmodelconnector import OssError, OssModelConnector, _default
from ossmodelconnector.local import Credential, LocalServer, RequestRecord
from support.fault_server import FaultServer
from support.fault_table import FaultTable
from support.faults import CONFIG
from support.relay import Relay, SilentServer
from support.tries import HANG_SECONDS

KiB, MiB = 1 << 10, 1 << 20

# Long enough to be found in any text that shows them.
LONG_TERM = Credential("LTAI5tLocalServerTest", "canary-long-term-secret-Zk3vQ9")
STS = Credential("STS.NUlocalServerTest", "canary-sts-secret-p0XcB1", "canary-sts-token-CAISzwJ1q6")

# How many examples a property gets. `--hypothesis-profile=long` is for `make check`.
EXAMPLES = {"short": 120, "long": 1000}
for _name, _count in EXAMPLES.items():
    settings.register_profile(
        _name,
        max_examples=_count,
        deadline=None,
        print_blob=True,
        # Examples share what fixtures made: each opens a reader of its own, or writes a file anew.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
settings.load_profile("short")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-fault-table",
        action="store_true",
        help="write the table of faults in docs/reliability.md from this run",
    )


def pytest_configure(config: pytest.Config) -> None:
    table = FaultTable(config.getoption("--write-fault-table"))
    config.pluginmanager.register(table, FaultTable.__name__)


class Store:
    """A bucket of a local server, with what was put into it."""

    def __init__(self, served: Served, bucket: str) -> None:
        self.served = served
        self.bucket = bucket
        self._contents: dict[str, bytes] = {}
        served.local.create_bucket(bucket)

    def put(self, key: str, data: bytes) -> None:
        self.served.local.put_object(self.bucket, key, data)
        self._contents[key] = data

    def delete(self, key: str) -> None:
        self.served.local.delete_object(self.bucket, key)
        del self._contents[key]

    def uri(self, key: str) -> str:
        return f"oss://{self.bucket}/{key}"

    def keys(self, prefix: str = "") -> list[str]:
        return sorted(key for key in self._contents if key.startswith(prefix))

    def __getitem__(self, key: str) -> bytes:
        return self._contents[key]


class Served:
    """A local server, and what a client must know of it."""

    access_key_id = LONG_TERM.access_key_id
    access_key_secret = LONG_TERM.access_key_secret
    sts = (STS.access_key_id, STS.access_key_secret, STS.token)

    def __init__(self, local: LocalServer) -> None:
        self.local = local
        self.endpoint = local.endpoint
        self.address = ("127.0.0.1", local.port)
        self.ca_file = local.ca_file

    def environ(self) -> dict[str, str]:
        """The environment for a program that uses `from_env`, or oss2's provider for it."""
        environ = {name: value for name, value in os.environ.items() if not _is_setting(name)}
        environ["OSS_ENDPOINT"] = self.endpoint
        environ["OSS_ACCESS_KEY_ID"] = self.access_key_id
        environ["OSS_ACCESS_KEY_SECRET"] = self.access_key_secret
        return environ

    def log(self) -> list[RequestRecord]:
        """The requests since `clear_log`."""
        return self.local.requests

    def clear_log(self) -> None:
        self.local.reset_requests()


def _is_setting(name: str) -> bool:
    begins = ("OSS_", "ALIBABA_CLOUD_")
    return name.startswith(begins) or name.lower() in ("http_proxy", "https_proxy", "all_proxy")


def fill(store: Store) -> Store:
    """Puts the objects that most tests read."""
    store.put("text.txt", "".join(f"lïne {i}\n" for i in range(500)).encode())
    store.put("empty", b"")
    store.put("large.bin", random.Random(1).randbytes(4 * MiB + 12_345))
    store.put("large.txt", "".join(f"lïne {i}\n" for i in range(300_000)).encode())
    for i in range(40):
        store.put(f"list/{i:03d}.bin", random.Random(i).randbytes(1000 + i))
    return store


@pytest.fixture(scope="session", autouse=True)
def _interrupts_arrive() -> None:
    # A shell starts what runs in the background with SIGINT ignored, and its children inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in filter(_is_setting, list(os.environ)):
            patch.delenv(name)
        # A machine that has a role is not asked for it, but where a test puts up a service.
        patch.setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
        yield


@pytest.fixture(autouse=True)
def _no_connector_is_left_to_the_process() -> Iterator[None]:
    yield
    left, _default._connector = _default._connector, None
    if left is not None:
        left.close()


@pytest.fixture(scope="module", autouse=True)
def _what_is_there_is_not_looked_through_again() -> None:
    # The SDKs and torch are half a million objects, which each collection of a test would visit.
    gc.collect()
    gc.freeze()


def _serve(**options: Any) -> Iterator[Served]:
    with LocalServer(credentials=(LONG_TERM, STS), **options) as local:
        yield Served(local)


@pytest.fixture(scope="session")
def server() -> Iterator[Served]:
    yield from _serve()


@pytest.fixture(scope="session")
def https_server() -> Iterator[Served]:
    yield from _serve(tls=True)


@pytest.fixture(scope="session")
def slow_server() -> Iterator[Served]:
    """Sends 20 kB a second on each connection: large.bin takes minutes."""
    yield from _serve(rate_per_connection=20_000)


@pytest.fixture(scope="session")
def public_server() -> Iterator[Served]:
    """Lets everybody read."""
    yield from _serve(anonymous=True)


@pytest.fixture(scope="session")
def store(server: Served) -> Store:
    return fill(Store(server, "models"))


@pytest.fixture(scope="session")
def slow_store(slow_server: Served) -> Store:
    return fill(Store(slow_server, "models"))


@pytest.fixture(scope="session")
def public_store(public_server: Served) -> Store:
    return fill(Store(public_server, "models"))


@pytest.fixture(scope="session")
def new_bucket(server: Served) -> Callable[..., Store]:
    """new_bucket(name): an empty bucket, of `server` or of another."""
    return lambda name, served=server: Store(served, name)


@pytest.fixture
def silent_endpoint() -> Iterator[str]:
    """The endpoint of a server that takes connections and never says a word."""
    with SilentServer() as silent:
        yield f"http://127.0.0.1:{silent.port}"


@pytest.fixture
def gate(server: Served) -> Iterator[Relay]:
    """A way to `server` that can be shut and opened again."""
    with Relay(*server.address) as relay:
        yield relay


class ConnectorFactory:
    """Makes connectors to a local server, with small chunks; closes those that it made.

    Arguments are the connector's own. `served` is which server (or whose store); `cls` makes it.
    """

    def __init__(self, served: Served) -> None:
        self._served = served
        self._made: list[OssModelConnector] = []

    def __call__(
        self,
        served: Served | Store | None = None,
        *,
        cls: type[OssModelConnector] = OssModelConnector,
        **arguments: Any,
    ) -> OssModelConnector:
        if isinstance(served, Store):
            served = served.served
        served = served or self._served
        arguments.setdefault("endpoint", served.endpoint)
        if "cred_provider" not in arguments:
            arguments["cred_provider"] = oss2.credentials.StaticCredentialsProvider(
                served.access_key_id, served.access_key_secret
            )
        if "config_path" not in arguments:
            arguments["config"] = with_small_chunks(arguments.get("config", {}))
        with warnings.catch_warnings():
            # The endpoint is an IP address, which tells no region.
            warnings.filterwarnings("ignore", message=".*region=", category=UserWarning)
            connector = cls(**arguments)
        self._made.append(connector)
        return connector

    def forget(self, connector: OssModelConnector) -> None:
        """Leaves it to the garbage collector."""
        self._made.remove(connector)

    def close(self) -> None:
        while self._made:
            self._made.pop().close()


def with_small_chunks(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with defaults for tests, in dotted keys."""
    dotted: dict[str, Any] = {"prefetch.chunkBytes": 64 * KiB, "prefetch.memoryBytes": 64 * MiB}
    dotted["prefetch.vcpus"] = 1
    dotted["timeout.readSeconds"] = 60  # a test that would hang shall say where
    dotted["timeout.connectSeconds"] = 20  # others may have the processors for some seconds
    for key, value in config.items():
        if isinstance(value, Mapping) and key != "headers":
            dotted.update({f"{key}.{name}": item for name, item in value.items()})
        else:
            dotted[key] = value
    return dotted


@pytest.fixture
def make_connector(server: Served) -> Iterator[ConnectorFactory]:
    factory = ConnectorFactory(server)
    yield factory
    factory.close()


@pytest.fixture(scope="module")
def make_shared_connector(server: Served) -> Iterator[ConnectorFactory]:
    """The same for connectors that the tests of a module share."""
    factory = ConnectorFactory(server)
    yield factory
    factory.close()


class Watch:
    """What a test of a fault let out, and the secrets that must not be in it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.secrets = {LONG_TERM.access_key_secret, STS.access_key_secret, STS.token}

    def check(self) -> None:
        text = "\n".join(self.texts)
        assert [secret for secret in self.secrets if secret in text] == []


def _held() -> dict[str, int]:
    return {what: len(os.listdir(f"/proc/self/{what}")) for what in ("fd", "task")}


def _threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return names + [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]


@pytest.fixture(scope="session")
def _a_first_connector() -> None:
    # It opens what the process keeps: the eventfd of the log's ring.
    provider = oss2.credentials.StaticCredentialsProvider("id", "secret")
    OssModelConnector("http://127.0.0.1", cred_provider=provider, region="cn-hangzhou").close()


@pytest.fixture
def nothing_is_left(
    request: pytest.FixtureRequest,
    _a_first_connector: None,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Watch]:
    """What holds whatever the fault: descriptors and threads come back, and no secret shows.

    It comes before all else that a test asks for, and so it looks when that is gone.
    """
    watch = Watch()
    make_error = OssError.__init__

    def note(error: OssError, message: str = "", **fields: Any) -> None:
        watch.texts.append(f"{message} {fields}")
        make_error(error, message, **fields)

    monkeypatch.setattr(OssError, "__init__", note)
    caplog.set_level(logging.DEBUG, "ossmodelconnector")
    gc.collect()
    before = _held()
    yield watch
    table = request.config.pluginmanager.get_plugin(FaultTable.__name__)
    if request.node.nodeid in table.failed:
        return  # its traceback holds what it had
    gc.collect()
    deadline = time.monotonic() + HANG_SECONDS
    while any(now > before[what] for what, now in _held().items()):
        assert time.monotonic() < deadline, f"{before} before, {_held()} now: {_threads()}"
        time.sleep(0.01)
    output, errors = capfd.readouterr()
    sys.stdout.write(output)
    sys.stderr.write(errors)
    records = [one for when in ("setup", "call") for one in caplog.get_records(when)]
    watch.texts += [*map(logging.Formatter().format, records), caplog.text, output, errors]
    watch.check()


@pytest.fixture
def faults(nothing_is_left: Watch, request: pytest.FixtureRequest) -> Iterator[FaultServer]:
    """The server that lies; its script is the test's."""
    with FaultServer() as server:
        yield server
    request.node.user_properties.append(("requests", server.request_count))
    signed = [one.headers.get("authorization") for one in server.requests]
    # The signature is behind the last colon, or in V4 the last equals sign.
    signatures = [text.rstrip("=").replace("=", ":").rpartition(":")[2] for text in signed if text]
    nothing_is_left.secrets.update(signatures)


class FaultyServed(Served):
    """The server that lies, as one to connect to."""

    def __init__(self, faults: FaultServer) -> None:
        self.endpoint = faults.endpoint


@pytest.fixture
def connect(
    faults: FaultServer, nothing_is_left: Watch, tmp_path: Path
) -> Iterator[Callable[..., OssModelConnector]]:
    """connect(config, **arguments): a connector to `faults`. After the test it holds nothing."""
    factory = ConnectorFactory(FaultyServed(faults))
    made: list[OssModelConnector] = []
    log, audit = tmp_path / "connector.log", tmp_path / "audit.log"

    def connect(config: Mapping[str, Any] | None = None, **arguments: Any) -> OssModelConnector:
        logs = {"logLevel": 0, "logPath": str(log), "auditPath": str(audit)}
        made.append(factory(config={**CONFIG, **logs, **(config or {})}, **arguments))
        return made[-1]

    yield connect
    factory.close()
    stats = [connector.stats() for connector in made]
    assert [one for one in stats if one.memory_bytes or one.connections] == []
    # A descriptor goes with each object, so nobody who holds the function above may hold them.
    made.clear()
    nothing_is_left.texts += [path.read_text() for path in (log, audit) if path.exists()]
