"""The local server in a test of the user's own."""

from __future__ import annotations

from pathlib import Path

from ossmodelconnector.local import (
    DEFAULT_CREDENTIAL,
    Credential,
    LocalServer,
    Reply,
    RequestRecord,
)
from typing_extensions import assert_type


def throttle(record: RequestRecord) -> Reply | float | None:
    assert_type(record.headers["authorization"], str)
    return Reply(503, "ServiceUnavailable") if record.range is not None else 0.5


def serve() -> None:
    with LocalServer(buckets=["bucket"], credentials=[DEFAULT_CREDENTIAL]) as server:
        assert_type(server, LocalServer)
        server.put_object("bucket", "key", b"bytes")
        server.put_object("bucket", "file", Path("model.safetensors"), storage_class="IA")
        server.on_request = throttle
        server.on_request = lambda record: Reply(404) if record.key == "key" else None
        server.set_credentials(Credential("id", "secret", token="token"))
        assert_type(server.endpoint, str)
        assert_type(server.ca_file, "str | None")
        assert_type(server.requests, list[RequestRecord])
