"""Embeddings of a model: LLM(**arguments), which are JSON."""

from __future__ import annotations

import json
import sys


def main(arguments: dict[str, object], text: str) -> list[float]:
    from vllm import LLM

    llm = LLM(
        runner="pooling",
        enforce_eager=True,
        dtype="float32",
        max_model_len=256,
        max_num_seqs=4,
        **arguments,
    )
    return list(llm.embed([text], use_tqdm=False)[0].outputs.embedding)


if __name__ == "__main__":  # vLLM starts its processes by spawn
    print("RESULT", json.dumps(main(json.loads(sys.argv[1]), sys.argv[2])))
