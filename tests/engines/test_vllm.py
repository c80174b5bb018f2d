"""ossmodelconnector.vllm in the real vLLM, on the CPU, against what transformers says."""

from __future__ import annotations

import json
import re
import time

import numpy as np
import pytest

from . import models
from .conftest import SECONDS, run

pytestmark = pytest.mark.timeout(SECONDS + 300)
GREEDY = (json.dumps(models.PROMPTS), str(models.TOKENS))


@pytest.fixture(scope="module")
def expected(served):
    folders = served.folders
    return {
        "step-1": models.greedy(folders["step-1"]),
        "step-2": models.greedy(folders["step-2"]),
        "adapter": models.greedy(folders["step-1"], folders["adapters/sql"]),
    }


def embed(environ, **arguments):
    return run("embed.py", environ, json.dumps(arguments), "hello world")


def assert_right_embedding(served, ended):
    assert ended.code == 0
    theirs = models.embedding(served.folders["minilm"], "hello world")
    np.testing.assert_allclose(ended.result, theirs, rtol=0, atol=1e-5)


def test_uri_as_model_then_an_adapter_the_next_version_and_errors(served, environ, expected):
    ended = run("generate.py", environ, *GREEDY)
    assert ended.code == 0
    result = ended.result
    assert result["step-1"] == expected["step-1"]
    assert result["adapter"] == expected["adapter"] != expected["step-1"]
    assert result["step-2"] == expected["step-2"] != expected["step-1"]
    # Errors of a worker name the object, in what is raised.
    shards = models.shard_names(served.folders["step-1"])
    for name, words in {
        "nowhere": "oss://models/nowhere/ has no *.safetensors",
        "missing": f"oss://models/missing/{shards[1]}",
        "flipped": f"oss://models/flipped/{shards[2]}",
    }.items():
        text, seconds = result[name]
        assert words in text
        assert seconds < 20
    assert "oss://models/step-1/: 21 tensors of" in ended.log  # our records, where vLLM's are
    assert "Loading safetensors from OSS: 100% Completed" in ended.log


def test_embedding_by_uri_where_the_hub_may_be_asked(served, environ):
    del environ["HF_HUB_OFFLINE"]
    ended = embed(environ, model="oss://models/minilm/")
    assert_right_embedding(served, ended)


def test_two_ranks_receive_a_model_once(served, environ):
    served.server.reset_requests()
    environ["VLLM_CPU_OMP_THREADS_BIND"] = "0|1"
    ended = embed(
        environ,
        model=str(served.folders["minilm"]),
        model_weights="oss://models/minilm/",
        load_format="ossmodelconnector",
        tensor_parallel_size=2,
    )
    assert_right_embedding(served, ended)
    size = models.weight_bytes(served.folders["minilm"])
    print(f"{served.sent_bytes('minilm/') / size:.4f} x the model's bytes")
    assert size <= served.sent_bytes("minilm/") <= 1.05 * size


def test_start_with_a_flipped_bit_ends_and_the_log_names_the_file(served, environ):
    ended = embed(environ, model="oss://models/flipped/")
    assert ended.code not in (0, None)
    assert ended.result is None
    shard = models.shard_names(served.folders["step-1"])[2]
    words = f"ossmodelconnector.ChecksumError: bytes of oss://models/flipped/{shard}"
    times = [
        time.strptime(f"2024-{found[1]}", "%Y-%m-%d %H:%M:%S")
        for line in ended.log.splitlines()
        if ("Starting to load model" in line or words in line)
        and (found := re.search(r" (\d\d-\d\d \d\d:\d\d:\d\d) ", line))
    ]
    assert len(times) >= 2
    assert time.mktime(times[-1]) - time.mktime(times[0]) < 30


def test_load_format_alone_where_a_name_of_vllm_is_missing(served, environ, expected):
    ended = run("by_model_weights.py", environ, str(served.folders["step-1"]), *GREEDY)
    assert ended.code == 0
    assert ended.result == expected["step-1"]
    warning = "has no vllm.engine.arg_utils.is_cloud_storage"
    assert ended.log.count(warning) == 1
    assert "Loading safetensors from OSS" not in ended.log  # use_tqdm_on_load=False
