"""ossmodelconnector.vllm as far as it needs no vLLM; tests/engines has the rest."""

from __future__ import annotations

import importlib.metadata
import logging
import subprocess
import sys
import types
from contextlib import ExitStack

import pytest
from ossmodelconnector import CredentialsError, ObjectNotFoundError
from ossmodelconnector._node_copy import _folder
from ossmodelconnector.vllm import pull_adapter, register
from ossmodelconnector.vllm._adapters import uri_of_adapter
from ossmodelconnector.vllm._connecting import connect
from ossmodelconnector.vllm._held import hold, release
from ossmodelconnector.vllm._options import Options, take_options
from ossmodelconnector.vllm._records import show_records
from ossmodelconnector.vllm._uris import wrap_uris
from ossmodelconnector.vllm._weights import as_source, open_weights, wanted_names
from support import tensor_files

KEYS = ("OSS_ENDPOINT", "OSS_REGION", "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET")


# --- the plug-in ---


def test_vllm_finds_the_entry_point():
    found = importlib.metadata.distribution("ossmodelconnector").entry_points
    (point,) = [one for one in found if one.group == "vllm.general_plugins"]
    assert point.name == "ossmodelconnector"
    assert point.load() is register


def test_import_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ImportError, match=r"pip install 'ossmodelconnector\[vllm\]'"):
        register()


def test_import_brings_no_vllm_and_no_torch():
    code = "import sys, ossmodelconnector.vllm; print({'vllm', 'torch'} & set(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize("missing", ["is_cloud_storage", "EngineArgs.create_model_config"])
def test_missing_name_is_one_warning_and_nothing_is_wrapped(missing, caplog):
    class EngineArgs:
        pass

    def is_cloud_storage(_name):
        return False

    module = types.ModuleType("arg_utils")
    module.EngineArgs = EngineArgs
    if missing == "is_cloud_storage":
        EngineArgs.create_model_config = before = lambda self: self
    else:
        module.is_cloud_storage = before = is_cloud_storage
    assert wrap_uris(module, "9.9") is False
    (record,) = caplog.records
    text = record.getMessage()
    assert f"vLLM 9.9 has no vllm.engine.arg_utils.{missing}" in text
    assert "model_weights='oss://...' does" in text
    now = EngineArgs.__dict__.get("create_model_config") or module.is_cloud_storage
    assert now is before


def test_records_go_where_those_of_vllm_go(monkeypatch):
    ours, theirs = logging.getLogger("ossmodelconnector"), logging.getLogger("vllm")
    handler = logging.StreamHandler()
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(ours, "handlers", [logging.NullHandler()])
    monkeypatch.setattr(ours, "level", logging.NOTSET)
    monkeypatch.setattr(theirs, "handlers", [])
    show_records()  # it has none yet
    assert handler not in ours.handlers
    assert ours.level == logging.NOTSET
    monkeypatch.setattr(theirs, "handlers", [handler])
    monkeypatch.setattr(theirs, "level", logging.INFO)
    for _ in range(2):
        show_records()
        assert ours.handlers.count(handler) == 1
    assert ours.getEffectiveLevel() == logging.INFO


def test_records_that_somebody_shows_are_not_shown_twice(monkeypatch):
    ours, theirs = logging.getLogger("ossmodelconnector"), logging.getLogger("vllm")
    mine = logging.StreamHandler()
    monkeypatch.setattr(ours, "handlers", [mine])
    monkeypatch.setattr(theirs, "handlers", [logging.StreamHandler()])
    show_records()
    assert ours.handlers == [mine]


# --- model_loader_extra_config ---


def test_our_keys_are_taken_out_and_those_of_vllm_left():
    given = {"endpoint": "e", "node_copy": "/copies", "keep": True, "enable_weights_track": False}
    ours, theirs = take_options(given)
    assert ours == Options(endpoint="e", node_copy="/copies", keep=True)
    assert theirs == {"enable_weights_track": False}
    assert take_options({}) == (Options(), {})
    assert take_options({"region": None}) == (Options(), {})


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        ({"endpont": "e"}, r"'endpont' is no key .*; did you mean 'endpoint'\?.*node_copy"),
        ({"access_key_secret": "sesame"}, "vLLM logs this dictionary.*OSS_ACCESS_KEY_SECRET"),
        ({"num_threads": 8}, "'num_threads' is no key"),
        ({"keep": "yes"}, "keep must be bool, not str"),
        ({"node_copy": 1}, "node_copy must be bool or str, not int"),
        ({"config": "prefetch"}, "config must be dict, not str"),
        ({"verify": "never"}, "verify must be 'early', 'late' or 'off', not 'never'"),
        ({"keep": True, "node_copy": False}, "keep is about a node copy"),
        ([], "must be a dict, not list"),
    ],
)
def test_wrong_key_is_named(extra, text):
    with pytest.raises(ValueError, match=text) as caught:
        take_options(extra)
    assert "sesame" not in str(caught.value)


def test_extra_config_wins_over_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("OSS_ENDPOINT", "https://oss-cn-beijing.aliyuncs.com")
    monkeypatch.setenv("OSS_REGION", "cn-beijing")
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", "of-the-environment")
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", "s")
    with connect(Options()) as made:
        assert made.endpoint == "https://oss-cn-beijing.aliyuncs.com"
        assert made.region == "cn-beijing"
    for name in KEYS[2:]:
        monkeypatch.delenv(name)
    keys = tmp_path / "keys.json"
    keys.write_text('{"AccessKeyId": "of-the-file", "AccessKeySecret": "s"}')
    endpoint = "https://oss-cn-hangzhou.aliyuncs.com"
    with connect(Options(endpoint=endpoint, region="cn-hangzhou", cred_path=str(keys))) as made:
        assert made.endpoint == endpoint
        assert made.region == "cn-hangzhou"


