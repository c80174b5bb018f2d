"""Closes all descriptors, as daemons do, opens files that get their numbers, and goes on.

argv: "in child" or "here", a folder, a URI, a file of authorities or "". OSS_* name the server.
Prints what was read then, and what was found in those files.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import socket
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from ossmodelconnector import OssModelConnector

where, folder, uri, authorities = sys.argv[1:]
warnings.simplefilter("ignore")
log = Path(folder) / "log"
config: dict[str, Any] = {"logLevel": 0, "logPath": log}
if authorities:
    config["tls.caFile"] = authorities
connector = OssModelConnector.from_env(config=config)
reader = connector.open(uri)
first = hashlib.sha256(reader.read()).hexdigest()
child = os.fork() if where == "in child" else 0
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os.closerange(3, 65536)
files = [open(Path(folder) / f"other-{i}", "wb+", buffering=0) for i in range(40)]  # noqa: SIM115
sockets = [socket.socketpair() for _ in range(20)]
for pair in sockets:
    for end in pair:
        end.setblocking(False)


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def got(end: socket.socket) -> str:
    try:
        return repr(end.recv(1000))
    except BlockingIOError:
        return ""


begin = time.monotonic()
with connector.open(uri) as again:
    digests = [first, hashlib.sha256(again.read()).hexdigest()]
reader.seek(0)
digests.append(hashlib.sha256(reader.read()).hexdigest())
listed = len(connector.list(uri.split("/")[2]))
seconds = time.monotonic() - begin
cpu = cpu_seconds()
time.sleep(1)
cpu = cpu_seconds() - cpu
connector.close()
written = [
    repr(os.pread(file.fileno(), 100, 0)) for file in files if os.fstat(file.fileno()).st_size
]
written += filter(None, (got(end) for pair in sockets for end in pair))
path = Path(f"{log}.{os.getpid()}" if where == "in child" else log)
print(
    json.dumps(
        {
            "digests": digests,
            "listed": listed,
            "seconds": seconds,
            "cpu": cpu,
            "written": written,
            "lines": len(path.read_text().splitlines()),
        }
    ),
    flush=True,
)
if where == "in child":
    os._exit(0)
