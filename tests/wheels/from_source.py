"""What sources give: the same wheel from any folder, and a wheel of the sdist alone."""

from __future__ import annotations

import calendar
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from wheels.roots import REPOSITORY


def check_same_bytes(wheel: Path, minor: int) -> dict:
    """Makes `wheel` again in another folder: of the last commit, by the date that is in it."""
    with zipfile.ZipFile(wheel) as archive:
        date = calendar.timegm((*archive.infolist()[0].date_time, 0, 0, 0))
    environ = {**os.environ, "SOURCE_DATE_EPOCH": str(date)}
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name, "elsewhere")
        subprocess.run(["git", "clone", "--quiet", REPOSITORY, copy], check=True)
        (copy / "build").mkdir()
        (copy / "build/bundled").symlink_to(REPOSITORY / "build/bundled")
        made = [sys.executable, copy / "release/make_wheels.py", f"--python=3.{minor}"]
        subprocess.run(made, check=True, cwd=copy, env=environ, stdout=subprocess.DEVNULL)
        again = copy / "build/wheels/dist" / wheel.name
        assert sha256(again) == sha256(wheel), f"{wheel.name} has other bytes from another folder"
    return {"wheel": wheel.name, "sha256": sha256(wheel)}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_sdist() -> dict:
    """Builds the sdist with what pyproject.toml requires, which pip fetches, and nothing else."""
    with tempfile.TemporaryDirectory() as name:
        build = "import sys; from scikit_build_core.build import build_sdist as b; b(sys.argv[1])"
        subprocess.run([sys.executable, "-c", build, name], cwd=REPOSITORY, check=True)
        [sdist] = Path(name).glob("*.tar.gz")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
        command = [*pip, "--no-deps", "--wheel-dir", name, sdist]
        # No cmake and ninja of this environment's: pip fetches them too.
        path = os.pathsep.join(["/usr/bin", "/bin"])
        subprocess.run(command, cwd=name, check=True, env={**os.environ, "PATH": path})
        [wheel] = Path(name).glob("*.whl")
        return {"sdist_mb": round(sdist.stat().st_size / 1e6, 2), "wheel": wheel.name}
