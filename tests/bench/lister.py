"""What answers the lists of objects that nginx serves: the local server, as a child process."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from bench.errors import BenchError

_MOST_KEYS = 1000  # a page
_SECONDS = 60.0


@dataclass(frozen=True)
class Lister:
    """Where it is, and the ETag that it tells of each file that it lists."""

    port: int
    etags: dict[Path, str]


@contextmanager
def lists_of(served: Path, bucket: str, keys: Sequence[str], folder: Path) -> Iterator[Lister]:
    """Lists `keys` of a bucket of `served`, and no other, while the context lasts.

    `folder` is for links to them: the server reads all that it lists, once, for checksums.
    """
    root = folder / "listed"
    (root / bucket).mkdir(parents=True, exist_ok=True)
    for key in keys:
        link = root / bucket / key
        link.parent.mkdir(parents=True, exist_ok=True)
        os.link(served / bucket / key, link)  # the same file: the ETag goes by that
    words = [sys.executable, "-m", "ossmodelconnector", "serve", str(root), "--anonymous"]
    words += ["--region", "cn-test", "--access-key-id", "ak-test", "--access-key-secret", "sk-test"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            endpoint = _ready(process)
            etags = _etags(f"{endpoint}/{bucket}/?list-type=2&max-keys={_MOST_KEYS}")
            if set(etags) != set(keys):
                raise BenchError(f"the local server lists {len(etags)} keys, not {len(keys)}")
            port = int(endpoint.rpartition(":")[2])
            yield Lister(port, {served / bucket / key: etag for key, etag in etags.items()})
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def _ready(process: subprocess.Popen[str]) -> str:
    """The endpoint, which it tells once it serves; it ends at once where it cannot."""
    assert process.stdout is not None
    assert process.stderr is not None
    is_there, _, _ = select.select([process.stdout], [], [], _SECONDS)
    if not is_there:
        raise BenchError(f"the local server did not start within {_SECONDS:.0f} s")
    line = process.stdout.readline()
    if not line.startswith("ready: "):
        raise BenchError(f"the local server did not start: {process.stderr.read().strip()}")
    return line.split()[1]


def _etags(address: str) -> dict[str, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address, timeout=_SECONDS) as reply:
        rows = ElementTree.parse(reply).getroot().findall("Contents")
    return {row.findtext("Key", ""): row.findtext("ETag", "") for row in rows}
