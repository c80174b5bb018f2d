"""The likeliest mistakes, each made for real; docs/troubleshooting.md has what is said of them."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from typing import Any

from ossmodelconnector import OssModelConnector
from ossmodelconnector.local import Credential, LocalServer, Reply
from ossmodelconnector.safetensors import open_model
from support.certificates import Authority
from support.fault_server import FaultServer
from support.mistake_world import ENDED, HANGZHOU, KEY, MISTAKES, STS, Said, World, connect, mistake
from support.ports import refusing_port
from support.relay import Relay, SilentServer

__all__ = ["MISTAKES"]

# --- endpoint, region, settings

mistake("no endpoint")(lambda _: OssModelConnector.from_env())
mistake("the bucket in the endpoint's host")(
    lambda w: w.open(endpoint="https://models.oss-cn-hangzhou.aliyuncs.com", region=None)
)
mistake("the bucket in the endpoint's path")(lambda _: connect(f"{HANGZHOU}/models"))
mistake("a region in place of the endpoint")(lambda _: connect("oss-cn-hangzhou"))
mistake("another region than the endpoint's")(lambda _: connect(region="cn-beijing"))
mistake("a region without its country")(
    lambda _: connect("https://oss-accelerate.aliyuncs.com", region="beijing")
)
mistake("no region where the host has none")(
    lambda _: connect("https://oss-accelerate.aliyuncs.com")
)
mistake("a size such as 1GB")(lambda _: connect(config={"prefetch.memoryBytes": "1GB"}))
mistake("an unknown setting")(lambda _: connect(config={"memory": "1 GiB"}))
mistake("no configuration file")(lambda w: connect(config_path=w.folder / "none.json"))
mistake("no file of authorities")(lambda _: connect(config={"tls.caFile": "/no/ca.pem"}))
mistake("a bucket in region A, the endpoint of region B")(
    lambda w: w.refuse(
        403,
        "AccessDenied",
        "The bucket must be addressed using the specified endpoint.",
        "<Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint>",
    )
)
mistake("a signature for another region")(lambda w: w.open(region="cn-beijing"))

# --- URIs and arguments

mistake("an s3:// URI")(lambda w: w.open("s3://models/qwen/a.bin"))
mistake("an https:// URL of an object")(
    lambda w: w.open("https://models.oss-cn-hangzhou.aliyuncs.com/a%20b?Signature=hunter2")
)
mistake("keys in the URI")(lambda w: w.open(f"oss://id:{KEY.access_key_secret}@models/a.bin"))
mistake("a URI where list() takes a bucket")(
    lambda w: connect_and(w, lambda connector: connector.list("oss://models/list/"))
)
mistake("a mode where open() takes a flag")(
    lambda w: connect_and(w, lambda connector: connector.open("oss://models/text.txt", "rb"))
)
mistake("a connector that was closed")(lambda w: closed(w))
mistake("no such key")(lambda w: w.open("oss://models/no-such.bin"))
mistake("a folder opened as an object")(lambda w: w.open("oss://models/list/"))
mistake("no such bucket")(lambda w: w.open("oss://no-such-bucket/a.bin"))


def connect_and(world: World, call: Callable[[OssModelConnector], object]) -> None:
    with world.connector() as connector:
        call(connector)


def copy(world: World, folder: object, keep: bool = False) -> None:
    with world.connector() as connector:
        open_model(
            "oss://models/large.bin",
            "np",
            connector=connector,
            node_copy=folder,  # type: ignore[arg-type]  # that is the mistake
            keep=keep,
        )


def closed(world: World) -> None:
    with world.connector() as connector:
        pass
    connector.open("oss://models/text.txt")


# --- keys and permissions

mistake("no keys given")(lambda _: connect(cred_provider=None))
mistake("the key pair as provider")(lambda _: connect(cred_provider=("id", "hunter2")))
mistake("no keys anywhere")(
    lambda w: w.child(
        "import ossmodelconnector\nossmodelconnector.OssModelConnector.from_env()",
        OSS_ENDPOINT=HANGZHOU,
    )
)
mistake("half a key pair")(
    lambda w: w.child(
        "import ossmodelconnector\nossmodelconnector.OssModelConnector.from_env()",
        OSS_ENDPOINT=HANGZHOU,
        OSS_ACCESS_KEY_ID="id",
    )
)
mistake("a line break behind the secret")(
    lambda w: w.child(
        "import ossmodelconnector\nossmodelconnector.OssModelConnector.from_env()",
        OSS_ENDPOINT=HANGZHOU,
        OSS_ACCESS_KEY_ID="id",
        OSS_ACCESS_KEY_SECRET="hunter2\n",
    )
)
mistake("no credentials file")(
    lambda w: w.open(cred_provider=None, cred_path=w.folder / "no-such.json")
)
mistake("a wrong secret")(
    lambda w: w.open(key=Credential(KEY.access_key_id, "canary-another-secret"))
)
mistake("an unknown access key id")(lambda w: w.open(key=Credential("LTAI5tNobody", "s")))
mistake("temporary keys without their token")(
    lambda w: w.open(key=Credential(STS.access_key_id, STS.access_key_secret))
)
mistake("temporary keys that have ended")(lambda w: w.open(key=ENDED))
mistake("a token that was cut off")(
    lambda w: w.open(key=Credential(STS.access_key_id, STS.access_key_secret, "canary"))
)
mistake("a bucket whose requesters pay")(
    lambda w: w.refuse(403, "AccessDenied", "Bucket is requester pays bucket.")
)
mistake("no permission to read")(lambda w: w.open("oss://denied/a.bin"))
mistake("no permission to list")(
    lambda w: connect_and(w, lambda connector: connector.list("denied"))
)
mistake("an object under a KMS key that one may not use")(
    lambda w: w.refuse(403, "AccessDenied", "This operation is forbidden by KMS: kms:Decrypt")
)
mistake("an archived object")(lambda w: w.open("oss://models/archived.bin"))
mistake("an account in arrears")(lambda w: w.refuse(403, "UserDisable", "UserDisable"))
mistake("a clock that is off")(lambda w: w.refuse(403, "RequestTimeTooSkewed", "Too large."))

# --- the network

mistake("a host that does not exist")(lambda w: w.open(endpoint="http://no-such-host.invalid"))


@mistake("a port where nobody listens")
def _refused(world: World) -> None:
    with refusing_port() as port:
        world.open(endpoint=f"http://127.0.0.1:{port}")


@mistake("a host that never answers")
def _silent(world: World) -> None:
    with SilentServer() as silent:
        world.open(endpoint=f"http://127.0.0.1:{silent.port}")


mistake("https:// to a port of plain HTTP")(
    lambda w: w.open(endpoint=w.plain.endpoint.replace("http:", "https:"))
)
mistake("http:// to a port of TLS")(
    lambda w: w.open(endpoint=w.secure.endpoint.replace("https:", "http:"))
)
mistake("a certificate of an unknown authority")(lambda w: w.open(endpoint=w.secure.endpoint))


@mistake("a certificate that has ended")
def _ended(world: World) -> None:
    authority = Authority(world.folder)
    ended = datetime.timedelta(days=-1)
    with FaultServer(tls=authority.serve(ends_in=ended)) as server:
        world.open(endpoint=server.endpoint, config={"tls.caFile": str(authority.ca_file)})


@mistake("a certificate of another host")
def _other_name(world: World) -> None:
    authority = Authority(world.folder)
    with FaultServer(tls=authority.serve("127.0.0.2")) as server:
        world.open(endpoint=server.endpoint, config={"tls.caFile": str(authority.ca_file)})


class RefusingProxy(Relay):
    """A proxy that says no."""

    status = b"403 Forbidden"

    def connect(self, client: Any) -> Any:
        client.recv(1 << 16)
        body = b"<html><title>Not allowed</title></html>"
        head = b"Content-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body)
        client.sendall(b"HTTP/1.1 " + self.status + b"\r\n" + head + body)
        raise ConnectionAbortedError


class ClosedProxy(RefusingProxy):
    """One that wants a password."""

    status = b"407 Proxy Authentication Required"


def by_proxy(world: World, made: type[Relay], served: LocalServer) -> None:
    with made("127.0.0.1", 9) as proxy:
        config = {"proxy": f"http://127.0.0.1:{proxy.port}"}
        if served.ca_file:
            config["tls.caFile"] = served.ca_file
        world.open(endpoint=served.endpoint, config=config)


mistake("a proxy that wants a password")(lambda w: by_proxy(w, ClosedProxy, w.plain))
mistake("a proxy that forbids the store")(lambda w: by_proxy(w, RefusingProxy, w.plain))
mistake("a proxy that opens no tunnel")(lambda w: by_proxy(w, RefusingProxy, w.secure))


@mistake("a proxy that is not there")
def _no_proxy(world: World) -> None:
    with refusing_port() as port:
        world.open(config={"proxy": f"http://127.0.0.1:{port}"})


mistake("a proxy that is no URL")(
    lambda w: w.child(
        "import ossmodelconnector as o\n"
        f"o.OssModelConnector({w.plain.endpoint!r}, cred_provider=o.AnonymousCredentialsProvider())"
        ".open('oss://models/text.txt')",
        http_proxy="http://[",
    )
)


@mistake("a login page before the store")
def _login(world: World) -> None:
    page = b"<html><title>Log in</title></html>"

    def log_in(request: Any, reply: Any) -> None:
        reply.body = page
        reply.headers = {"Content-Type": "text/html", "Content-Length": str(len(page))}

    with FaultServer(script=log_in) as server:
        world.open(endpoint=server.endpoint)


mistake("an endpoint that leads elsewhere")(
    lambda w: w.answer(
        w.open, Reply(302, headers={"Location": "https://oss-cn-beijing.aliyuncs.com/a"})
    )
)
mistake("a store that wants signatures of S3")(
    lambda w: w.refuse(400, "UnsupportedAlgorithm", "AWS4-HMAC-SHA256 is expected")
)
mistake("too many requests")(lambda w: w.answer(w.open, Reply(503, "SlowDown")))

# --- this machine


@mistake("an object that is larger than the memory")
def _large(world: World) -> None:
    with world.connector() as connector:
        connector.open("oss://models/large.bin").getbuffer()


@mistake("an object for which the system has no memory")
def _no_memory(world: World) -> Said:
    with FaultServer(data=bytes(64 << 20)) as server:
        return world.child(
            "import resource, ossmodelconnector as o\n"
            "config = {'prefetch.memoryBytes': '1 GiB', 'prefetch.chunkBytes': '1 MiB'}\n"
            "anybody = o.AnonymousCredentialsProvider()\n"
            f"c = o.OssModelConnector({server.endpoint!r}, cred_provider=anybody, config=config)\n"
            "reader = c.open('oss://bucket/key', prefetch=False)\n"
            "reader.read(1)\n"
            "mapped = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
            "most = mapped + (32 << 20)\n"
            "resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
            "reader.getbuffer()"
        )


@mistake("too few descriptors")
def _few(world: World) -> Said:
    return world.child(
        "import os, resource, ossmodelconnector as o\n"
        "anybody = o.AnonymousCredentialsProvider()\n"
        f"c = o.OssModelConnector({world.plain.endpoint!r}, cred_provider=anybody)\n"
        "left = len(os.listdir('/proc/self/fd')) + 1\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (left, left))\n"
        "c.open('oss://models/text.txt')"
    )


# --- one copy for the processes of a machine

mistake("a node copy in a folder that is not there")(lambda w: copy(w, w.folder / "none"))
mistake("a node copy in a bucket")(lambda w: copy(w, "oss://models/copies/"))
mistake("a node copy that is kept and not wanted")(lambda w: copy(w, False, keep=True))


@mistake("a node copy in a folder that others write")
def _of_others(world: World) -> None:
    folder = world.folder / "copies"
    folder.mkdir()
    (folder / f"ossmodelconnector-{os.geteuid()}").mkdir(mode=0o755)
    copy(world, folder)


@mistake("a node copy for which there is no space")
def _no_space(world: World) -> Said:
    (world.folder / "small").mkdir()
    with FaultServer(data=bytes(64 << 20)) as server:
        return world.child(
            "import resource, ossmodelconnector as o\n"
            "from ossmodelconnector.safetensors import open_model\n"
            "anybody = o.AnonymousCredentialsProvider()\n"
            f"c = o.OssModelConnector({server.endpoint!r}, cred_provider=anybody)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
            f"small = {str(world.folder / 'small')!r}\n"
            "open_model(['oss://bucket/key'], 'np', connector=c, node_copy=small)"
        )


@mistake("an object that changed while it was read")
def _changed(world: World) -> None:
    with FaultServer() as server, world.connector(endpoint=server.endpoint) as connector:
        reader = connector.open("oss://bucket/key", prefetch=False)

        def other(request: Any, reply: Any) -> None:
            reply.headers["ETag"] = '"0123456789ABCDEF0123456789ABCDEF"'

        server.script = other
        reader.read()


@mistake("bytes that are wrong")
def _wrong(world: World) -> None:
    with FaultServer() as server, world.connector(endpoint=server.endpoint) as connector:

        def flip(request: Any, reply: Any) -> None:
            reply.body = bytes([reply.body[0] ^ 1]) + reply.body[1:] if reply.body else b""

        server.script = flip
        connector.open("oss://bucket/key").read()


# --- extras that are not installed


def _needs(name: str, code: str) -> None:
    mistake(name)(lambda world: world.child(code, alone=True))


_needs(
    "the extra torch is not installed",
    "from ossmodelconnector.torch import ObjectDataset\nObjectDataset('oss://models/list/')",
)
_needs(
    "the extra safetensors is not installed",
    "import ossmodelconnector as o\n"
    "from ossmodelconnector.safetensors import load_file\n"
    "c = o.OssModelConnector('http://127.0.0.1:9', "
    "cred_provider=o.AnonymousCredentialsProvider())\n"
    "load_file('oss://models/a.safetensors', connector=c, framework='np')",
)
_needs("the extra fsspec is not installed", "import ossmodelconnector.fsspec")
_needs("the extra ray is not installed", "import ossmodelconnector.ray")
_needs(
    "the extra transformers is not installed",
    "from ossmodelconnector.transformers import from_pretrained\n"
    "from_pretrained('AutoModel', 'oss://models/qwen')",
)
_needs("the extra local is not installed", "import ossmodelconnector.local")


@mistake("the extra cli is not installed")
def _command(world: World) -> Said:
    return world.child(
        "import contextlib, io\n"
        "from ossmodelconnector.command import main\n"
        "said = io.StringIO()\n"
        "with contextlib.redirect_stderr(said):\n"
        "    code = main(['ls', 'oss://models/'])\n"
        "print(json.dumps([f'exit code {code}', said.getvalue()]))",
        alone=True,
    )
