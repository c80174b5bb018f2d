"""Lists a bucket until there is no memory for more rows.

argv: the bucket. OSS_* name the server. Prints what the next page's call says, when there is memory
again, and whether the rows that had come are still there.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from ossmodelconnector import OssModelConnector

# The rows grow by half of what they are, in one piece. Pages, which other threads take in, need
# less: these threads are not to be the ones that get none.
_LEFT = 8 << 20


def address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


connector = OssModelConnector.from_env(region="cn-hangzhou")
listing = connector._core.start_list(sys.argv[1], "", False)
for _ in range(3):
    assert listing.more()
_, most = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (address_space() + _LEFT, most))
try:
    while listing.more():
        pass
except MemoryError:
    pass
else:
    sys.exit("there was memory for all of it")
finally:
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
rows = len(listing)
try:
    listing.more()
except Exception as error:
    print(error)
print(rows >= 3000 and len(listing.take()) == rows)
