"""Splits a module's debug information off, into MODULE.debug beside it, and gives both a build id.

    python third_party/bundled/split_debug.py MODULE OBJCOPY

The linker was told PLACEHOLDER for the id (--build-id=0x...). The id is the SHA-1 of the module
without debug information: paths of the machine that are in the latter make no difference.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

PLACEHOLDER = hashlib.sha1(b"the build id of a module of ossmodelconnector").digest()


def main() -> None:
    if len(sys.argv) == 1:
        print(PLACEHOLDER.hex())
        return
    module, objcopy = Path(sys.argv[1]), sys.argv[2]
    debug = module.with_name(module.name + ".debug")
    subprocess.run([objcopy, "--only-keep-debug", module, debug], check=True)
    subprocess.run([objcopy, "--strip-debug", module], check=True)
    build_id = hashlib.sha1(module.read_bytes()).digest()
    for path in (module, debug):
        content = path.read_bytes()
        if content.count(PLACEHOLDER) != 1:
            raise SystemExit(f"{path} has the placeholder {content.count(PLACEHOLDER)} times")
        path.write_bytes(content.replace(PLACEHOLDER, build_id))


if __name__ == "__main__":
    main()
