"""Models used from threads, with the process's own connector, and where packages are missing."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from ossmodelconnector.safetensors import LazyTensor, open_model, safe_open
from support.tensor_files import random_tensor, tensor_file
from support.tries import wait_until_it_waits

NAMES = [f"t{i:02d}" for i in range(16)]
RAWS = {name: random_tensor("I32", (50, 20), i) for i, name in enumerate(NAMES)}
ARRAYS = {name: np.frombuffer(raw.data, np.int32).reshape(50, 20) for name, raw in RAWS.items()}


@pytest.fixture(scope="module")
def uris(put):
    return [
        put(tensor_file({name: RAWS[name] for name in NAMES[4 * i : 4 * i + 4]})) for i in range(4)
    ]


@pytest.mark.parametrize("verify", ["early", "late", "off"])
def test_four_threads_use_one_model(uris, connector, verify):
    with open_model(uris, "np", connector=connector, verify=verify) as model:
        lazy = model.lazy_state_dict()

        def work(seed):
            chance = np.random.default_rng(seed)
            for _ in range(30):
                name = str(chance.choice(NAMES))
                what = chance.integers(4)
                if what == 0:
                    assert np.array_equal(model.get_tensor(name), ARRAYS[name])
                elif what == 1:
                    begin, end = sorted(chance.integers(0, 51, 2))
                    assert np.array_equal(lazy[name][begin:end], ARRAYS[name][begin:end])
                elif what == 2:
                    assert np.array_equal(lazy[name][:, 3:7], ARRAYS[name][:, 3:7])
                else:
                    wanted = list(chance.choice(NAMES, 5))
                    for found, tensor in model.iter_tensors(wanted):
                        assert np.array_equal(tensor, ARRAYS[found])
                        tensor[:] = 0
            return seed

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(work, range(4))) == [0, 1, 2, 3]


def test_tensor_that_four_threads_ask_for_is_theirs_alone(uris, connector):
    with safe_open(uris[0], "np", connector=connector) as file:
        for _ in range(10):
            start = threading.Barrier(4)

            def ask(start=start):
                start.wait(30)
                return file.get_tensor("t01")

            with ThreadPoolExecutor(4) as pool:
                found = [one.result(30) for one in [pool.submit(ask) for _ in range(4)]]
            assert len({one.__array_interface__["data"][0] for one in found}) == 4
            assert all(np.array_equal(one, ARRAYS["t01"]) for one in found)


def test_lazy_state_dict_is_a_mapping(uris, connector):
    with open_model(uris, "np", connector=connector) as model:
        lazy = model.lazy_state_dict()
        assert list(lazy) == NAMES
        assert len(lazy) == 16
        assert "t03" in lazy
        assert "nope" not in lazy
        one = lazy["t03"]
        assert isinstance(one, LazyTensor)
        assert (one.get_shape(), one.get_dtype()) == ([50, 20], "I32")
        assert repr(one) == "<LazyTensor 't03', I32 [50, 20]>"


def test_closed_model_is_a_value_error(uris, connector):
    model = open_model(uris, "np", connector=connector)
    lazy, tensors = model.get_slice("t00"), model.iter_tensors()
    next(tensors)
    assert not model.closed
    model.close()
    model.close()
    assert model.closed
    assert "closed" in repr(model)
    for ask in (
        lambda: model.get_tensor("t00"),
        lambda: model.get_slice("t00"),
        lambda: lazy[:2],
        lambda: next(tensors),
        lambda: model.iter_tensors(),
        lambda: model.prefetch(),
        model.__enter__,
    ):
        with pytest.raises(ValueError, match="closed"):
            ask()


def test_connector_that_was_closed_is_a_value_error(uris, make_connector):
    connector = make_connector()
    model = open_model(uris, "np", connector=connector)
    connector.close()
    with pytest.raises(ValueError, match="closed"):
        model.get_tensor("t00")
    model.close()


PROGRAM = """
import sys, threading
from ossmodelconnector import _default
from ossmodelconnector.safetensors import load_file, open_model
uri = sys.argv[1]
first = load_file(uri, framework="np")
connector = _default._connector
with open_model(uri, "np") as model:
    assert model.get_tensor("t00").tobytes() == first["t00"].tobytes()
