"""storage_options, and how fsspec makes, keeps, pickles and forks file systems."""

from __future__ import annotations

import gc
import json
import multiprocessing
import pickle
import subprocess
import sys
import threading
import warnings

import fsspec
import pytest
from fsspec.registry import get_filesystem_class
from ossmodelconnector import CredentialsError, OssModelConnector
from ossmodelconnector.fsspec import OssModelFileSystem, register_oss
from support.forked_child import in_child


@pytest.fixture(scope="module")
def root(bucket):
    bucket.put("a", b"data")
    return bucket.bucket


def test_fsspec_finds_it_by_its_scheme(make_fs, root):
    assert get_filesystem_class("ossmc") is OssModelFileSystem
    options = make_fs.options
    with fsspec.open(f"ossmc://{root}/a", **options) as file:
        assert file.read() == b"data"
    fs, path = fsspec.url_to_fs(f"ossmc://{root}/a", **options)
    assert isinstance(fs, OssModelFileSystem)
    assert path == f"{root}/a"
    fs.connector.close()


def test_oss_is_taken_when_it_is_asked_for():
    program = (
        "import fsspec\n"
        "from fsspec.registry import get_filesystem_class\n"
        "import ossmodelconnector.fsspec as ours\n"
        "print(get_filesystem_class('oss').__module__)\n"
        "ours.register_oss()\n"
        "print(get_filesystem_class('oss').__module__)\n"
    )
    output = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert output.split() == ["ossfs.core", "ossmodelconnector.fsspec"]
    assert callable(register_oss)


def test_the_package_alone_imports_no_fsspec():
    program = "import sys, ossmodelconnector; print('fsspec' in sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert output == "False\n"


