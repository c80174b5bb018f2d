"""Ends, or is interrupted, while 100 chunks are in flight.

argv: how, URI. OSS_* name the server, which answers for the beginning of an object and for no other
chunk. Waits for a line on standard input, by which the parent says that all are in flight; prints
how long it took to close after an interrupt, and when the main thread ends.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import warnings

from ossmodelconnector import OssModelConnector

how, uri = sys.argv[1:]
warnings.simplefilter("ignore")
connector = OssModelConnector.from_env(
    config={
        "prefetch": {"chunkBytes": "64 KiB", "memoryBytes": "16 MiB", "vcpus": 1, "workers": 100}
    }
)
reader = connector.open(uri)


def read():
    with contextlib.suppress(ValueError):  # closed by the interpreter's end
        reader.read()


if how == "daemon threads":
    for _ in range(8):
        threading.Thread(target=read, daemon=True).start()
sys.stdin.readline()
if how == "interrupt":
    try:
        print("waiting", flush=True)  # in here: the signal may follow at once
        reader.read()
    except KeyboardInterrupt:
        begin = time.monotonic()
        connector.close()
        print(time.monotonic() - begin)
print(time.monotonic(), flush=True)
