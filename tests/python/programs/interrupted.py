"""Waits in a call until Ctrl-C ends it.

argv: which call, URI. OSS_* name the server, which does not answer, or sends slowly. A cold call is
of a reader without prefetch; when it has ended its buffer must stay as it is.
"""

from __future__ import annotations

import sys
import time
import warnings

from ossmodelconnector import OssModelConnector

call, uri = sys.argv[1:]
warnings.simplefilter("ignore")
connector = OssModelConnector.from_env()
bucket = uri.split("/")[2]
needs_no_reader = ("open", "list", "stat", "open_many", "verify", "ranges")
is_cold = call.startswith("cold ")
reader = None if call in needs_no_reader else connector.open(uri, prefetch=not is_cold)
buffer = bytearray(reader.size if call in ("cold readinto", "cold read_at") else 0)
calls = {
    "open": lambda: connector.open(uri),
    "open_many": lambda: connector.open_many([uri, uri]),
    "list": lambda: connector.list(bucket),
    "stat": lambda: connector.stat(uri),
    "read": lambda: reader.read(),
    "readinto": lambda: reader.readinto(bytearray(reader.size)),
    "readline": lambda: reader.readlines(),
    "read_at": lambda: reader.read_at(reader.size - 10, bytearray(10)),
    "read_ranges": lambda: reader.read_ranges([(reader.size - 10, 10)]),
    "getbuffer": lambda: reader.getbuffer(),
    "chunks": lambda: [bytes(chunk) for chunk in reader.chunks()],
    "verify": lambda: connector.verify(uri),
    "ranges": lambda: connector.read_ranges([(uri, 0, 4 << 20)]),
    "cold readinto": lambda: reader.readinto(buffer),
    "cold read_at": lambda: reader.read_at(0, buffer),
    "cold read": lambda: reader.read(),
    "cold read_ranges": lambda: reader.read_ranges([(0, reader.size)]),
}
try:
    print("waiting", flush=True)  # in here: the signal may follow at once
    calls[call]()
except KeyboardInterrupt:
    received = bytes(buffer)
    if received:
        assert any(received)
        time.sleep(0.3)  # in which as much again would come
        assert buffer == received
    begin = time.monotonic()
    if reader is not None:
        # It moved no cursor, and the reader is still there.
        assert call in ("readline", "chunks") or reader.tell() == 0
        reader.close()
    connector.close()
    print("interrupted", time.monotonic() - begin, flush=True)
else:
    print("not interrupted", flush=True)
