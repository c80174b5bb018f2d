"""Reads, lists and asks for sizes with few descriptors left, more of them at a time than there are.

argv: how many are left, a file of authorities or "", a bucket, keys. OSS_* name the server. Prints,
for each thing that was asked: "right", "wrong" or the error; and what stats() say.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import warnings
from collections.abc import Callable

from ossmodelconnector import OssModelConnector

room, authorities, bucket, *keys = sys.argv[1:]
uris = [f"oss://{bucket}/{key}" for key in keys]
warnings.simplefilter("ignore")  # the endpoint is an IP address, which tells no region
config = {"prefetch.vcpus": 4, "prefetch.chunkBytes": "64 KiB", "prefetch.memoryBytes": "64 MiB"}
config["timeout.readSeconds"] = 30
if authorities:
    config["tls.caFile"] = authorities
connector = OssModelConnector.from_env(config=config)
before = len(os.listdir("/proc/self/fd")) - 1
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (before + int(room), most))
said: dict[str, object] = {}


def ask(what: str, call: Callable[[], object]) -> None:
    try:
        said[what] = call()
    except OSError as error:
        said[what] = f"{type(error).__name__} {error.errno}: {error}"


ask("read", lambda: [hashlib.sha256(r.read()).hexdigest() for r in connector.open_many(uris)])
ask("size", lambda: [connector.stat(uri).size for uri in uris])
ask("list", lambda: len(connector.list(bucket)))
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
ask("read with enough", lambda: hashlib.sha256(connector.open(uris[0]).read()).hexdigest())
said["retries"] = connector.stats().retries
connector.close()
print(json.dumps(said))
