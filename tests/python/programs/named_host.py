"""Reads an object again and again, each time by a new connector.

argv: endpoint, URI. For each line on standard input: one reading, and one line of JSON with what
came of it and the seconds that it took.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time

from ossmodelconnector import AnonymousCredentialsProvider, OssError, OssModelConnector

endpoint, uri = sys.argv[1:]

CONFIG = {
    "addressing": "path",
    "prefetch": {"chunkBytes": "64 KiB", "memoryBytes": "16 MiB", "vcpus": 1},
    "timeout": {"connectSeconds": 1, "readSeconds": 30},
    "retry.maxAttempts": 3,
}

for _ in sys.stdin:
    begin = time.monotonic()
    try:
        with OssModelConnector(
            endpoint, cred_provider=AnonymousCredentialsProvider(), config=CONFIG
        ) as connector:
            outcome = hashlib.sha256(connector.open(uri).read()).hexdigest()
    except OssError as error:
        outcome = f"{type(error).__name__}: {error}"
    print(json.dumps([outcome, time.monotonic() - begin]), flush=True)
