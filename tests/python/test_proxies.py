"""What a proxy gets to see: of a tunnel no more than where it leads."""

from __future__ import annotations

import oss2.credentials
import pytest
from support.relay import ForwardProxy


@pytest.fixture
def proxy(https_server):
    with ForwardProxy(*https_server.address) as made:
        yield made


@pytest.mark.parametrize("region", [None, "cn-hangzhou"], ids=["V1", "V4"])
def test_a_tunnel_is_asked_for_without_signature_and_headers(
    make_connector, https_server, new_bucket, proxy, region
):
    bucket = f"tunnel-{region or 'none'}"
    store = new_bucket(bucket, https_server)
    store.put("key", b"bytes")
    key_id, secret, token = https_server.sts
    connector = make_connector(
        https_server,
        cred_provider=oss2.credentials.StaticCredentialsProvider(key_id, secret, token),
        region=region,
        config={
            "tls.caFile": https_server.ca_file,
            "proxy": f"http://user:canary-pw@127.0.0.1:{proxy.port}",
            "headers": {"X-Tenant": "canary-tenant", "x-oss-meta-own": "canary-meta"},
        },
    )
    https_server.clear_log()
    assert connector.open(store.uri("key")).read() == b"bytes"
    assert [info.key for info in connector.list(bucket)] == ["key"]
    assert proxy.heads
    for head in proxy.heads:
        line, *headers = head.split("\r\n")
        assert line == f"CONNECT {https_server.endpoint[len('https://') :]} HTTP/1.1"
        names = {header.partition(":")[0].lower() for header in headers}
        # Its own password is for the proxy.
        assert names <= {"host", "proxy-authorization", "user-agent", "proxy-connection"}
        assert not any(part in head for part in (key_id, secret, token, "canary"))
    assert https_server.log()
    for record in https_server.log():
        assert record.headers["authorization"]
        assert record.headers["x-tenant"] == "canary-tenant"
        assert record.headers["x-oss-security-token"] == token
        assert "proxy-authorization" not in record.headers
