"""Waits in a call until Ctrl-C ends it.

argv: which call, URI. OSS_* name the server, which does not answer, or sends slowly.
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
reader = None if call in ("open", "list", "stat", "open_many") else connector.open(uri)
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
}
try:
    print("waiting", flush=True)  # in here: the signal may follow at once
    calls[call]()
except KeyboardInterrupt:
    begin = time.monotonic()
    if reader is not None:
        # It moved no cursor, and the reader is still there.
        assert call == "readline" or reader.tell() == 0
        reader.close()
    connector.close()
    print("interrupted", time.monotonic() - begin, flush=True)
else:
    print("not interrupted", flush=True)
