"""Bare Debian systems in folders, and programs run inside them.

Needs root, debootstrap, and for arm64 qemu-user-static. A root is made once and kept in ROOTS; what
a test does there lies in a folder of its own that goes away again.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ROOTS = Path(os.environ.get("OSSMC_ROOTS") or REPOSITORY / "build/wheels/roots")

# python3 and venv are what `pip install` needs; nothing here has a compiler or headers.
PACKAGES = "python3,python3-venv,ca-certificates"

# Tells the kernel that qemu runs what is built for arm64. F: opened now, so roots need no copy.
BINFMT = Path("/proc/sys/fs/binfmt_misc")
ARM64 = (
    r":qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:"
    r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:"
    r"/usr/bin/qemu-aarch64-static:F"
)


@dataclass(frozen=True)
class Root:
    """One bare system."""

    suite: str
    architecture: str = "amd64"

    @property
    def path(self) -> Path:
        return ROOTS / (
            self.suite if self.architecture == "amd64" else f"{self.suite}-{self.architecture}"
        )

    def make(self) -> None:
        """Does nothing where it is there; CalledProcessError where debootstrap fails."""
        if self.architecture == "arm64":
            register_qemu()
        if (self.path / "usr/bin/python3").exists():
            return
        ROOTS.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [
                *["debootstrap", "--variant=minbase", f"--arch={self.architecture}"],
                *[f"--include={PACKAGES}", self.suite, str(self.path), mirror()],
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def run(
        self,
        command: Sequence[str],
        binds: dict[Path, str],
        environ: dict[str, str] | None = None,
        limit_seconds: float = 600,
    ) -> str:
        """What the command prints, run as root inside; its mounts end with it.

        Args:
            command: program and arguments, by paths inside.
            binds: folders of this machine, and where they are seen inside; those under /read are
                read-only.
            environ: added to PATH and HOME.
            limit_seconds: TimeoutExpired after that.

        Raises:
            RuntimeError: it failed; its output is in the error.
        """
        lines = ["set -e"]
        for here, there in {**binds, Path("/proc"): "/proc", Path("/dev"): "/dev"}.items():
            target = shlex.quote(str(self.path) + there)
            lines.append(f"mkdir -p {target}; mount --rbind {shlex.quote(str(here))} {target}")
            if there.startswith("/read"):
                lines.append(f"mount -o remount,bind,ro {target}")
        words = ["PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/root", "LC_ALL=C.UTF-8"]
        words += [f"{name}={value}" for name, value in (environ or {}).items()]
        lines.append(shlex.join(["exec", "chroot", str(self.path), "env", "-i", *words, *command]))
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", "\n".join(lines)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=limit_seconds,
        )
        if done.returncode:
            raise RuntimeError(
                f"{shlex.join(command)}: exit code {done.returncode}\n{done.stdout[-4000:]}"
            )
        return done.stdout


def register_qemu() -> None:
    if not (BINFMT / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT)], check=True)
    if not (BINFMT / "qemu-aarch64").exists():
        (BINFMT / "register").write_text(ARM64)


def mirror() -> str:
    """The one that this machine's apt uses."""
    asked = [
        "apt-get",
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Origin: Debian",
        "Component: main",
    ]
    found = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return next(line for line in found if "security" not in line)
