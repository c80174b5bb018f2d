"""Whatever is done with an address that holds a secret, no text, repr or log repeats it.

OSSMC_SECRET_INPUTS says how many inputs, OSSMC_SECRET_SEED which ones: `make test-long` takes
100,000 of a new seed.
"""

from __future__ import annotations

import itertools
import logging
import os
import pickle
import random
import string
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import oss2.credentials
import pytest
from ossmodelconnector import AnonymousCredentialsProvider, ObjectInfo, OssModelConnector
from ossmodelconnector.local import LocalServer, Reply, RequestRecord

INPUTS = int(os.environ.get("OSSMC_SECRET_INPUTS", "3000"))
SEED = int(os.environ.get("OSSMC_SECRET_SEED", "20260601"))
# So much of a secret in a row is too much.
PIECE = 6

HOSTS = [
    "models",
    "models.oss-cn-hangzhou.aliyuncs.com",
    "oss-cn-hangzhou.aliyuncs.com",
    "data.example.com:8080",
    "Models_1",
    "127.0.0.1:1",
    "[::1]",
    "",
]
SCHEMES = ["oss://", "https://", "http://", "s3://", "OSS://", "oss:/", "file:///", "//", ""]
PARAMETERS = [
    "Signature=",
    "signature=",
    "x-oss-signature=",
    "security-token=",
    "x-oss-security-token=",
    "OSSAccessKeyId=id&Expires=1&Signature=",
    "x-oss-credential=id%2F20240101&x-oss-signature=",
    "Signature%3D",
]
PATHS = ["", "/", "/qwen/w.bin", "/a b/ü", "/a@b", "/\n", "/\ud800", "/" + "k" * 1100]


