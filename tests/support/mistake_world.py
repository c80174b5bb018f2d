"""What the mistakes of support.mistakes are made with, and how what is said to them is caught."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import ossmodelconnector
from ossmodelconnector import OssModelConnector
from ossmodelconnector.local import Credential, LocalServer, Reply

HANGZHOU = "https://oss-cn-hangzhou.aliyuncs.com"
KEY = Credential("LTAI5tMistakes", "canary-mistaken-secret")
STS = Credential("STS.NUMistakes", "canary-sts-secret", "canary-sts-token")
ENDED = Credential("STS.NUEnded", "canary-ended-secret", "canary-ended-token", expires=1.0)
SECRETS = [item for key in (KEY, STS, ENDED) for item in (key.access_key_secret, key.token) if item]
ONCE = {"retry.maxAttempts": 1, "timeout.connectSeconds": 2, "timeout.readSeconds": 4}


class Said(NamedTuple):
    """What came of a mistake: the exception's class, and its text."""

    kind: str
    text: str


class Keys:
    """A provider of one credential."""

    def __init__(self, key: Credential) -> None:
        self._key = key

    def get_credentials(self) -> Any:
        key = self._key
        return type(
            "Found",
            (),
            {
                "access_key_id": key.access_key_id,
                "access_key_secret": key.access_key_secret,
                "security_token": key.token,
            },
        )


class World:
    """What mistakes are made with: a server with objects, one with TLS, a folder."""

    def __init__(self, folder: Path, plain: LocalServer, secure: LocalServer) -> None:
        self.folder = folder
        self.plain = plain
        self.secure = secure

    @contextmanager
    def connector(self, key: Credential = KEY, **arguments: Any) -> Iterator[OssModelConnector]:
        arguments = {"endpoint": self.plain.endpoint, "region": "cn-hangzhou", **arguments}
        arguments.setdefault("cred_provider", Keys(key))
        arguments["config"] = {
            **ONCE,
            "prefetch.memoryBytes": "32 MiB",
            **arguments.get("config", {}),
        }
        with OssModelConnector(**arguments) as connector:
            yield connector

    def open(
        self, uri: str = "oss://models/text.txt", key: Credential = KEY, **arguments: Any
    ) -> None:
        with self.connector(key, **arguments) as connector:
            connector.open(uri)

    def answer(self, call: Callable[[], None], reply: Reply) -> None:
        self.plain.on_request = lambda _: reply
        try:
            call()
        finally:
            self.plain.on_request = None

    def refuse(self, status: int, code: str, message: str = "No.", more: str = "") -> None:
        body = f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>".encode()
        reply = Reply(status, code, headers={"x-oss-request-id": "1"}, body=body)
        self.answer(self.open, reply)

    def child(self, code: str, *, alone: bool = False, room: int = 0, **environ: str) -> Said:
        """What is said in a process of its own; `alone`: with this package and no other."""
        known = {k: v for k, v in os.environ.items() if not k.startswith(("OSS_", "ALIBABA_"))}
        known |= {
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
            "HOME": str(self.folder),
            **environ,
        }
        program = "import json\ntry:\n"
        program += "".join(f"    {line}\n" for line in code.strip().split("\n"))
        program += "except Exception as error:\n"
        program += "    print(json.dumps([type(error).__name__, str(error)]))\n"
        command = [sys.executable, "-W", "ignore"]
        if alone:
            place = self.folder / "alone"
            place.mkdir(exist_ok=True)
            link = place / "ossmodelconnector"
            if not link.exists():
                link.symlink_to(Path(ossmodelconnector.__file__).parent)
            command += ["-S", "-E"]
            program = f"import sys\nsys.path.insert(0, {str(place)!r})\n{program}"

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (room, room))

        ran = subprocess.run(
            [*command, "-c", program],
            env=known,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            preexec_fn=limit if room else None,
        )
        assert ran.returncode == 0, ran.stderr
        return Said(*json.loads(ran.stdout))


Mistake = Callable[[World], Any]
MISTAKES: dict[str, Mistake] = {}


def mistake(name: str) -> Callable[[Mistake], Mistake]:
    """Registers one by the name that it has on the page."""

    def register(function: Mistake) -> Mistake:
        assert name not in MISTAKES
        MISTAKES[name] = function
        return function

    return register


def make(name: str, world: World) -> Said:
    """Makes a mistake, and returns what was said."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            said = MISTAKES[name](world)
        except Exception as error:
            return Said(type(error).__name__, str(error))
    assert isinstance(said, Said), f"nothing was said to: {name}"
    return said


def connect(endpoint: str = HANGZHOU, **arguments: Any) -> None:
    arguments = {"cred_provider": Keys(KEY), **arguments}
    OssModelConnector(endpoint, **arguments).close()
