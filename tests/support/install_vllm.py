"""Installs what vLLM requires into its environment, without what is for GPUs, sound and pictures.

python install_vllm.py UV PACKAGE==VERSION: the package itself comes without its requirements, since
they name builds of torch that an index need not have.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys

# Of models with sound and pictures, and a library that torch for the CPU does without.
LEFT_OUT = re.compile(r"(torch|torchaudio|torchvision|torchcodec|intel-openmp)\b")


def requirements(name: str) -> list[str]:
    """What a package that is installed requires here, for pip."""
    found = []
    for text in importlib.metadata.requires(name) or []:
        requirement, _, marker = text.partition(";")
        if "extra ==" in marker or LEFT_OUT.match(requirement):
            continue
        # It asks for one version on its own account, and for a range on that of Python 3.12.
        if requirement.startswith("setuptools<"):
            continue
        found.append(text)
    return found


def main(uv: str, package: str) -> int:
    install = [uv, "pip", "install", "--quiet", "--python", sys.executable]
    subprocess.run([*install, "--no-deps", package], check=True)
    torch = f"torch=={importlib.metadata.version('torch')}"  # what follows would bring another one
    wanted = requirements(package.partition("==")[0])
    return subprocess.run([*install, torch, *wanted], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
