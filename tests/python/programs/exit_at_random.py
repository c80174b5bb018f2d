"""Ends at some moment, in some state, while callers, providers and handlers are at work.

argv: a seed, a folder, a URI. OSS_* name the server. Nothing may be printed, and it must end.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import sys
import threading
import time
import types
import warnings
from pathlib import Path
from typing import Any

import ossmodelconnector
from ossmodelconnector import OssModelConnector

seed, folder, uri = sys.argv[1:]
warnings.simplefilter("ignore")
chance = random.Random(int(seed))


class Provider:
    """Slow, now and then; once it does not come back before the end."""

    def __init__(self) -> None:
        self.seconds = chance.choice([0, 0, 0.01, 0.1, 30])

    def get_credentials(self) -> Any:
        time.sleep(self.seconds)
        return types.SimpleNamespace(
            access_key_id=os.environ["OSS_ACCESS_KEY_ID"],
            access_key_secret=os.environ["OSS_ACCESS_KEY_SECRET"],
        )


class Handler(logging.Handler):
    """Slow at first, now and then; in the main thread too, where records are left at the end."""

    seconds = chance.choice([0, 0, 0.001, 1])

    def emit(self, record: logging.LogRecord) -> None:
        seconds, Handler.seconds = Handler.seconds, 0
        time.sleep(seconds)


logger = logging.getLogger("ossmodelconnector")
logger.addHandler(Handler())
logger.setLevel(logging.DEBUG)
config: dict[str, Any] = {"prefetch.chunkBytes": "64 KiB", "prefetch.memoryBytes": "16 MiB"}
config["logLevel"] = chance.choice([0, 3])
if chance.random() < 0.5:
    config["logPath"] = config["auditPath"] = Path(folder) / f"log-{seed}"
connectors = [
    OssModelConnector(os.environ["OSS_ENDPOINT"], cred_provider=Provider(), config=config)
    for _ in range(chance.choice([1, 3]))
]


def work(connector: OssModelConnector) -> None:
    with contextlib.suppress(ValueError, ossmodelconnector.OssError):
        while True:
            with connector.open(uri) as reader:
                reader.read(100_000)
                reader.read_at(50_000, bytearray(100_000))


threads = [
    threading.Thread(target=work, args=(connector,), daemon=True)
    for connector in connectors
    for _ in range(2)
]
for thread in threads:
    thread.start()
sys.excepthook = threading.excepthook = lambda *_: None
time.sleep(chance.random() * 0.15)
how = chance.choice(["end", "exit", "exception", "close", "fork"])
if how == "close":
    connectors[0].close()
if how == "fork" and os.fork():
    os.wait()
if how == "exit":
    sys.exit(0)
if how == "exception":
    raise KeyError(seed)