class Planter:
    """Makes texts with a secret in them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def secret(self) -> str:
        """As keys, tokens and signatures look, and as passwords may.

        Each piece of it has letters and digits that no word, number or request id has in a row.
        """
        signs = self.random.choice(["", "", "-_.~", "+=", "!$*"])
        alphabets = itertools.cycle(["QZXJKVW", string.digits, string.ascii_letters + signs])
        return "".join(
            self.random.choice(next(alphabets)) for _ in range(self.random.randint(12, 40))
        )

    def address(self, secret: str) -> str:
        """An address with the secret in its userinfo or in a parameter, good or bad otherwise."""
        choice = self.random.choice
        scheme, host, path = choice(SCHEMES), choice(HOSTS), choice(PATHS)
        if self.random.random() < 0.5:
            separator = choice(["@", "@", "@", "%40"])
            return f"{scheme}{choice(['id:', 'id%3A', ''])}{secret}{separator}{host}{path}"
        end = choice(["", "&x=1", "#part", " and more"])
        return f"{scheme}{host}{path}?{choice(PARAMETERS)}{secret}{end}"

    def key_uri(self, secret: str) -> str:
        """A good URI of an object, whose key has a parameter."""
        return f"oss://models/w.bin?{self.random.choice(PARAMETERS)}{secret}"


def texts_of(thing: Any) -> Iterator[str]:
    yield f"{thing} {thing!r}"
    if isinstance(thing, BaseException):
        yield "".join(traceback.format_exception(type(thing), thing, thing.__traceback__))
        yield repr(vars(thing))
        yield repr((getattr(thing, "filename", ""), getattr(thing, "strerror", "")))


def answer(record: RequestRecord) -> Reply | None:
    """Success, plain failures, and failures that repeat what was asked for."""
    kind = zlib.crc32(record.raw_target.encode()) % 6
    asked = record.raw_target.replace("&", "&amp;").replace("<", "&lt;")
    if kind == 0:
        message = f"<Error><Code>AccessDenied</Code><Message>{asked}</Message></Error>"
        return Reply(403, body=message.encode())
    if kind == 1:
        return Reply(400, body=f"<html>no {asked} here</html>".encode())
    if kind == 2:
        return Reply(200, headers={"ETag": '"e"'}, body=b"data")
    if kind == 3:
        return Reply(302, headers={"Location": f"https://id:pw@host{record.raw_target}"})
    return None


@pytest.fixture(scope="module")
def public() -> Iterator[LocalServer]:
    with LocalServer(buckets=["models"], anonymous=True) as server:
        server.on_request = answer
        yield server


def calls_with(planter: Planter, connector: OssModelConnector, secret: str) -> Callable[[], Any]:
    """One call of a user, with the secret somewhere in its arguments."""
    address, key_uri = planter.address(secret), planter.key_uri(secret)
    prefix = key_uri[len("oss://models/") :]
    anonymous = AnonymousCredentialsProvider()
    keys = oss2.credentials.StaticCredentialsProvider("id", secret, secret)
    # No time, which repr does not need.
    info = ObjectInfo("models", prefix, 1, "e", None, "Standard")  # type: ignore[arg-type]

    def make(endpoint: str = connector.endpoint, provider: Any = keys, **arguments: Any) -> Any:
        return repr(OssModelConnector(endpoint, cred_provider=provider, **arguments))

    return planter.random.choice(
        [
            lambda: make(address),
            lambda: make(address, anonymous),
            lambda: make(region=address),
            lambda: make(config={"proxy": address}),
            lambda: make(config={"proxy": f"http://id:{secret}@127.0.0.1:1", "logLevel": 9}),
            lambda: make(config={"headers": {"X-Key": secret, "Host": secret}}),
            lambda: make(config={"userAgent": f"x\n?Signature={secret}"}),
            lambda: make(config={"addressing": f"//id:{secret}@host"}),
            lambda: make(provider=secret),
            lambda: make(provider=oss2.credentials.StaticCredentialsProvider("id", secret + "\n")),
            lambda: connector.open(address),
            lambda: connector.open(address, False),
            lambda: connector.open(key_uri),
            lambda: connector.open(info),
            # Wrong on purpose: its error is looked at.
            lambda: connector.open(key_uri, key_uri),  # type: ignore[call-overload]
            lambda: connector.open_many([key_uri, address]),
            lambda: connector.stat(key_uri),
            lambda: connector.stat(address),
            lambda: connector.exists(address),
            lambda: connector.list(address),
            lambda: connector.list("models", prefix),
            lambda: connector.list("models", prefix, True),
            lambda: connector.list("models", f"{prefix}&url=https://id:{secret}@host/"),
            lambda: connector.iter_objects(address, prefix),
            lambda: info,
        ]
    )


def test_no_text_repeats_a_planted_secret(public, caplog, tmp_path):
    caplog.set_level(logging.DEBUG, "ossmodelconnector")
    planter = Planter(SEED)
    pieces_of_all: set[str] = set()
    audit = tmp_path / "audit.log"
    config = {
        "logLevel": 0,
        "auditPath": str(audit),
        "prefetch.memoryBytes": "64 MiB",
        "retry.maxAttempts": 1,
    }
    with OssModelConnector(
        public.endpoint, cred_provider=AnonymousCredentialsProvider(), config=config
    ) as connector:
        outcomes = {"raised": 0, "returned": 0}
        for number in range(INPUTS):
            secret = planter.secret()
            seen: list[str] = []
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                try:
                    result = calls_with(planter, connector, secret)()
                except Exception as error:
                    outcomes["raised"] += 1
                    seen += texts_of(error)
                else:
                    outcomes["returned"] += 1
                    seen += texts_of(result)
                    if hasattr(result, "close"):
                        result.close()
                        seen += texts_of(result)
            seen += [str(warning.message) for warning in warned]
            shown = "\n".join(seen)
            shown += unquote(shown)
            pieces = [secret[i : i + PIECE] for i in range(len(secret) - PIECE + 1)]
            told = [piece for piece in pieces if piece in shown]
            assert told == [], f"input {number} of seed {SEED}: {shown}"
            pieces_of_all.update(pieces)
    assert outcomes["raised"] > INPUTS / 2
    assert outcomes["returned"] > INPUTS / 50
    log = "\n".join(r.getMessage() for r in caplog.records if r.name == "ossmodelconnector")
    assert "started" in log
    # It is rotated.
    log += "".join(path.read_text() for path in sorted(tmp_path.glob("audit.log*")))
    assert "oss://models/w.bin%3F" in log
    log += unquote(log)
    assert pieces_of_all.isdisjoint(log[i : i + PIECE] for i in range(len(log)))


def test_the_repr_of_a_text_does_not_tell_the_signature_in_its_name(public):
    public.put_object("models", "w.bin?Signature=QZ7QZ7QZ7", b"data")
    uri = "oss://models/w.bin?Signature=QZ7QZ7QZ7"
    with OssModelConnector(
        public.endpoint, cred_provider=AnonymousCredentialsProvider(), region="cn-hangzhou"
    ) as connector:
        public.on_request = None
        for file in (connector.open(uri), connector.open(uri, False)):
            assert "QZ7" not in f"{file!r} {file.name!r}"
            assert file.name == uri
            assert type(pickle.loads(pickle.dumps(file.name))) is str
        public.on_request = answer
