"""Mistakes that type checkers find: each line is wrong, and says so.

A line that is not an error is one: mypy then has an unused ignore, and pyright an unnecessary one.
"""

from __future__ import annotations

from typing import IO

from ossmodelconnector import ObjectInfo, ObjectKeys, ObjectReader, OssModelConnector


class NoProvider:
    def get_keys(self) -> object:
        return None


class Provider:
    def get_credentials(self) -> object:
        return None


def made(provider: Provider) -> None:
    OssModelConnector()  # type: ignore[call-arg]
    OssModelConnector("https://endpoint", cred_provider=NoProvider())  # type: ignore[arg-type]
    OssModelConnector("https://endpoint", cred_provider=Provider)  # type: ignore[arg-type]
    OssModelConnector("https://endpoint", cred_provider="id:secret")  # type: ignore[arg-type]
    OssModelConnector("https://endpoint", "", "", provider, "cn-hangzhou")  # type: ignore[misc]
    OssModelConnector.from_env("https://endpoint")  # type: ignore[misc]
    OssModelConnector.from_env(credentials_path="keys.json")  # type: ignore[call-arg]
    OssModelConnector.from_env(config="config.json")  # type: ignore[arg-type]
    OssModelConnector.from_env(region=1)  # type: ignore[arg-type]


def opened(connector: OssModelConnector) -> None:
    connector.open("oss://bucket/key", "rb")  # type: ignore[call-overload]
    connector.open(b"oss://bucket/key")  # type: ignore[call-overload]
    connector.open()  # type: ignore[call-overload]
    connector.open("oss://bucket/key", False).getbuffer()  # type: ignore[attr-defined]
    connector.open_many(connector.stat("oss://bucket/key"))  # type: ignore[call-overload]
    connector.list("bucket", True)  # type: ignore[arg-type]
    connector.write("oss://bucket/key", b"")  # type: ignore[attr-defined]
    text: IO[str] = connector.open("oss://bucket/key")  # type: ignore[assignment]
    text.close()


def read(connector: OssModelConnector, reader: ObjectReader, info: ObjectInfo) -> None:
    reader.readinto("text")  # type: ignore[arg-type]
    reader.read_at(bytearray(8), 0)  # type: ignore[arg-type]
    reader.read_ranges([0, 8])  # type: ignore[list-item]
    reader.size = 0  # type: ignore[misc]
    info.size = 0  # type: ignore[misc]
    if reader.verified == "md5":  # type: ignore[comparison-overlap]
        pass
    if connector.stats().limited_by == "disk":  # type: ignore[comparison-overlap]
        pass


def watched(connector: OssModelConnector) -> None:
    connector.progress(show_text)  # type: ignore[arg-type]
    connector.progress(print, 0.5)  # type: ignore[misc]


def show_text(text: str) -> None: ...


def listed(keys: ObjectKeys) -> None:
    keys[0] = "key"  # type: ignore[index]
    keys.append("key")  # type: ignore[attr-defined]
