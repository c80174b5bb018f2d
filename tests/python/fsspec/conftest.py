"""What the tests of ossmodelconnector.fsspec share: a bucket, and file systems to its server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ossmodelconnector.fsspec import OssModelFileSystem

KiB, MiB = 1 << 10, 1 << 20


@pytest.fixture(scope="module")
def bucket(new_bucket, request):
    """An empty bucket of the module's own."""
    return new_bucket(request.module.__name__.rpartition(".")[2].replace("_", "-"))


class FileSystemFactory:
    """Makes file systems to a server, none of them cached; closes their connectors."""

    def __init__(self, served: Any) -> None:
        self._options = {
            "endpoint": served.endpoint,
            "key": served.access_key_id,
            "secret": served.access_key_secret,
            "region": "cn-hangzhou",
            "skip_instance_cache": True,
        }
        self._made: list[OssModelFileSystem] = []

    def __call__(self, cls: type = OssModelFileSystem, **options: Any) -> OssModelFileSystem:
        self._made.append(cls(**{**self._options, **options}))
        return self._made[-1]

    @property
    def options(self) -> dict[str, Any]:
        return dict(self._options)

    def close(self) -> None:
        while self._made:
            self._made.pop().connector.close()


@pytest.fixture
def make_fs(server) -> Iterator[FileSystemFactory]:
    factory = FileSystemFactory(server)
    yield factory
    factory.close()


@pytest.fixture
def fs(make_fs) -> OssModelFileSystem:
    return make_fs()
