"""Reads from many greenlets of one thread, under gevent or eventlet.

argv: library, "before" or "after" (when it patches the standard library, seen from our import),
URIs. OSS_* name the server. Prints what was read, and which threads Python knows.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import os
import sys
import time
import types
import warnings
from typing import Any

library, when, *uris = sys.argv[1:]
warnings.simplefilter("ignore")


def patch() -> None:
    if library == "gevent":
        importlib.import_module("gevent.monkey").patch_all()
    else:
        importlib.import_module("eventlet").monkey_patch()


if when == "before":
    patch()
import ossmodelconnector  # noqa: E402

if when == "after":
    patch()
import threading  # noqa: E402

records: list[str] = []


class Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        time.sleep(0.01)  # lets others run in between
        records.append(record.getMessage())


class Provider:
    calls = 0

    def get_credentials(self) -> Any:
        Provider.calls += 1
        time.sleep(0.2)  # as a request would: other greenlets run meanwhile, and want keys
        return types.SimpleNamespace(
            access_key_id=os.environ["OSS_ACCESS_KEY_ID"],
            access_key_secret=os.environ["OSS_ACCESS_KEY_SECRET"],
        )


logger = logging.getLogger("ossmodelconnector")
logger.addHandler(Handler())
logger.setLevel(logging.DEBUG)
before = [thread.name for thread in threading.enumerate()]
connector = ossmodelconnector.OssModelConnector(
    os.environ["OSS_ENDPOINT"], cred_provider=Provider(), config={"logLevel": 0}
)


def read(uri: str) -> str:
    with connector.open(uri) as reader:
        return hashlib.sha256(reader.read()).hexdigest()


begin = time.monotonic()
if library == "gevent":
    gevent = importlib.import_module("gevent")
    jobs = [gevent.spawn(read, uri) for uri in uris]
    gevent.joinall(jobs)
    digests = [job.get() for job in jobs]
else:
    eventlet = importlib.import_module("eventlet")
    digests = list(eventlet.GreenPool().imap(read, uris))
seconds = time.monotonic() - begin
connector.close()
print(
    json.dumps(
        {
            "digests": digests,
            "calls": Provider.calls,
            "records": len(records),
            "threads": [before, [thread.name for thread in threading.enumerate()]],
            "seconds": seconds,
        }
    )
)
