"""Reads an object in pieces, with little address space left under a budget that is larger.

argv: how many MiB are left, a URI, a piece's KiB. OSS_* name the server. Prints the bytes' SHA-256
and what stats() say, or the error.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import warnings
from pathlib import Path

from ossmodelconnector import OssModelConnector


def address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


left, uri, piece = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
warnings.simplefilter("ignore")  # the endpoint is an IP address, which tells no region
connector = OssModelConnector.from_env(config={"prefetch.memoryBytes": "1 GiB"})
buffer = bytearray(piece << 10)
view = memoryview(buffer)
_, most = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (address_space() + (left << 20), most))
said: dict[str, object] = {}
try:
    digest = hashlib.sha256()
    with connector.open(uri) as reader:
        while size := reader.readinto(buffer):
            digest.update(view[:size])
    said["digest"] = digest.hexdigest()
except Exception as error:
    said["error"] = f"{type(error).__name__}: {error}"
finally:
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
stats = connector.stats()
said.update(retries=stats.retries, peak=stats.memory_peak_bytes)
connector.close()
print(json.dumps(said))
