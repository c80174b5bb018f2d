"""The loader in vLLM's own hands, without an engine: many loads in one process."""

from __future__ import annotations

import pytest
from safetensors.torch import load_file

from .conftest import SECONDS, run

pytestmark = pytest.mark.timeout(SECONDS + 300)


@pytest.fixture(scope="module")
def told(served, module_environ):
    ended = run("loader.py", module_environ, str(served.folders["step-1"]))
    assert ended.code == 0
    return ended.result


@pytest.fixture(scope="module")
def step_1(served):
    folder = served.folders["step-1"]
    return {
        name: tensor
        for path in sorted(folder.glob("*.safetensors"))
        for name, tensor in load_file(path).items()
    }


def test_uri_becomes_a_folder_and_the_weights_uri(told, module_environ):
    assert told["model"] == told["tokenizer"]
    assert told["model"].startswith(module_environ["XDG_CACHE_HOME"])
    assert told["weights"] == told["served"] == "oss://models/step-1"
    assert told["format"] == "ossmodelconnector"


def test_tensors_have_their_bytes_whatever_the_device_of_new_tensors_is(told, step_1):
    assert told["sums"] == {name: float(one.double().sum()) for name, one in step_1.items()}


def test_progress_as_vllm_shows_it_or_not(told, served):
    assert "Loading safetensors from OSS: 100% Completed" in told["progress"]
    assert "Completed" not in told["no progress"]


def test_experts_of_other_ranks_are_not_read(told):
    assert told["experts"] == ["layers.0.mlp.experts.0.up.weight"]


def test_weights_that_a_model_names_besides(told, step_1):
    expected = ["norm.weight", "inner.norm.weight"]
    expected += [f"{prefix}.{name}" for prefix in ("draft", "local") for name in step_1]
    assert told["secondary"] == sorted(expected)


def test_unused_and_ignored_weights_are_not_read(told, step_1):
    assert told["unused"] == sorted(name for name in step_1 if "layers.1" not in name)
    assert told["ignored"] == ["norm.weight"]


def test_extra_config_wins_over_the_environment(told, step_1):
    assert told["endpoint of extra config"] == len(step_1)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no endpoint", ["OSS_ENDPOINT is not set in this process", "Ray"]),
        ("no secret", ["CredentialsError", "OSS_ACCESS_KEY_SECRET", "cred_path"]),
        ("nowhere", ["ObjectNotFoundError", "nothing under oss://models/nowhere/"]),
        ("missing", ["ObjectNotFoundError", "oss://models/missing/model-0000"]),
        ("flipped", ["ChecksumError", "oss://models/flipped/model-0000"]),
        ("key", ["'endpont' is no key", "did you mean 'endpoint'?", "node_copy"]),
        ("key, way A", ["'endpont' is no key", "did you mean 'endpoint'?"]),
        ("key in a worker", ["'endpont' is no key", "did you mean 'endpoint'?"]),
        ("other format", ["load_format 'hf' does not load from OSS"]),
        ("revision", ["OSS has no revisions"]),
        ("no weights", ["neither model nor model_weights is an oss:// URI"]),
    ],
)
def test_error_names_the_thing_within_seconds(name, words, told):
    text, seconds = told[name]
    assert [word for word in words if word not in text] == []
    assert "test-secret" not in text
    assert seconds < 20


def test_nothing_changes_without_a_uri(told, served):
    assert told["plain"] == [str(served.folders["step-1"]), "auto"]
