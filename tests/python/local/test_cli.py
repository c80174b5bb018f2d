"""The command line: it serves, says how to connect, keeps secrets, and ends silently."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
import textwrap
import urllib.request

import pytest
from ossmodelconnector.local import _cli

COMMAND = "import sys; from ossmodelconnector.local._cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "bucket-1").mkdir()
    (tmp_path / "bucket-1" / "key").write_bytes(b"data")
    return tmp_path


@pytest.fixture
def serve(folder):
    started = []

    def start(*options):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, str(folder), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        started.append(process)
        # One line that says ready, then five lines of Python between empty ones.
        printed = [process.stdout.readline() for _ in range(8)]
        return process, re.match(r"ready: (\S+) ", printed[0])[1], "".join(printed[1:])

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_it_is_told_to_end(serve, number):
    process, endpoint, advice = serve(
        "--anonymous", "--latency", "1ms", "--rate-per-connection", "50MB"
    )
    with urllib.request.urlopen(f"{endpoint}/bucket-1/key", timeout=60) as reply:
        assert reply.read() == b"data"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")
    assert "local-access-key-secret" in advice
    compile(textwrap.dedent(advice), "printed", "exec")


def test_tls_and_secrets(serve, tmp_path):
    ca_file = tmp_path / "ca.pem"
    process, endpoint, advice = serve(
        *("--tls", "--ca-file", str(ca_file), "--verbose", "--anonymous"),
        *("--access-key-id", "my-id", "--access-key-secret", "s3cret"),
        *("--security-token", "t0ken"),
    )
    assert endpoint.startswith("https://127.0.0.1:")
    context = ssl.create_default_context(cafile=str(ca_file))
    url = f"{endpoint}/bucket-1/key"
    with urllib.request.urlopen(url, timeout=60, context=context) as reply:
        assert reply.read() == b"data"
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "my-id" in advice
    assert str(ca_file) in advice
    assert "GET /bucket-1/key - -> 200" in err
    assert "s3cret" not in advice + out + err
    assert "t0ken" not in advice + out + err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--latency", "20"], ["--latency", "ms"]),
        (["--latency", "-1s"], ["--latency"]),
        (["--rate-per-connection", "50M"], ["--rate-per-connection", "MB"]),
        (["--rate-per-connection", "0MB"], ["--rate-per-connection"]),
        (["--port", "65536"], ["--port", "65535"]),
        (["--region", "Hang Zhou"], ["--region", "cn-hangzhou"]),
        (["--signature", "v3"], ["--signature", "v4"]),
        (["--access-key-id", "id"], ["--access-key-secret"]),
        (["--security-token", "token"], ["--access-key-id"]),
        (["--unknown"], ["--unknown"]),
    ],
)
def test_wrong_arguments(folder, capsys, options, words):
    with pytest.raises(SystemExit) as caught:
        _cli.main([str(folder), *options])
    assert caught.value.code == 2
    message = capsys.readouterr().err
    for word in words:
        assert word in message


def test_a_missing_folder(tmp_path, capsys):
    with pytest.raises(SystemExit):
        _cli.main([str(tmp_path / "nothing")])
    assert "not a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "value"), [("20ms", 0.02), ("1.5s", 1.5), ("300us", 0.0003), ("2 s", 2.0)]
)
def test_times(text, value):
    assert _cli._seconds(text) == pytest.approx(value)


@pytest.mark.parametrize(("text", "value"), [("50MB", 50e6), ("1GiB", 2**30), ("1.5KB", 1500)])
def test_rates(text, value):
    assert _cli._rate(text) == value
