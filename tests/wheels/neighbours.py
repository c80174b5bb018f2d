"""Other copies of OpenSSL and libcurl in the process: neither side notices the other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from wheels.roots import REPOSITORY

ENVIRONMENT = REPOSITORY / "build/wheels/neighbours"


def check(wheel: Path) -> dict:
    uv = Path(sys.executable).with_name("uv")
    python = ENVIRONMENT / "bin/python"
    if not python.exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, ENVIRONMENT], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", python]
    subprocess.run(
        [*install, "--reinstall-package", "ossmodelconnector", f"{wheel}[local]", "pip"], check=True
    )
    subprocess.run([*install, "pycurl", "grpcio"], check=True)
    subprocess.run([python, REPOSITORY / "tests/support/install_torch.py"], check=True)
    told = {}
    for order in ("before", "after"):
        done = subprocess.run(
            [python, "-X", "faulthandler", Path(__file__).with_name("beside_others.py"), order],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, (
            f"others {order} ours: exit code {done.returncode}\n{done.stdout}"
        )
        told[order] = done.stdout.splitlines()[-1]
    assert told["before"] == told["after"], told
    return {"versions": told["before"]}
