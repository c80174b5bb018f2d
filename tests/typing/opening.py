"""What making a connector and opening objects takes and gives."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

from ossmodelconnector import (
    AnonymousCredentialsProvider,
    ConnectorStats,
    ObjectInfo,
    ObjectReader,
    OssError,
    OssModelConnector,
    Progress,
    progress_lines,
)
from typing_extensions import assert_type


def made() -> None:
    anonymous = AnonymousCredentialsProvider()
    with OssModelConnector("https://endpoint", cred_provider=anonymous) as connector:
        assert_type(connector, OssModelConnector)
    OssModelConnector("https://endpoint", "credentials.json", "config.json").close()
    OssModelConnector("https://endpoint", Path("credentials.json"), region="cn-hangzhou").close()
    settings: dict[str, Any] = {"prefetch": {"memoryBytes": "1 GiB"}}
    OssModelConnector("https://endpoint", cred_provider=anonymous, config=settings).close()


class Tuned(OssModelConnector):
    """A class of the user's own."""


def made_from_the_environment() -> None:
    assert_type(OssModelConnector.from_env(), OssModelConnector)
    assert_type(Tuned.from_env(), Tuned)
    OssModelConnector.from_env(
        endpoint="https://endpoint",
        cred_path=Path("credentials.json"),
        config_path="config.json",
        region="cn-hangzhou",
        config={"logLevel": 2, "prefetch.memoryBytes": "1 GiB"},
    ).close()
    OssModelConnector.from_env(cred_provider=AnonymousCredentialsProvider()).close()
    # As it is with arguments that a program hands on.
    OssModelConnector.from_env(endpoint=None, cred_provider=None, region=None, config=None).close()


def opened(connector: OssModelConnector, info: ObjectInfo, binary: bool) -> None:
    assert_type(connector.open("oss://bucket/key"), ObjectReader)
    assert_type(connector.open(info), ObjectReader)
    assert_type(connector.open(info, True), ObjectReader)
    assert_type(connector.open(info, binary=False), io.TextIOWrapper)
    assert_type(connector.open(info, False).read(), str)
    assert_type(connector.open(info, binary), "ObjectReader | io.TextIOWrapper")
    assert_type(connector.open(info, version_id="v1", prefetch=False), ObjectReader)
    assert_type(connector.open(info, False, version_id=None), io.TextIOWrapper)
    assert_type(connector.open(info, binary, version_id="v1"), "ObjectReader | io.TextIOWrapper")


def opened_at_once(connector: OssModelConnector, binary: bool) -> None:
    uris = ["oss://bucket/1", "oss://bucket/2"]
    assert_type(connector.open_many(uris), list[ObjectReader])
    assert_type(connector.open_many(connector.list("bucket", "model/")), list[ObjectReader])
    assert_type(connector.open_many(iter(uris), binary=True), list[ObjectReader])
    assert_type(connector.open_many([uris[0], connector.stat(uris[1])]), list[ObjectReader])
    assert_type(connector.open_many(uris, prefetch=False), list[ObjectReader])
    assert_type(connector.open_many(uris, binary=False), list[io.TextIOWrapper])
    assert_type(connector.open_many(uris, binary), "list[ObjectReader] | list[io.TextIOWrapper]")


def told(connector: OssModelConnector, reader: ObjectReader) -> None:
    assert_type(connector.exists("oss://bucket/key"), bool)
    assert_type(connector.exists("oss://bucket/key", version_id="v1"), bool)
    assert_type(connector.stat("oss://bucket/key", version_id="v1").version_id, "str | None")
    assert_type(reader.version_id, "str | None")
    assert_type(connector.closed, bool)
    stats = connector.stats()
    assert_type(stats, ConnectorStats)
    assert_type(stats.bytes_received, int)
    assert_type(
        stats.limited_by, Literal["idle", "network", "memory", "reader", "cpu", "throttle", "limit"]
    )
    assert_type(reader.verified, Literal["crc64", "length+etag", "length+modified"])


def show(progress: Progress) -> int:
    assert_type(progress.bytes_done, int)
    assert_type(progress.bytes_total, "int | None")
    done, _, speed, left, _ = progress
    assert_type(speed, float)
    assert_type(left, "float | None")
    return done


def watched(connector: OssModelConnector) -> None:
    with connector.progress(show, interval=1) as nothing:
        assert_type(nothing, None)
    with connector.progress(progress_lines(), interval=0.1):
        pass


def failed(error: OssError) -> None:
    assert_type((error.uri, error.code, error.ec, error.request_id), tuple[str, str, str, str])
    assert_type((error.status, error.attempts), tuple[int, int])
    assert_type(error.errno, "int | None")
    assert_type(error.strerror, str)
