"""Arguments and configuration: what is taken, and what is told about the rest."""

from __future__ import annotations

import json
import os
import warnings
from collections import OrderedDict
from types import MappingProxyType

import oss2.credentials
import pytest
from ossmodelconnector import AnonymousCredentialsProvider, OssModelConnector

KEYS_TO_SIGN_WITH = oss2.credentials.StaticCredentialsProvider("id", "secret")
KEYS = [
    "logLevel",
    "logPath",
    "auditPath",
    "prefetch.vcpus",
    "prefetch.workers",
    "prefetch.chunkBytes",
    "prefetch.memoryBytes",
    "transfer.maxBytesPerSecond",
    "fastList.vcpus",
    "fastList.workers",
    "timeout.connectSeconds",
    "timeout.stallSeconds",
    "timeout.readSeconds",
    "retry.maxAttempts",
    "verify.crc64",
    "tls.caFile",
    "tls.caPath",
    "proxy",
    "userAgent",
    "headers",
    "addressing",
]


def make(endpoint="https://oss-cn-hangzhou.aliyuncs.com", **arguments):
    """A connector that is not used: no request is sent by construction."""
    connector = OssModelConnector(endpoint, cred_provider=KEYS_TO_SIGN_WITH, **arguments)
    connector.close()
    return connector


def limit_of(config, **arguments):
    with OssModelConnector(
        "https://oss-cn-hangzhou.aliyuncs.com",
        cred_provider=KEYS_TO_SIGN_WITH,
        config=config,
        **arguments,
    ) as connector:
        return connector.stats().memory_limit_bytes


@pytest.fixture
def config_file(tmp_path):
    def write(value):
        path = tmp_path / "config.json"
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    return write


def test_no_configuration_is_needed():
    assert make().endpoint.endswith("oss-cn-hangzhou.aliyuncs.com")
    assert limit_of(None) > 0


def test_nested_and_dotted_keys_mean_the_same(config_file):
    for config in (
        {"prefetch": {"memoryBytes": "256 MiB"}},
        {"prefetch.memoryBytes": "256 MiB"},
        {"prefetch.memoryBytes": 256 << 20},
        MappingProxyType({"prefetch": OrderedDict(memoryBytes="256MiB")}),
    ):
        assert limit_of(config) == 256 << 20
        assert limit_of(None, config_path=config_file(dict(config_of(config)))) == 256 << 20


def config_of(mapping):
    return {key: dict(value) if hasattr(value, "keys") else value for key, value in mapping.items()}


def test_mapping_wins_over_file_leaf_by_leaf(config_file):
    path = config_file({"prefetch": {"memoryBytes": "256 MiB", "chunkBytes": "1 MiB"}})
    assert limit_of({"prefetch.memoryBytes": "64 MiB"}, config_path=path) == 64 << 20
    assert limit_of({"prefetch": {"vcpus": 1}}, config_path=str(path)) == 256 << 20
    # The file's chunkBytes still holds: the budget is at least four chunks.
    with pytest.raises(ValueError, match=r"prefetch\.memoryBytes"):
        limit_of({"prefetch": {"memoryBytes": "2 MiB"}}, config_path=path)


def test_one_key_twice_is_an_error():
    with pytest.raises(ValueError, match=r"prefetch\.vcpus"):
        make(config={"prefetch": {"vcpus": 1}, "prefetch.vcpus": 2})


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        # An unknown key names the nearest known one.
        ("prefetch.chunkBytez", 1, "prefetch.chunkBytes"),
        ("prefetch.chunk_bytes", 1, "prefetch.chunkBytes"),
        ("logLevl", 1, "logLevel"),
        ("memoryBytes", 1, "prefetch.memoryBytes"),
        ("timeouts.readSeconds", 1, "timeout.readSeconds"),
        # Sizes.
        ("prefetch.memoryBytes", "256MB", "MiB"),
        ("prefetch.memoryBytes", "256M", "MiB"),
        ("prefetch.memoryBytes", "0.5 GiB", "GiB"),
        ("prefetch.memoryBytes", 0.5, "MiB"),
        ("prefetch.memoryBytes", "256", "MiB"),
        ("prefetch.memoryBytes", "", "MiB"),
        ("prefetch.memoryBytes", "1 KiB", "chunk"),
        ("prefetch.memoryBytes", -1, "prefetch.memoryBytes"),
        ("prefetch.chunkBytes", 1023, "1 KiB"),
        ("prefetch.chunkBytes", "2 GiB", "1 GiB"),
        # Booleans are not numbers, and numbers not booleans.
        ("prefetch.memoryBytes", True, "boolean"),
        ("prefetch.vcpus", True, "boolean"),
        ("logLevel", False, "boolean"),
        ("timeout.readSeconds", True, "boolean"),
        ("verify.crc64", 1, "true or false"),
        ("verify.crc64", "true", "true or false"),
        # Ranges.
        ("logLevel", 4, "0 to 3"),
        ("logLevel", -1, "0 to 3"),
        ("prefetch.vcpus", 0, "1 to 64"),
        ("prefetch.vcpus", 65, "1 to 64"),
        ("prefetch.vcpus", 1.5, "whole number"),
        ("prefetch.workers", 0, "1 to 256"),
        ("prefetch.workers", "many", "auto"),
        ("transfer.maxBytesPerSecond", 65535, "0, or 64 KiB to 1 TiB"),
        ("transfer.maxBytesPerSecond", -1, "0, or 64 KiB to 1 TiB"),
        ("transfer.maxBytesPerSecond", True, "whole number of bytes"),
        ("transfer.maxBytesPerSecond", 1e8, "whole number of bytes"),
        ("transfer.maxBytesPerSecond", "100MB", "MiB"),
        ("fastList.vcpus", 17, "1 to 16"),
        ("fastList.workers", 1025, "1 to 1024"),
        ("timeout.connectSeconds", 0, "0.1 to 86400"),
        ("timeout.stallSeconds", 86401, "0.1 to 86400"),
        ("timeout.readSeconds", "5", "number of seconds"),
        ("retry.maxAttempts", 0, "1 to 100"),
        ("retry.maxAttempts", 101, "1 to 100"),
        # Types.
        ("logPath", 1, "text"),
        ("logPath", None, "null"),
        ("prefetch", 1, "prefetch"),
        ("prefetch", [1], "prefetch"),
        ("prefetch.vcpus", {"a": 1}, "prefetch.vcpus"),
        ("addressing", "virtual-hosted", "virtual"),
        ("headers", "X-Trace: 1", "object"),
        ("headers", {"X-Trace": 1}, "text"),
        ("headers", {"X Trace": "1"}, "header"),
        ("headers", {"X-Trace": "a\r\nb"}, "printable"),
        ("headers", {"Authorization": "x"}, "cannot be set"),
        ("headers", {"Range": "x"}, "cannot be set"),
        ("userAgent", "a\nb", "printable"),
        ("proxy", "ftp://host", "http"),
    ],
)
def test_faulty_values(config_file, key, value, words):
    for arguments in ({"config": {key: value}}, {"config_path": config_file({key: value})}):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are looked at below
            make(**arguments)
        text = str(caught.value)
        assert key.partition(".")[2] in text or key in text
        assert words in text
        place = str(arguments["config_path"]) if "config_path" in arguments else "config"
        assert place in text


def test_every_documented_key_is_known(tmp_path):
    values = {
        "logLevel": 2,
        "logPath": str(tmp_path / "log"),
        "auditPath": str(tmp_path / "audit"),
        "prefetch.workers": "auto",
        "prefetch.chunkBytes": "1 MiB",
        "prefetch.memoryBytes": "16 MiB",
        "transfer.maxBytesPerSecond": "100 MiB",
        "verify.crc64": False,
        "tls.caFile": str(tmp_path / "ca.pem"),
        "tls.caPath": str(tmp_path),
        "proxy": "",
        "userAgent": "loader/1",
        "headers": {"X-Trace": "1"},
        "addressing": "virtual",
    }
    (tmp_path / "ca.pem").write_text("certificates\n")
    config = {key: values.get(key, 1) for key in KEYS}
    assert make(config=config).closed


@pytest.mark.parametrize("key", ["tls.caFile", "tls.caPath"])
def test_a_ca_that_is_not_there_is_refused_at_construction(tmp_path, key):
    with pytest.raises(ValueError, match="no such ca"):
        make(config={key: str(tmp_path / "no such ca")})


@pytest.mark.parametrize("key", ["expireTimeSec", "cachePolicy"])
def test_keys_of_the_closed_connector_are_ignored_with_one_warning(config_file, key):
    for arguments in (
        {"config": {key: 120}},
        {"config_path": config_file({"prefetch": {key: 120}})},
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            make(**arguments)
        assert len(caught) == 1
        assert key in str(caught[0].message)
        assert caught[0].category is UserWarning


def test_warnings_point_at_the_caller():
    with pytest.warns(UserWarning, match="expireTimeSec") as caught:
        make(config={"expireTimeSec": 1})
    assert caught[0].filename == __file__

    class Derived(OssModelConnector):
        def __init__(self):
            super().__init__("127.0.0.1", cred_provider=KEYS_TO_SIGN_WITH)

    with pytest.warns(UserWarning, match="region=") as caught:
        Derived().close()
    assert caught[0].filename == __file__


def test_warnings_made_errors_leave_nothing_open():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="region="):
            make("http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("{", "JSON"),
        ("[]", "object"),
        ('"text"', "object"),
        ('{"logLevel": 1,}', "JSON"),
        ('{"logLevel": 1, "logLevel": 2}', "logLevel"),
        ('{"logLevel": NaN}', "JSON"),
        ("// comment\n{}", "JSON"),
        ('{"logLevel": 1} x', "JSON"),
        ("[" * 100_000, ""),
        ('{"a":' * 100_000, ""),
    ],
)
def test_broken_file(config_file, text, words):
    path = config_file(text)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are looked at below
        make(config_path=path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_file_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        make(config_path=tmp_path / "nothing.json")
    assert caught.value.filename == str(tmp_path / "nothing.json")
    with pytest.raises(IsADirectoryError):
        make(config_path=tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="UTF-8"):
        make(config_path=tmp_path / "binary")
    locked = tmp_path / "locked.json"
    locked.write_text("{}")
    locked.chmod(0)
    if os.geteuid() != 0:
        with pytest.raises(PermissionError):
            make(config_path=locked)


@pytest.mark.parametrize(
    ("config", "error", "words"),
    [
        ([], TypeError, "mapping"),
        ("{}", TypeError, "mapping"),
        (5, TypeError, "mapping"),
        ({1: 2}, TypeError, "key must be str"),
        ({"prefetch": {None: 2}}, TypeError, "'prefetch'"),
        ({"logLevel": object()}, TypeError, "logLevel"),
        ({"prefetch": {"vcpus": {1, 2}}}, TypeError, "prefetch.vcpus"),
        ({"headers": {"X": b"1"}}, TypeError, "headers.X"),
        ({"timeout": {"readSeconds": float("nan")}}, ValueError, "timeout.readSeconds"),
        ({"timeout": {"readSeconds": float("inf")}}, ValueError, "timeout.readSeconds"),
    ],
)
def test_mapping_that_is_no_json(config, error, words):
    with pytest.raises(error) as caught:
        make(config=config)
    assert words in str(caught.value)


def test_mapping_takes_what_means_a_number_or_a_path(tmp_path):
    numpy = pytest.importorskip("numpy")
    assert limit_of({"prefetch.memoryBytes": numpy.int64(64 << 20)}) == 64 << 20
    make(config={"tls": {"caPath": tmp_path}, "timeout": {"readSeconds": numpy.float64(2.5)}})


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "ftp://oss-cn-hangzhou.aliyuncs.com",
        "https://user:password@oss-cn-hangzhou.aliyuncs.com",
        "https://oss-cn-hangzhou.aliyuncs.com/path",
        "https://oss-cn-hangzhou.aliyuncs.com?query",
        "https://oss-cn-hangzhou.aliyuncs.com#fragment",
        "https:// oss-cn-hangzhou.aliyuncs.com",
        "https://oss-cn-hangzhou.aliyuncs.com\n",
        "https://oss-cn-hangzhou.aliyuncs.com:port",
        "https://oss-cn-hangzhou.aliyuncs.com:70000",
        "https://",
        "https://[::1",
        "https://oss-cn-hangzhou.aliyuncs.com//",
        "https://\ud800",
    ],
)
def test_faulty_endpoints(endpoint):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are looked at below
        make(endpoint)
    assert "endpoint" in str(caught.value)
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        ("oss-cn-hangzhou.aliyuncs.com", "cn-hangzhou"),
        ("http://oss-cn-beijing-internal.aliyuncs.com/", "cn-beijing"),
        ("https://cn-shanghai.oss.aliyuncs.com:8443", "cn-shanghai"),
    ],
)
def test_region_is_read_off_the_endpoint(endpoint, region):
    connector = make(endpoint)
    assert connector.region == region
    assert "V4" in repr(connector)


def test_region_that_must_be_given():
    for endpoint in ("https://oss-accelerate.aliyuncs.com",):
        with pytest.raises(ValueError, match="region="):
            make(endpoint)
        assert make(endpoint, region="cn-hangzhou").region == "cn-hangzhou"
    with pytest.raises(ValueError, match="region="):
        make("https://models.example.com", config={"addressing": "cname"})


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:80", "http://localhost", "http://[::1]:80"])
def test_v1_where_no_region_is_known_with_one_warning(endpoint):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        connector = make(endpoint)
    assert ["region=" in str(warning.message) for warning in caught] == [True]
    assert "V1" in repr(connector)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "V4" in repr(make(endpoint, region="cn-hangzhou"))
        assert make(endpoint, region="oss-cn-hangzhou").region == "cn-hangzhou"


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:80", "https://oss-accelerate.aliyuncs.com"])
def test_anonymous_access_needs_no_region(endpoint):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OssModelConnector(endpoint, cred_provider=AnonymousCredentialsProvider()).close()


@pytest.mark.parametrize("region", ["cn hangzhou", "cn/hangzhou", "CN", "cn\n", "\ud800"])
def test_faulty_regions(region):
    with pytest.raises(ValueError, match="region"):
        make(region=region)


@pytest.mark.parametrize(
    "arguments",
    [
        {"endpoint": b"https://oss-cn-hangzhou.aliyuncs.com"},
        {"endpoint": None},
        {"region": b"cn-hangzhou"},
        {"region": 1},
        {"config_path": 1},
        {"config_path": b"path"},
        {"cred_path": 1},
    ],
)
def test_arguments_of_the_wrong_type(arguments):
    complete = {"endpoint": "https://oss-cn-hangzhou.aliyuncs.com"}
    if "cred_path" not in arguments:
        complete["cred_provider"] = KEYS_TO_SIGN_WITH
    with pytest.raises(TypeError):
        OssModelConnector(**{**complete, **arguments})


def test_construction_sends_nothing():
    # Nobody listens there: a request would fail.
    with pytest.warns(UserWarning, match="region="):
        connector = make("http://127.0.0.1:9")
    assert connector.stats().requests == 0


def test_endpoint_that_begins_with_the_bucket_is_an_error_that_says_so():
    with OssModelConnector(
        "https://models.oss-cn-hangzhou.aliyuncs.com",
        cred_provider=KEYS_TO_SIGN_WITH,
    ) as connector:
        for call in (
            lambda: connector.open("oss://models/key"),
            lambda: connector.stat("oss://models/key"),
            lambda: connector.list("models"),
        ):
            with pytest.raises(ValueError, match=r"models.*bucket|bucket.*models"):
                call()
        assert connector.stats().requests == 0


def test_extra_headers_and_user_agent_are_sent(make_connector, store, server):
    for options in ({}, {"region": "cn-hangzhou"}):
        connector = make_connector(
            config={
                "headers": {"X-Trace": "canary-trace", "x-oss-request-payer": "requester"},
                "userAgent": "loader/1.2",
            },
            **options,
        )
        server.clear_log()
        assert connector.exists(store.uri("text.txt"))
        (request,) = server.log()
        assert request.headers["x-trace"] == "canary-trace"
        assert request.headers["x-oss-request-payer"] == "requester"
        assert request.headers["user-agent"].startswith("ossmodelconnector/")
        assert "loader/1.2" in request.headers["user-agent"]
