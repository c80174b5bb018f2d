"""Ends while reads are in flight.

argv: how, URI. OSS_* name the server, which sends slowly. Prints when the main thread ends.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import warnings

from ossmodelconnector import OssModelConnector

how, uri = sys.argv[1:]
warnings.simplefilter("ignore")
connector = OssModelConnector.from_env(
    config={"prefetch": {"chunkBytes": "64 KiB", "memoryBytes": "16 MiB"}}
)


def read_all(reader):
    with contextlib.suppress(ValueError):  # closed by the interpreter's end
        reader.read()


def read_some(reader):
    buffer = bytearray(8 << 20)
    with contextlib.suppress(ValueError):
        reader.read_at(1 << 20, buffer)


def open_forever():
    with contextlib.suppress(ValueError):
        while True:
            connector.open(uri).close()


class Cycle:
    """Ends by the garbage collector, if it ends."""


readers = [connector.open(uri) for _ in range(4)]
if how == "daemon threads":
    # Many: each that came to the GIL too late would abort the process.
    for reader in readers * 16:
        threading.Thread(target=read_some, args=(reader,), daemon=True).start()
    for reader in readers:
        threading.Thread(target=read_all, args=(reader,), daemon=True).start()
    threading.Thread(target=open_forever, daemon=True).start()
    threading.Thread(target=readers[0].getbuffer, daemon=True).start()
    sys.excepthook = threading.excepthook = lambda *_: None
    time.sleep(0.3)
elif how == "cycle":
    cycle = Cycle()
    cycle.self, cycle.readers, cycle.connector = cycle, readers, connector
    del readers, connector, cycle
elif how == "text":
    readers = [connector.open(uri.replace("large.bin", "large.txt"), binary=False)]
    readers[0].readline()
elif how == "closed":
    connector.close()
elif how == "several connectors":
    others = [OssModelConnector.from_env() for _ in range(8)]
    readers += [other.open(uri) for other in others]
print(time.monotonic(), flush=True)
if how == "sys.exit":
    sys.exit(3)
if how == "exception":
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for the traceback, until the end
    raise RuntimeError("the program's own")
