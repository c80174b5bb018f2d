"""What the package shows to its users: names, signatures, types."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.resources
import inspect
import io
import logging
import pickle
import re
import subprocess
import sys
import types
import typing
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import ossmodelconnector
import pytest
from ossmodelconnector import (
    AnonymousCredentialsProvider,
    ConnectorStats,
    ObjectInfo,
    ObjectReader,
    OssError,
    OssModelConnector,
    fsspec,
    local,
    safetensors,
)

PACKAGES = [ossmodelconnector, fsspec, local, safetensors]
ROOT = Path(__file__).parents[2]
INFO = ObjectInfo(
    bucket="bucket",
    key="a/b",
    size=3,
    etag="5EB63BBBE01EEED093CB22BB8F5ACDC3",
    last_modified=datetime(2024, 8, 2, 15, 4, 5, tzinfo=timezone.utc),
    storage_class="Standard",
)


@pytest.mark.parametrize(
    "package", [ossmodelconnector, fsspec, safetensors], ids=lambda one: one.__name__
)
def test_all_is_sorted_and_complete(package):
    public = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    public -= {"annotations"}
    versions = {"__version__"} & vars(package).keys()
    assert sorted(public | versions) == package.__all__


@pytest.mark.parametrize("package", PACKAGES, ids=lambda one: one.__name__)
def test_public_classes_name_the_package_that_they_are_imported_from(package):
    for name in package.__all__:
        value = getattr(package, name)
        # A text has no __module__, and an instance has its class's.
        assert getattr(value, "__module__", package.__name__) == package.__name__, name
        if inspect.isclass(value):
            assert value.__qualname__ == name
            assert value.__doc__, name


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 cannot evaluate X | None")
@pytest.mark.parametrize("package", PACKAGES, ids=lambda one: one.__name__)
def test_annotations_are_understood_outside_of_the_modules_they_stand_in(package):
    for name in package.__all__:
        value = getattr(package, name)
        if inspect.isclass(value):
            hints = typing.get_type_hints(value)
            assert not [hint for hint in hints.values() if isinstance(hint, str)], name


def assert_pickles_by_public_names(value):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps(value, protocol)
        assert not re.search(rb"ossmodelconnector(\.fsspec|\.local|\.safetensors)?\._", data), value
        assert type(pickle.loads(data)) is type(value)


def test_pickles_of_connectors_name_no_private_module(
    make_connector, server, monkeypatch, tmp_path
):
    for name, value in server.environ().items():
        if name.startswith("OSS_"):
            monkeypatch.setenv(name, value)
    keys = tmp_path / "keys.json"
    keys.write_text('{"AccessKeyId": "id", "AccessKeySecret": "secret"}')
    with OssModelConnector.from_env(region="cn-hangzhou") as by_environment:
        assert_pickles_by_public_names(by_environment)
    assert_pickles_by_public_names(make_connector())
    assert_pickles_by_public_names(make_connector(cred_provider=None, cred_path=keys))
    assert_pickles_by_public_names(make_connector(cred_provider=AnonymousCredentialsProvider()))


def test_pickles_of_values_name_no_private_module(make_connector, server, store):
    connector = make_connector()
    objects = connector.list(store.bucket, "list/")
    for value in (objects, objects[1:2], objects[0], connector.stats(), server.log()[-1]):
        assert_pickles_by_public_names(value)
    for value in (AnonymousCredentialsProvider(), local.DEFAULT_CREDENTIAL, local.Reply(404)):
        assert_pickles_by_public_names(value)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda one: one.__name__)
def test_pickles_of_classes_and_errors_name_no_private_module(package):
    for cls in filter(inspect.isclass, map(vars(package).get, package.__all__)):
        assert_pickles_by_public_names(cls)
        if issubclass(cls, OssError):
            assert_pickles_by_public_names(cls("text", uri="oss://bucket/key"))


def test_public_methods_have_docstrings():
    for cls in (
        OssModelConnector,
        ObjectReader,
        ObjectInfo,
        fsspec.OssModelFile,
        *fsspec.OssModelFileSystem.__mro__[:-4],  # without fsspec's own
        safetensors.Model,
        safetensors.LazyTensor,
        safetensors.PrefetchLoader,
        safetensors.TensorMeta,
    ):
        for name, value in vars(cls).items():
            if not name.startswith("_") and (
                inspect.isfunction(value) or isinstance(value, property)
            ):
                assert inspect.getdoc(value), f"{cls.__name__}.{name}"


def test_version_is_that_of_the_distribution():
    metadata = pytest.importorskip("importlib.metadata")
    try:
        installed = metadata.version("ossmodelconnector")
    except metadata.PackageNotFoundError:
        pytest.skip("run from the source tree: the distribution is not installed")
    assert ossmodelconnector.__version__ == installed


def test_signatures():
    def parameters(function):
        return [
            (p.name, p.kind.name, p.default)
            for p in inspect.signature(function).parameters.values()
            if p.name != "self"
        ]

    required = inspect.Parameter.empty
    anywhere, by_name = "POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY"
    assert parameters(OssModelConnector) == [
        ("endpoint", anywhere, required),
        ("cred_path", anywhere, ""),
        ("config_path", anywhere, ""),
        ("cred_provider", anywhere, None),
        ("region", by_name, None),
        ("config", by_name, None),
    ]
    assert parameters(OssModelConnector.from_env) == [
        ("endpoint", by_name, None),
        ("cred_path", by_name, ""),
        ("config_path", by_name, ""),
        ("cred_provider", by_name, None),
        ("region", by_name, None),
        ("config", by_name, None),
    ]
    assert parameters(OssModelConnector.list) == [
        ("bucket", anywhere, required),
        ("prefix", anywhere, ""),
        ("fast", anywhere, False),
        ("delimiter", by_name, ""),
        ("progress", by_name, None),
    ]
    assert parameters(OssModelConnector.iter_objects) == [
        ("bucket", anywhere, required),
        ("prefix", anywhere, ""),
        ("fast", anywhere, False),
    ]
    assert parameters(OssModelConnector.open) == [
        ("uri", anywhere, required),
        ("binary", anywhere, True),
        ("prefetch", by_name, True),
        ("version_id", by_name, None),
    ]
    assert parameters(OssModelConnector.open_many) == [
        ("uris", anywhere, required),
        ("binary", anywhere, True),
        ("prefetch", by_name, True),
    ]
    for call in (OssModelConnector.stat, OssModelConnector.exists):
        assert parameters(call) == [("uri", anywhere, required), ("version_id", by_name, None)]
    assert parameters(ObjectReader.read_at) == [
        ("offset", anywhere, required),
        ("buffer", anywhere, required),
    ]
    assert parameters(ObjectReader.read_ranges) == [("ranges", anywhere, required)]
    assert parameters(ObjectReader.getbuffer) == []
    assert parameters(fsspec.OssModelFileSystem.__init__)[:7] == [
        ("endpoint", anywhere, None),
        ("region", by_name, None),
        ("cred_path", by_name, None),
        ("cred_provider", by_name, None),
        ("config", by_name, None),
        ("key", by_name, None),
        ("secret", by_name, None),
    ]
    assert [name for name, _, _ in parameters(fsspec.OssModelFileSystem.__init__)[7:]] == [
        "token",
        "anon",
        "default_cache_type",
        "default_block_size",
        "asynchronous",
        "loop",
        "options",
    ]


def test_from_env_passes_on_what_it_is_given_and_no_more(monkeypatch):
    class Narrow(OssModelConnector):
        def __init__(self, endpoint, cred_provider):
            super().__init__(endpoint, cred_provider=cred_provider, region="cn-beijing")

    monkeypatch.setenv("OSS_ENDPOINT", "https://127.0.0.1")
    with Narrow.from_env(cred_provider=AnonymousCredentialsProvider()) as connector:
        assert type(connector) is Narrow
        assert connector.region == "cn-beijing"


def test_limited_by_has_the_words_of_the_core():
    source = (ROOT / "csrc" / "prefetch" / "limit.h").read_text(encoding="utf-8")
    body = re.search(r"limit_name\(Limit limit\) {\n(.*?)\n}\n", source, re.DOTALL)[1]
    words = set(re.findall(r'return "(\w+)";', body))
    assert words == set(typing.get_args(typing.get_type_hints(ConnectorStats)["limited_by"]))
    for word in words:
        assert f'``"{word}"``' in ConnectorStats.__doc__


def test_package_is_typed():
    assert importlib.resources.files(ossmodelconnector).joinpath("py.typed").is_file()
    assert importlib.resources.files(ossmodelconnector).joinpath("_core.pyi").is_file()


def test_reader_is_a_buffered_file_with_all_that_bytesio_has():
    assert issubclass(ObjectReader, io.BufferedIOBase)
    missing = {name for name in dir(io.BytesIO) if not name.startswith("_")} - set(
        dir(ObjectReader)
    )
    # getvalue() is BytesIO's own, not of files.
    assert missing == {"getvalue"}


def test_importing_brings_no_dependency():
    # The package needs nothing but Python, whatever is installed beside it.
    code = (
        "import sys, ossmodelconnector\n"
        "tops = {name.partition('.')[0] for name in sys.modules}\n"
        "print(*sorted(tops - set(sys.stdlib_module_names) - {'ossmodelconnector'}))\n"
        if sys.version_info >= (3, 10)
        else "import sys, ossmodelconnector\n"
        "known = {'numpy', 'torch', 'safetensors', 'oss2', 'aiohttp', 'typing_extensions'}\n"
        "print(*known & set(sys.modules))\n"
    )
    # -S: no .pth file, whose imports are not ours.
    path = [p for p in sys.path if p]
    run = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() in ([], ["__main__"], ["__mp_main__"])


def test_logger_has_a_null_handler():
    handlers = logging.getLogger("ossmodelconnector").handlers
    assert any(isinstance(handler, logging.NullHandler) for handler in handlers)


def test_object_info_is_immutable_hashable_and_pickles():
    assert INFO.uri == "oss://bucket/a/b"
    with pytest.raises(dataclasses.FrozenInstanceError):
        INFO.size = 4  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        INFO.colour = "red"  # type: ignore[attr-defined]
    same = dataclasses.replace(INFO)
    assert same == INFO
    assert hash(same) == hash(INFO)
    assert dataclasses.replace(INFO, etag="other") != INFO
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(INFO, protocol)) == INFO
    assert not hasattr(INFO, "__dict__")


def test_object_list(make_connector, store):
    objects = make_connector().list(store.bucket, "list/")
    keys = sorted(store.keys("list/"))
    assert isinstance(objects, Sequence)
    assert len(objects) == len(keys) == 40
    assert [obj.key for obj in objects] == keys
    assert objects[-1].key == keys[-1]
    assert [obj.key for obj in objects[10:30:3]] == keys[10:30:3]
    assert [obj.key for obj in objects[::-1]] == keys[::-1]
    assert [obj.key for obj in objects[5:][5:]] == keys[10:]
    assert [obj.key for obj in reversed(objects)] == keys[::-1]
    assert objects[3] in objects
    assert objects.index(objects[3]) == 3
    assert objects.count(objects[3]) == 1
    assert objects[2:4] == objects[1:5][1:3]
    assert objects[2:4] != objects[2:5]
    assert objects != keys
    assert store.bucket in repr(objects)
    assert "40" in repr(objects)
    for index in (40, -41):
        with pytest.raises(IndexError):
            objects[index]
    for wrong in ("0", 1.0):
        with pytest.raises(TypeError):
            objects[wrong]
    for part in (objects, objects[7:9], objects[:0]):
        again = pickle.loads(pickle.dumps(part))
        assert again == part
        assert list(again) == list(part)


def test_object_list_of_nothing(make_connector, store):
    objects = make_connector().list(store.bucket, "no such prefix/")
    assert len(objects) == 0
    assert list(objects) == []
    assert not objects


def test_listing_and_stat_agree(make_connector, store):
    connector = make_connector()
    key = "list/007.bin"
    (listed,) = connector.list(store.bucket, key)
    stat = connector.stat(store.uri(key))
    assert stat == listed
    assert type(stat.size) is int
    assert stat.size == len(store[key])
    assert stat.bucket == store.bucket
    assert stat.key == key
    assert stat.etag
    assert '"' not in stat.etag
    assert stat.storage_class == "Standard"
    assert stat.last_modified.utcoffset() == timedelta(0)
    assert abs(datetime.now(timezone.utc) - stat.last_modified) < timedelta(hours=2)
    with connector.open(listed) as reader:
        assert reader.etag == stat.etag
        assert reader.size == stat.size
        assert reader.read() == store[key]


def test_exists(make_connector, store):
    connector = make_connector()
    assert connector.exists(store.uri("list/007.bin")) is True
    assert connector.exists(store.uri("list/nothing")) is False


def test_stats(make_connector, store):
    connector = make_connector()
    before = connector.stats()
    for field in dataclasses.fields(ConnectorStats):
        expected = str if field.name == "limited_by" else int
        assert type(getattr(before, field.name)) is expected, field.name
    assert [field.name for field in dataclasses.fields(ConnectorStats)] == [
        "bytes_received",
        "bytes_read",
        "requests",
        "retries",
        "throttles",
        "hedges",
        "refetches",
        "prefetch_hits",
        "prefetch_misses",
        "memory_bytes",
        "memory_peak_bytes",
        "memory_limit_bytes",
        "connections",
        "limited_by",
    ]
    assert before.limited_by == "idle"
    assert before.requests == before.bytes_received == before.memory_bytes == 0
    assert before.memory_limit_bytes > 0
    data = store["list/007.bin"]
    with connector.open(store.uri("list/007.bin")) as reader:
        assert reader.read() == data
        after = connector.stats()
    assert after.bytes_received >= len(data)
    assert after.bytes_read == len(data)
    assert after.requests >= 1
    assert after.memory_bytes >= len(data)
    assert after.memory_limit_bytes >= after.memory_peak_bytes >= after.memory_bytes
    assert after.prefetch_hits + after.prefetch_misses >= 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        after.requests = 0  # type: ignore[misc]


def test_reader_attributes(make_connector, store):
    with make_connector().open(store.uri("list/007.bin")) as reader:
        assert reader.bucket == store.bucket
        assert reader.key == "list/007.bin"
        assert reader.uri == reader.name == store.uri("list/007.bin")
        assert reader.size == len(store["list/007.bin"])
        assert reader.etag
        assert reader.version_id is None
        assert reader.mode == "rb"
        assert (reader.readable(), reader.seekable(), reader.writable()) == (True, True, False)
        assert not reader.isatty()
        assert store.uri("list/007.bin") in repr(reader)
    assert "closed" in repr(reader)


def test_text_mode_is_a_text_io_wrapper(make_connector, store):
    with make_connector().open(store.uri("text.txt"), False) as text:
        assert type(text) is io.TextIOWrapper
        assert text.mode == "r"
        assert type(text.buffer) is ObjectReader
        assert (text.encoding, text.errors) == ("utf-8", "strict")
        assert text.name == store.uri("text.txt")


def test_connector_repr_tells_endpoint_and_signature(make_connector, server):
    connector = make_connector()
    assert server.endpoint in repr(connector)
    assert "V1" in repr(connector)
    connector.close()
    assert "closed" in repr(connector)


@pytest.mark.parametrize("arguments", [[], ["wrong"], ["--help"]])
def test_command_line_tells_its_usage(arguments):
    run = subprocess.run(
        [sys.executable, "-m", "ossmodelconnector", *arguments], capture_output=True, text=True
    )
    assert run.returncode == (0 if arguments == ["--help"] else 2)
    said = run.stdout if arguments == ["--help"] else run.stderr
    assert ("ossmc --help" if arguments == ["wrong"] else "serve DIR") in said


def test_local_server_without_its_extra_says_how_to_get_it(tmp_path):
    (tmp_path / "aiohttp.py").write_text("raise ModuleNotFoundError('gone', name='aiohttp')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    code += "from ossmodelconnector.__main__ import main\nsys.exit(main(['serve', '.']))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 1
    assert "pip install 'ossmodelconnector[local]'" in run.stderr
    assert "Traceback" not in run.stderr


def test_data_source_for_ray_without_ray_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'ossmodelconnector\[ray\]'"):
        importlib.import_module("ossmodelconnector.ray")


def test_import_brings_nothing_that_takes_long():
    heavy = ("aiohttp", "asyncio", "http.client", "numpy", "oss2", "ssl", "torch", "urllib.request")
    code = f"import sys, ossmodelconnector; print(sorted(set({heavy}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr
