"""The examples of docs/models.md and of the docstrings of ossmodelconnector.transformers run."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import ossmodelconnector.transformers
import peft
import pytest
import torch
from diffusers import UNet2DModel
from ossmodelconnector import OssModelConnector
from support import examples
from support.markdown import code_blocks
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
MODULES = ["", "._config", "._pretrained"]


def llama() -> LlamaForCausalLM:
    torch.manual_seed(1)
    return LlamaForCausalLM(
        LlamaConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            vocab_size=8,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
        )
    )


def write_models(folder: Path) -> None:
    base = llama()
    base.save_pretrained(folder / "llama")
    words = ["<pad>", "<s>", "</s>", "<unk>", "a", "shard", "row", "tensor"]
    built = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "<unk>"))
    built.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=built,
        unk_token="<unk>",
        pad_token="<pad>",
        model_input_names=["input_ids", "attention_mask"],
    )
    tokenizer.save_pretrained(folder / "llama")
    base.name_or_path = base.config.name_or_path = "oss://bucket/llama/"
    adapter = peft.get_peft_model(base, peft.LoraConfig(task_type="CAUSAL_LM", r=2))
    adapter.save_pretrained(folder / "adapter")
    unet().save_pretrained(folder / "diffusion" / "unet")


def unet() -> UNet2DModel:
    torch.manual_seed(1)
    return UNet2DModel(
        sample_size=8,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )


@pytest.fixture(scope="module")
def _models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_models(folder)
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    with examples.service(files) as environ, pytest.MonkeyPatch.context() as patch:
        for name, value in {**environ, "XDG_CACHE_HOME": str(folder / "cache")}.items():
            patch.setenv(name, value)
        yield


@pytest.mark.usefixtures("_models")
def test_page_on_models(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "example"}
    blocks = [block for block in code_blocks(PAGE.read_text()) if block.info.startswith("python")]
    assert sum(block.info == "python integration" for block in blocks) >= 4
    for block in blocks:
        exec(compile(block.text, f"{PAGE}, block at line {block.line}", "exec"), names)
    assert torch.equal(names["model"].lm_head.weight, llama().lm_head.weight)
    ours, theirs = names["unet"], unet().eval()
    assert all(map(torch.equal, ours.state_dict().values(), theirs.state_dict().values()))
    sample = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(ours(sample, 3).sample, theirs(sample, 3).sample)


@pytest.mark.usefixtures("_models")
@pytest.mark.parametrize("module", MODULES)
def test_docstrings(module, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = importlib.import_module(ossmodelconnector.transformers.__name__ + module)
    with OssModelConnector.from_env() as connector:
        runner = doctest.DocTestRunner()
        output: list[str] = []
        for test in doctest.DocTestFinder(exclude_empty=True).find(found):
            test.globs["connector"] = connector
            runner.run(test, out=output.append)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(output)


def test_no_docstring_is_left_out():
    folder = Path(ossmodelconnector.transformers.__file__).parent
    with_examples = {path.stem for path in folder.glob("*.py") if ">>> " in path.read_text()}
    assert with_examples == {module.strip(".") or "__init__" for module in MODULES}