def test_missing_variable_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("OSS_ENDPOINT", raising=False)
    with pytest.raises(
        ValueError, match=r"OSS_ENDPOINT is not set in this process .*endpoint.*Ray"
    ):
        connect(Options())
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", "a")
    monkeypatch.delenv("OSS_ACCESS_KEY_SECRET", raising=False)
    options = Options(endpoint="https://oss-cn-hangzhou.aliyuncs.com")
    with pytest.raises(CredentialsError, match=r"OSS_ACCESS_KEY_SECRET.*cred_path"):
        connect(options)


# --- weights ---


def test_uri_of_a_folder_ends_in_a_slash():
    assert as_source("oss://b/m") == as_source("oss://b/m/") == "oss://b/m/"
    assert as_source("oss://b/m/a.safetensors") == "oss://b/m/a.safetensors"
    assert as_source("oss://b/m", "inner/") == "oss://b/m/inner/"


def test_where_no_tensor_would_be_read_all_are():
    assert wanted_names("abc", lambda name: name == "b") == ["a", "c"]
    assert wanted_names("abc", lambda _name: True) == ["a", "b", "c"]


@pytest.fixture
def folder(new_bucket):
    pytest.importorskip("torch")
    bucket = new_bucket("vllm-weights")
    for name in ("model", "consolidated"):
        tensors = {f"{name}.w": tensor_files.random_tensor("F32", (2, 3))}
        bucket.put(f"m/{name}.safetensors", tensor_files.tensor_file(tensors))
    return bucket


def test_patterns_choose_files(folder, make_connector):
    connector, uri = make_connector(), folder.uri("m/")

    def names(**how):
        with open_weights(connector, uri, Options(), **how) as model:
            return model.keys()

    assert names() == ["consolidated.w", "model.w"]
    assert names(allowed=["consolidated*.safetensors"]) == ["consolidated.w"]
    assert names(ignored=["cons*"]) == ["model.w"]
    with pytest.raises(ObjectNotFoundError, match=r"no .*safetensors that fit the patterns"):
        names(allowed=["*.bin"])


def test_processes_share_a_copy_unless_told_otherwise(folder, make_connector, tmp_path):
    connector, uri = make_connector(), folder.uri("m/")

    def copy(options, **how):
        with open_weights(connector, uri, options, **how) as model:
            return model.node_copy

    assert copy(Options()) is None
    assert copy(Options(node_copy=False), has_neighbours=True) is None
    assert copy(Options(node_copy=str(tmp_path))).path.parent == tmp_path
    assert copy(Options(), has_neighbours=True) is not None


def test_copy_that_cannot_be_is_a_warning_or_an_error_where_it_was_asked_for(
    folder, make_connector, tmp_path, caplog, monkeypatch
):
    connector, uri = make_connector(), folder.uri("m/")
    nowhere = tmp_path / "nowhere"
    with pytest.raises(OSError, match="node_copy"):
        open_weights(connector, uri, Options(node_copy=str(nowhere)))
    monkeypatch.setattr(_folder, "_SHARED_MEMORY", str(nowhere))
    caplog.set_level(logging.WARNING, "ossmodelconnector.vllm")
    with open_weights(connector, uri, Options(), has_neighbours=True) as model:
        assert model.node_copy is None
        assert sorted(model.get_tensors()) == ["consolidated.w", "model.w"]
    (record,) = caplog.records
    assert f"{uri}: each process receives it for itself: " in record.getMessage()


def test_copy_is_held_for_ranks_that_begin_later(folder, make_connector, tmp_path):
    connector, uri = make_connector(), folder.uri("m/")

    def files():
        return [path for path in tmp_path.rglob("*.crc64") if path.is_file()]

    first = ExitStack()
    first.enter_context(open_weights(connector, uri, Options(node_copy=str(tmp_path))))
    hold(first)
    with open_weights(connector, uri, Options(node_copy=str(tmp_path))) as later:
        assert later.node_copy.warm
        assert later.node_copy.fetched_bytes == 0
    assert len(files()) == 2
    release()
    assert files() == []
    release()


# --- adapters ---


def test_adapter_in_a_folder(new_bucket, make_connector, tmp_path):
    bucket = new_bucket("vllm-adapters")
    bucket.put("a/sql/adapter_config.json", b"{}")
    bucket.put("a/sql/adapter_model.safetensors", b"weights")
    bucket.put("a/sql/optimizer.pt", b"state")
    bucket.put("a/half/adapter_config.json", b"{}")
    connector = make_connector()
    made = pull_adapter(bucket.uri("a/sql/"), connector=connector, cache_dir=tmp_path)
    assert sorted(path.name for path in made.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    with pytest.raises(ObjectNotFoundError, match=r"a/half/ has no adapter_model\.safetensors"):
        pull_adapter(bucket.uri("a/half"), connector=connector, cache_dir=tmp_path)


def test_client_names_adapters_below_the_prefix_alone():
    prefix = "oss://bucket/adapters"
    assert uri_of_adapter(prefix, "sql") == "oss://bucket/adapters/sql/"
    assert uri_of_adapter(prefix, "team/sql/") == "oss://bucket/adapters/team/sql/"
    assert uri_of_adapter(prefix, "oss://bucket/adapters/sql") == "oss://bucket/adapters/sql/"
    for name in ("../secret", "a/../../b", "", "/", "oss://other/adapters/sql", "a//b", "."):
        assert uri_of_adapter(prefix, name) is None, name