def test_without_fsspec_the_error_names_the_extra():
    program = (
        "import sys\n"
        "sys.modules['fsspec'] = None\n"
        "try:\n"
        "    import ossmodelconnector.fsspec\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert "ossmodelconnector[fsspec]" in output


def test_without_options_it_has_the_process_s_own_connector(server, root, monkeypatch):
    with pytest.raises(ValueError, match="OSS_ENDPOINT"):
        OssModelFileSystem(skip_instance_cache=True)
    monkeypatch.setenv("OSS_ENDPOINT", server.endpoint)
    monkeypatch.setenv("OSS_REGION", "cn-hangzhou")
    with pytest.raises(CredentialsError):
        OssModelFileSystem(skip_instance_cache=True)
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", server.access_key_id)
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", server.access_key_secret)
    first = OssModelFileSystem(skip_instance_cache=True)
    second = OssModelFileSystem(skip_instance_cache=True)
    assert first.cat_file(f"{root}/a") == b"data"
    assert first.connector is second.connector
    first.connector.close()
    assert second.cat_file(f"{root}/a") == b"data"  # as for whoever is given none


def test_what_is_not_given_is_the_environment_s(server, root, monkeypatch, tmp_path):
    monkeypatch.setenv("OSS_ENDPOINT", server.endpoint)
    monkeypatch.setenv("OSS_REGION", "cn-hangzhou")
    file = tmp_path / "keys.json"
    file.write_text(
        json.dumps(
            {"AccessKeyId": server.access_key_id, "AccessKeySecret": server.access_key_secret}
        )
    )
    fs = OssModelFileSystem(
        cred_path=str(file), config={"prefetch.vcpus": 1}, skip_instance_cache=True
    )
    assert fs.cat_file(f"{root}/a") == b"data"
    fs.connector.close()


def test_ossfs_s_names_for_keys(make_fs, server, root):
    key, secret, token = server.sts
    fs = make_fs(key=key, secret=secret, token=token)
    assert fs.cat_file(f"{root}/a") == b"data"


def test_anonymous(make_fs, public_store):
    fs = make_fs(endpoint=public_store.served.endpoint, key=None, secret=None, anon=True)
    assert fs.cat_file(f"{public_store.bucket}/empty") == b""


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"key": "id"}, "a secret is missing"),
        ({"secret": "s"}, "a key is missing"),
        ({"token": "t"}, "a key is missing"),
        ({"key": "id", "secret": "s", "anon": True}, "one of key and secret and anon"),
        ({"key": "id", "secret": "s", "cred_path": "f"}, "one of cred_path and key and secret"),
        ({"anon": True, "cred_provider": object()}, "one of cred_provider and anon"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(server, options, text):
    with pytest.raises(ValueError, match=text):
        OssModelFileSystem(server.endpoint, **options)


def test_no_text_has_a_secret(make_fs, server, root):
    key, secret, token = server.sts
    fs = make_fs(key=key, secret=secret, token=token)
    texts = [repr(fs), str(fs), fs.fsid, fs._fs_token, repr(fs.ls(root)), repr(fs.connector)]
    texts += [fs.to_json(include_password=False), repr(fs.to_dict(include_password=False))]
    with fs.open(f"{root}/a") as file:
        texts.append(repr(file))
    for call in (lambda: fs.open(f"{root}/none"), lambda: fs.mkdir(f"{root}/x")):
        with pytest.raises(OSError) as caught:  # noqa: PT011 - whatever it says
            call()
        texts.append(repr(caught.value))
    assert [text for text in texts if secret in text or token in text] == []
    # fsspec makes it anew by these: so they hold all of it.
    assert fs.to_dict()["secret"] == secret
    again = OssModelFileSystem.from_json(fs.to_json())
    assert again.cat_file(f"{root}/a") == b"data"
    again.connector.close()
    OssModelFileSystem.clear_instance_cache()


def test_instances_are_cached_as_fsspec_does(make_fs, root):
    options = make_fs.options
    del options["skip_instance_cache"]
    first = OssModelFileSystem(**options)
    assert OssModelFileSystem(**options) is first
    assert fsspec.filesystem("ossmc", **options) is first
    other = OssModelFileSystem(**options, config={"prefetch.vcpus": 1})
    assert other is not first
    assert other.connector is not first.connector
    assert first == pickle.loads(pickle.dumps(first))
    assert make_fs() is not first
    OssModelFileSystem.clear_instance_cache()
    for fs in (first, other):
        fs.connector.close()


def test_garbage_closes_the_connector(make_fs, root):
    closed = []

    class Noted(OssModelConnector):
        def close(self):
            closed.append(True)
            super().close()

    fs = OssModelFileSystem(**make_fs.options)
    assert fs.cat_file(f"{root}/a") == b"data"
    fs.connector.__class__ = Noted
    file = fs.open(f"{root}/a")
    del fs
    gc.collect()
    assert closed == []  # the file has it
    assert file.read() == b"data"
    file.close()
    del file
    gc.collect()
    assert closed


def test_it_pickles_as_its_options(fs, root):
    again = pickle.loads(pickle.dumps(fs))
    assert again.cat_file(f"{root}/a") == b"data"
    assert again.connector is not fs.connector
    again.connector.close()


def _read(fs, path):
    return fs.cat_file(path)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_it_goes_to_other_processes(fs, root, method):
    assert fs.cat_file(f"{root}/a") == b"data"  # it has threads and sockets
    with multiprocessing.get_context(method).Pool(1) as pool:
        result = pool.apply_async(_read, (fs, f"{root}/a"))
        assert result.get(timeout=60) == b"data"


def test_it_works_on_in_a_forked_child(fs, root):
    fs.ls(root)
    with fs.open(f"{root}/a") as file:

        def child():
            assert file.read() == b"data"
            assert fs.cat_file(f"{root}/a") == b"data"
            assert fs.find(root) == [f"{root}/a"]
            assert fs.loop.is_running()
            return True

        assert in_child(child)


def test_many_threads_use_one(fs, root):
    errors = []

    def work():
        try:
            for _ in range(20):
                assert fs.cat_file(f"{root}/a") == b"data"
                assert fs.find(root) == [f"{root}/a"]
                assert fs.info(f"{root}/a")["size"] == 4
                fs.ls(root)
                fs.invalidate_cache()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


def test_no_thread_of_fsspec_starts(root, make_fs):
    program = f"""
import threading
from ossmodelconnector.fsspec import OssModelFileSystem
fs = OssModelFileSystem(**{make_fs.options!r})
assert fs.cat_file("{root}/a") == b"data"
assert fs.find("{root}") == ["{root}/a"]
print([thread.name for thread in threading.enumerate()])
"""
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert output == "['MainThread']\n"


def test_a_warning_of_the_connector_is_given_once(server):
    options = {"key": server.access_key_id, "secret": server.access_key_secret}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fs = OssModelFileSystem(server.endpoint, **options)
        OssModelFileSystem(server.endpoint, **options)
    assert len([one for one in caught if "region=" in str(one.message)]) == 1
    OssModelFileSystem.clear_instance_cache()
    fs.connector.close()
