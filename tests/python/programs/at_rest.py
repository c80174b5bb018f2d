"""Is at rest for some seconds after it was used: in asyncio threads under uvloop, or plainly.

argv: "uvloop", "expired" or "plain", seconds, a URI. OSS_* name the server. Prints what was read,
the part of a core it took at rest, and which threads Python knows.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import json
import logging
import os
import resource
import sys
import threading
import time
import types
import warnings
from typing import Any

from ossmodelconnector import OssModelConnector

how, seconds, uri = sys.argv[1:]
warnings.simplefilter("ignore")
logging.getLogger("ossmodelconnector").setLevel(logging.DEBUG)


class Provider:
    """The keys of the environment, which end soon where that is asked for."""

    def get_credentials(self) -> Any:
        return types.SimpleNamespace(
            access_key_id=os.environ["OSS_ACCESS_KEY_ID"],
            access_key_secret=os.environ["OSS_ACCESS_KEY_SECRET"],
            expiration=time.time() + 0.5 if how == "expired" else None,
        )


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def read() -> str:
    with connector.open(uri) as reader:
        return hashlib.sha256(reader.read()).hexdigest()


async def read_in_threads() -> list[str]:
    return await asyncio.gather(*(asyncio.to_thread(read) for _ in range(8)))


before = names()
config: dict[str, Any] = {"logLevel": 0}
if how == "expired":
    # The object does not fit: it is fetched further as it is read, which needs keys again.
    config.update({"prefetch.chunkBytes": "64 KiB", "prefetch.memoryBytes": "1 MiB"})
connector = OssModelConnector(os.environ["OSS_ENDPOINT"], cred_provider=Provider(), config=config)
if how == "uvloop":
    importlib.import_module("uvloop").install()
    digests = asyncio.run(read_in_threads())
    after = [name for name in names() if not name.startswith("asyncio")]
elif how == "expired":
    reader = connector.open(uri)
    head = reader.read(10)
    time.sleep(1)
    after = names()
else:
    digests = [read()]
    after = names()
cpu, begin = cpu_seconds(), time.monotonic()
time.sleep(float(seconds))
load = (cpu_seconds() - cpu) / (time.monotonic() - begin)
if how == "expired":
    digests = [hashlib.sha256(head + reader.read()).hexdigest()]
print(json.dumps({"digests": digests, "load": load, "threads": [before, after]}))
