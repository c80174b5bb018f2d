"""Fetches the pinned sources, each checked against its SHA-256 before anything looks inside.

    python third_party/bundled/fetch.py          all of them, into the cache
    python third_party/bundled/fetch.py --urls   only says where each may come from

A file comes from the first of these that has it: the cache (OSSMC_SOURCES, or
build/bundled/sources); the Debian mirror that this machine's apt uses; its author's page; Debian's
archive of all it ever had.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# Everything Debian ever had is here, by the day on which it had it.
SNAPSHOT = "https://snapshot.debian.org/archive/debian/20261101T000000Z/"


def sources() -> list[dict]:
    return json.loads((HERE / "sources.json").read_text())["sources"]


def cache_folder() -> Path:
    return Path(os.environ.get("OSSMC_SOURCES") or ROOT / "build/bundled/sources").resolve()


def debian_mirrors() -> list[str]:
    """The mirrors that apt was set up with: none where there is no apt."""
    if not shutil.which("apt-get"):
        return []
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return [line for line in dict.fromkeys(done.stdout.split()) if line.startswith("http")]


def urls(source: dict) -> list[str]:
    mirrors = [mirror + source["debian"] for mirror in debian_mirrors()]
    return [*mirrors, source["url"], SNAPSHOT + source["debian"]]


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def archive_name(source: dict) -> str:
    return f"{source['name']}-{source['version']}.tar.gz"


def fetch(source: dict) -> Path:
    """The archive in the cache; SystemExit names every place that was tried."""
    target = cache_folder() / archive_name(source)
    if target.exists() and sha256_of(target) == source["sha256"]:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(f".part-{os.getpid()}")
    refused = []
    try:
        for url in urls(source):
            try:
                with urllib.request.urlopen(url, timeout=60) as reply, part.open("wb") as file:
                    shutil.copyfileobj(reply, file)
            except (urllib.error.URLError, OSError) as error:
                refused.append(f"  {url}: {error}")
                continue
            found = sha256_of(part)
            if found == source["sha256"]:
                part.replace(target)
                return target
            refused.append(f"  {url}: SHA-256 is {found}, not {source['sha256']}")
    finally:
        part.unlink(missing_ok=True)
    raise SystemExit(
        f"{archive_name(source)} could not be had:\n" + "\n".join(refused) + "\n"
        f"Put it there by hand, or see third_party/bundled/README.md: {target}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--urls", action="store_true", help="only say where each may come from")
    asked = parser.parse_args()
    for source in sources():
        if asked.urls:
            print(source["name"], source["version"], source["sha256"], *urls(source), sep="\n  ")
        else:
            print(fetch(source), file=sys.stderr)


if __name__ == "__main__":
    main()
