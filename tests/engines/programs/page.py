"""The Python of docs/vllm.md in one engine, with arguments of a small machine behind it."""

from __future__ import annotations

import doctest
import functools
import json
import sys


def main(blocks: list[str]) -> dict[str, list[int]]:
    import ossmodelconnector.vllm
    import vllm

    small = {"enforce_eager": True, "dtype": "float32", "max_model_len": 64, "max_num_seqs": 4}
    vllm.LLM = functools.partial(vllm.LLM, max_lora_rank=8, max_loras=1, **small)
    names: dict[str, object] = {"__name__": "example"}
    for block in blocks:
        exec(compile(block, "docs/vllm.md", "exec"), names)
    failures = doctest.testmod(ossmodelconnector.vllm)
    assert failures.attempted == 5, failures
    assert failures.failed == 0
    return {
        name: list(names[name][0].outputs[0].token_ids) for name in ("first", "second", "third")
    }


if __name__ == "__main__":  # vLLM starts its processes by spawn
    print("RESULT", json.dumps(main(json.loads(sys.argv[1]))))