assert _default._connector is connector
connector.close()
load_file(uri, framework="np")
assert _default._connector is not connector
print(len(first), "/".join(sorted({"torch", "numpy", "safetensors"} & set(sys.modules))))
"""


def test_connector_of_the_process_comes_from_the_environment(uris, server):
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, uris[0]],
        env=server.environ(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.split()[0] == "4"
    assert "torch" not in run.stdout.split()[1]


def test_missing_environment_is_told(monkeypatch):
    monkeypatch.delenv("OSS_ENDPOINT", raising=False)
    with pytest.raises(ValueError, match="OSS_ENDPOINT"):
        open_model("oss://bucket/model/", "np")


@pytest.mark.parametrize(
    ("package", "arguments", "text"),
    [
        ("torch", '"pt"', "pip install 'ossmodelconnector[torch]', or framework=\"numpy\""),
        ("numpy", '"np"', "pip install 'ossmodelconnector[safetensors]'"),
    ],
)
def test_missing_package_names_the_extra(tmp_path, package, arguments, text):
    (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError('gone', name={package!r})")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    code += "from ossmodelconnector.safetensors import open_model\n"
    code += "from ossmodelconnector import AnonymousCredentialsProvider, OssModelConnector\n"
    code += 'connector = OssModelConnector("http://127.0.0.1:1", region="cn-hangzhou",'
    code += " cred_provider=AnonymousCredentialsProvider())\n"
    code += f'open_model("oss://bucket/key", {arguments}, connector=connector)\n'
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert (
        f"ImportError: {'tensors of torch need torch' if package == 'torch' else ''}" in run.stderr
    )
    assert text in run.stderr


def test_errors_are_ours_where_safetensors_is_missing(tmp_path):
    (tmp_path / "safetensors.py").write_text("raise ModuleNotFoundError('gone')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    code += "from ossmodelconnector.safetensors import HeaderError, SliceError\n"
    code += "assert issubclass(HeaderError, ValueError) and issubclass(SliceError, IndexError)\n"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")


INTERRUPTED = """
import sys
from ossmodelconnector.safetensors import open_model
with open_model(sys.argv[1], "np") as model:
    if "loader" in sys.argv[2]:
        loader = model.prefetch()
    print("waits", flush=True)
    eval(sys.argv[2])
"""


@pytest.mark.parametrize("ask", ["list(loader)", "loader.take('a')", "model.get_tensor('a')"])
def test_ctrl_c_ends_a_wait_for_a_tensor(slow_store, slow_server, ask):
    slow_store.put("slow.safetensors", tensor_file({"a": random_tensor("U8", (60_000,))}))
    uri = slow_store.uri("slow.safetensors")
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", INTERRUPTED, uri, ask],
        env=slow_server.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        wait_until_it_waits(process.pid)
        begin = time.monotonic()
        process.send_signal(2)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert "KeyboardInterrupt" in errors
    assert time.monotonic() - begin < 20
    assert process.returncode not in (0, None)


@pytest.mark.parametrize("verify", ["early", "late"])
def test_model_opens_where_torch_makes_new_tensors_on_another_device(verify, put, connector):
    torch = pytest.importorskip("torch")
    raws = {"full": random_tensor("F32", (3, 2)), "empty": random_tensor("F32", (0, 2))}
    uri = put(tensor_file(raws))
    # As engines that load have it: it failed, "Cannot copy out of meta tensor".
    with torch.device("meta"), open_model(uri, connector=connector, verify=verify) as model:
        found = model.get_tensors()
        part = model.get_slice("full")[1:2, 0]
    assert {name: one.device.type for name, one in found.items()} == dict.fromkeys(raws, "cpu")
    assert part.tolist() == found["full"][1:2, 0].tolist()
    assert bytes(found["full"].numpy()) == raws["full"].data
