"""Installs the peers into the environment that runs this.

Those that require torch only where torch is there already: pip would bring the one for GPUs.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

NEED_TORCH = ("osstorchconnector", "s3torchconnector")
# Not --only-binary: some peers come as sources alone.
PIP_INSTALL = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]


def main(listed: str) -> int:
    lines = [line.partition("#")[0].strip() for line in Path(listed).read_text().splitlines()]
    wanted = [line for line in lines if line]
    if importlib.util.find_spec("torch") is None:
        left = [line for line in wanted if line.startswith(NEED_TORCH)]
        wanted = [line for line in wanted if line not in left]
        print(f"left out, for they need torch: {', '.join(left)}")
    return subprocess.run([*PIP_INSTALL, *wanted], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
