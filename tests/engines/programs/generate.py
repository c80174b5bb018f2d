"""LLM("oss://..."): what it says with a model, an adapter, the next version; and errors."""

from __future__ import annotations

import json
import sys
import time

ENGINE = {"enforce_eager": True, "dtype": "float32", "max_model_len": 64, "max_num_seqs": 4}


def main(prompts: list[str], count: int) -> dict[str, object]:
    from ossmodelconnector.vllm import pull_adapter
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    llm = LLM("oss://models/step-1", enable_lora=True, max_lora_rank=8, max_loras=1, **ENGINE)
    greedy = SamplingParams(temperature=0, max_tokens=count, min_tokens=count, ignore_eos=True)

    def says(**how: object) -> list[list[int]]:
        found = llm.generate(prompts, greedy, use_tqdm=False, **how)
        return [list(one.outputs[0].token_ids) for one in found]

    def reload(uri: str) -> None:
        llm.collective_rpc("reload_weights", kwargs={"weights_path": uri})
        llm.reset_prefix_cache()

    result: dict[str, object] = {"step-1": says()}
    adapter = LoRARequest("sql", 1, str(pull_adapter("oss://models/adapters/sql/")))
    result["adapter"] = says(lora_request=adapter)
    reload("oss://models/step-2")
    result["step-2"] = says()
    for name in ("nowhere", "missing", "flipped"):
        began = time.monotonic()
        try:
            reload(f"oss://models/{name}/")
        except Exception as error:
            result[name] = [f"{type(error).__name__}: {error}", time.monotonic() - began]
    return result


if __name__ == "__main__":  # vLLM starts its processes by spawn
    print("RESULT", json.dumps(main(json.loads(sys.argv[1]), int(sys.argv[2]))))
