"""Reads one object here and another in a forked child, by one connector, both at once.

argv: two URIs. OSS_* name the server. Prints the digests of both, the child's first.
"""

from __future__ import annotations

import hashlib
import os
import sys
import warnings

from ossmodelconnector import OssModelConnector

here, there = sys.argv[1:]
warnings.simplefilter("ignore")
connector = OssModelConnector.from_env(
    config={"prefetch": {"chunkBytes": "64 KiB", "memoryBytes": "512 KiB", "vcpus": 1}}
)
reader = connector.open(here)
begin = reader.read(100_000)
child = os.fork()
if child == 0:
    print(hashlib.sha256(connector.open(there).read()).hexdigest(), flush=True)
    sys.exit(0)
digest = hashlib.sha256(begin + reader.read()).hexdigest()
assert os.waitpid(child, 0)[1] == 0
print(digest)
