"""A vLLM without one of the names that are wrapped: model_weights="oss://..." works."""

from __future__ import annotations

import builtins
import json
import sys


def main(folder: str, prompts: list[str], count: int) -> list[list[int]]:
    import vllm.engine.arg_utils as arg_utils

    # Its own calls still find it there.
    builtins.is_cloud_storage = arg_utils.is_cloud_storage
    del arg_utils.is_cloud_storage

    from vllm import LLM, SamplingParams

    llm = LLM(
        folder,
        model_weights="oss://models/step-1",
        load_format="ossmodelconnector",
        model_loader_extra_config={"verify": "early"},
        use_tqdm_on_load=False,
        enforce_eager=True,
        dtype="float32",
        max_model_len=64,
        max_num_seqs=4,
    )
    greedy = SamplingParams(temperature=0, max_tokens=count, min_tokens=count, ignore_eos=True)
    found = llm.generate(prompts, greedy, use_tqdm=False)
    return [list(one.outputs[0].token_ids) for one in found]


if __name__ == "__main__":  # vLLM starts its processes by spawn
    print("RESULT", json.dumps(main(sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]))))
