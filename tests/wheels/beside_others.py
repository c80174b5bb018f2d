"""Reads over https by ours and by the others in turn, the others imported `before` ours or `after`.

The last line that it prints is what each of them says of its libraries, which must be the same
whatever came first.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
import threading
import urllib.request

OTHERS = ("ssl", "pycurl", "grpc", "torch")
BODY = os.urandom(3_000_000)


def import_others() -> dict:
    found = {}
    for name in OTHERS:
        try:
            found[name] = importlib.import_module(name)
        except ModuleNotFoundError:
            found[name] = None  # torch, where only a build for a GPU could be had
    return found


def import_ours():
    return importlib.import_module("ossmodelconnector")


if sys.argv[1] == "before":
    others = import_others()
    ours = import_ours()
else:
    ours = import_ours()
    others = import_others()

import ssl  # noqa: E402

from ossmodelconnector.local import LocalServer  # noqa: E402


def by_ours(server: LocalServer) -> bytes:
    connector = ours.OssModelConnector(
        server.endpoint,
        cred_provider=ours.AnonymousCredentialsProvider(),
        config={"tls": {"caFile": str(server.ca_file)}},
    )
    with connector, connector.open("oss://bucket/object") as reader:
        data = reader.read()
        assert reader.verified == "crc64"
        return data


def by_ssl(server: LocalServer) -> bytes:
    context = ssl.create_default_context(cafile=str(server.ca_file))
    with urllib.request.urlopen(f"{server.endpoint}/bucket/object", context=context) as reply:
        return reply.read()


def by_pycurl(server: LocalServer) -> bytes:
    pycurl = others["pycurl"]
    body, handle = io.BytesIO(), pycurl.Curl()
    handle.setopt(pycurl.URL, f"{server.endpoint}/bucket/object")
    handle.setopt(pycurl.CAINFO, str(server.ca_file))
    handle.setopt(pycurl.WRITEDATA, body)
    handle.perform()
    handle.close()
    return body.getvalue()


def versions() -> str:
    told = [
        f"ours {ours.build_info()['libcurl']} {ours.build_info()['tls']}",
        f"ssl {ssl.OPENSSL_VERSION}",
    ]
    told.append(others["pycurl"].version)
    told.append(f"grpc {others['grpc'].__version__}")
    told.append(f"torch {others['torch'].__version__}" if others["torch"] else "no torch")
    return "; ".join(told)


def read_all(server: LocalServer) -> None:
    for read in (by_ours, by_ssl, by_pycurl) * 3:
        assert read(server) == BODY, read.__name__


def main() -> None:
    at_first = versions()
    with LocalServer(buckets=["bucket"], tls=True, anonymous=True) as server:
        server.put_object("bucket", "object", BODY)
        read_all(server)
        if others["torch"]:
            torch = others["torch"]
            assert torch.ones(512, 512).matmul(torch.ones(512, 512))[0, 0] == 512
        threads = [threading.Thread(target=read_all, args=(server,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        try:
            by_ours_untrusted(server)
        except ours.ConnectError as error:
            refusal = str(error)
        assert "certificate" in refusal, refusal
    assert versions() == at_first
    print(at_first)


def by_ours_untrusted(server: LocalServer) -> None:
    connector = ours.OssModelConnector(
        server.endpoint, cred_provider=ours.AnonymousCredentialsProvider()
    )
    with connector, connector.open("oss://bucket/object") as reader:
        reader.read()


if __name__ == "__main__":
    main()
