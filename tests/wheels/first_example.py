"""README's first example against a local server, over http and https; run by the Python under test.

    python first_example.py README.md

It needs the package with its extra `local` and nothing of this repository. The last line that it
prints is JSON: what was installed, and what was read.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

begun = time.perf_counter()
import ossmodelconnector  # noqa: E402

IMPORT_MS = (time.perf_counter() - begun) * 1000
HEAVY = sorted({"oss2", "torch", "numpy", "aiohttp"} & set(sys.modules))
# Shared libraries of the process that a self-contained module must not have brought.
BROUGHT = sorted(
    re.findall(
        r"lib(?:curl|ssl|crypto|stdc\+\+|gcc_s|isal|pugixml|c\+\+)[^/\n]*\.so[^\n]*",
        Path("/proc/self/maps").read_text(),
    )
)

from ossmodelconnector import OssModelConnector  # noqa: E402
from ossmodelconnector.local import DEFAULT_CREDENTIAL, LocalServer  # noqa: E402

SHARDS = 4
SHARD_BYTES = 3_000_000


def first_example(readme: Path) -> str:
    return re.search(r"^```python\n(.*?)^```", readme.read_text("utf-8"), re.M | re.S).group(1)


def verified_readers() -> list[str]:
    """How each reader that is closed from now on was verified: filled as the example runs."""
    verdicts: list[str] = []
    open_many = OssModelConnector.open_many

    def noted(self, *args, **kwargs):
        for reader in open_many(self, *args, **kwargs):
            yield reader
            verdicts.append(reader.verified)

    OssModelConnector.open_many = noted
    return verdicts


def run_example(code: str, folder: Path, tls: bool, verdicts: list[str]) -> None:
    verdicts.clear()
    with LocalServer(folder, tls=tls) as server:
        os.environ["OSS_ENDPOINT"] = server.endpoint
        os.environ["OSS_ACCESS_KEY_ID"] = DEFAULT_CREDENTIAL.access_key_id
        os.environ["OSS_ACCESS_KEY_SECRET"] = DEFAULT_CREDENTIAL.access_key_secret
        if tls:
            os.environ["SSL_CERT_FILE"] = str(server.ca_file)
        names: dict = {}
        exec(compile(code, "README", "exec"), names)
    model = folder / "bucket/model"
    expected = {f"model/{file.name}": file.read_bytes() for file in model.iterdir()}
    assert names["shards"] == expected, "other bytes than were stored"
    assert verdicts == ["crc64"] * SHARDS, verdicts


def main() -> None:
    code = first_example(Path(sys.argv[1]))
    info = ossmodelconnector.build_info()
    assert info["libraries"] == "bundled", info
    assert HEAVY == [], HEAVY
    verdicts = verified_readers()
    with tempfile.TemporaryDirectory() as name:
        model = Path(name, "bucket/model")
        model.mkdir(parents=True)
        for number in range(SHARDS):
            (model / f"shard-{number}").write_bytes(os.urandom(SHARD_BYTES + number))
        for tls in (False, True):
            run_example(code, Path(name), tls, verdicts)
    print(
        json.dumps(
            {
                "python": platform.python_version(),
                "glibc": platform.libc_ver()[1],
                "processor": platform.machine(),
                "compilers": [name for name in ("cc", "gcc", "c++", "clang") if shutil.which(name)],
                "libraries_brought": sorted(set(BROUGHT)),
                "import_ms": round(IMPORT_MS, 1),
                "build_info": info,
                "read": f"{SHARDS} objects over http and https, CRC-64 checked",
            }
        )
    )


if __name__ == "__main__":
    main()
