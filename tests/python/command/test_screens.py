"""What people see: each verb in a terminal of 100 columns and in a pipe, in two locales.

The expected screens stand here as they are. Figures that differ from run to run are masked: each
digit is a ``0``, and runs of what a bar is made of are one.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import uuid
from datetime import datetime, timezone

import pytest
from ossmodelconnector.local import LocalServer
from support.tries import HANG_SECONDS, wait_until

from ..conftest import LONG_TERM, STS, Served, Store
from .conftest import COMMAND
from .test_verbs import safetensors

TMUX = shutil.which("tmux")
MiB = 1 << 20
TIME = datetime(2024, 8, 2, 15, 4, 5, tzinfo=timezone.utc)
LOCALES = {"C": {"LANG": "C", "LC_ALL": ""}, "UTF-8": {"LANG": "C.UTF-8", "LC_ALL": ""}}
ENDS = re.compile(r"^(?:\^C)?exit (\d+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def store(bucket):
    weight = {"dtype": "BF16", "shape": [4, 8], "data_offsets": [0, 64]}
    bias = {"dtype": "F32", "shape": [8], "data_offsets": [64, 96]}
    objects = {
        "m/config.json": b"{}",
        "m/größe.txt": b"text\n",
        "m/model.safetensors": safetensors({"layer.weight": weight, "layer.bias": bias}),
    }
    for key, data in objects.items():
        bucket.served.local.put_object(bucket.bucket, key, data, last_modified=TIME)
    return bucket


class Terminal:
    """A tmux of its own, without the user's settings."""

    def __init__(self, environment: dict[str, str], locale: str) -> None:
        self._name = f"ossmc-{uuid.uuid4().hex[:12]}"
        self._environment = {**environment, **LOCALES[locale]}
        for name in [name for name in self._environment if name.startswith("LC_")]:
            del self._environment[name]
        self._environment["TERM"] = "xterm-256color"

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            [TMUX, "-u", "-f", "/dev/null", "-L", self._name, *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=HANG_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, words: list[str]) -> None:
        # Ctrl-C is for the command alone.
        line = f"trap : INT; {shlex.join(words)}; echo exit $?; exec sleep 1000"
        self._tmux("new-session", "-d", "-x", "100", "-y", "40", "/bin/sh", "-c", line)

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p").rstrip("\n")

    def final_screen(self) -> tuple[int, str]:
        """The exit code, and what stands above it."""
        wait_until(lambda: ENDS.search(self.screen()), 60)
        screen = self.screen()
        end = ENDS.search(screen)
        return int(end[1]), screen[: end.start()]

    def interrupt(self) -> None:
        self._tmux("send-keys", "C-c")

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.fixture
def terminal(environment):
    if TMUX is None:
        pytest.skip("tmux is not installed: see third_party/apt-packages-test.txt")
    made = []

    def make(locale):
        made.append(Terminal(environment, locale))
        return made[-1]

    yield make
    for one in made:
        one.close()


LS = """\
       2 B  2024-08-02 15:04:05  Standard    config.json
       5 B  2024-08-02 15:04:05  Standard    größe.txt
     253 B  2024-08-02 15:04:05  Standard    model.safetensors
3 objects, 260 B (260 bytes)
"""
STAT = """\
uri       oss://test-screens/m/größe.txt
size      5 B (5 bytes)
modified  2024-08-02 15:04:05 UTC
etag      E1CBB0C3879AF8347246F12C559A86B5
class     Standard
"""
TENSORS = """\
tensor        type  shape  size
layer.weight  BF16  4 x 8  64 B
layer.bias    F32   8      32 B
2 tensors with 40 values, 96 B, in 1 file
"""
PULL = """\
3 files, 260 B in to
fetched 260 B in 0.0 s, 0 B/s
"""
VERIFY = """\
3 of 3 objects are right by crc64, 260 B in all
"""
AGAINST = """\
wrong  oss://test-screens/m/config.json: empty/config.json is not there
wrong  oss://test-screens/m/größe.txt: empty/größe.txt is not there
wrong  oss://test-screens/m/model.safetensors: empty/model.safetensors is not there
0 of 3 objects are right, 260 B in all
"""
AGAINST_ERROR = """\
error: oss://test-screens/m/config.json: 3 of 3 objects are not right: empty/config.json is not ther
e
next: ossmc pull oss://test-screens/m/ empty, then: ossmc verify oss://test-screens/m/ --against emp
ty
"""
SCREENS = {
    "ls": (["ls", "-l", "--summary", "oss://test-screens/m/"], 0, LS, ""),
    "stat": (["stat", "oss://test-screens/m/größe.txt"], 0, STAT, ""),
    "cat": (["cat", "oss://test-screens/m/größe.txt"], 0, "text\n", ""),
    "tensors": (["tensors", "oss://test-screens/m/"], 0, TENSORS, ""),
    "pull": (["pull", "oss://test-screens/m/", "to"], 0, PULL, ""),
    "verify": (["verify", "oss://test-screens/m/"], 0, VERIFY, ""),
    "against": (
        ["verify", "oss://test-screens/m/", "--against", "empty"],
        3,
        AGAINST,
        AGAINST_ERROR,
    ),
    "missing": (
        ["cat", "oss://test-screens/größe"],
        3,
        "",
        "error: GET oss://test-screens/größe bytes",
    ),
}
RATE = re.compile(r"[\d.]+ s, [\d.]+ [KMG]?i?B/s")


def masked(text: str) -> str:
    return RATE.sub("0.0 s, 0 B/s", text)


def in_ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("name", SCREENS)
def test_in_a_terminal(terminal, store, tmp_path, monkeypatch, name, locale):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    words, code, out, err = SCREENS[name]
    shell = terminal(locale)
    shell.start([*COMMAND, *words])
    ended, screen = shell.final_screen()
    expected = out + err
    if locale == "C":
        expected = in_ascii(expected)
    if name == "against" and locale == "C":
        pass  # nothing but ASCII is cut at the edge
    assert ended == code, screen
    if name == "missing":
        assert screen.startswith(expected)
    else:
        assert masked(screen) == expected


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("name", SCREENS)
def test_in_a_pipe(run_ossmc, store, tmp_path, name, locale):
    (tmp_path / "empty").mkdir()
    words, code, out, err = SCREENS[name]
    ran = run_ossmc(*words, env=LOCALES[locale], cwd=tmp_path)
    assert ran.code == code, ran.err
    assert masked(ran.out) == out
    unbroken = err.replace("ther\ne\n", "there\n").replace("emp\nty\n", "empty\n")
    assert ran.err.startswith(unbroken)


@pytest.mark.parametrize("locale", LOCALES)
def test_bench_in_a_terminal(terminal, store, locale):
    shell = terminal(locale)
    shell.start([*COMMAND, "bench", store.uri("m/")])
    ended, screen = shell.final_screen()
    assert ended == 0, screen
    lines = [re.sub("#+", "#", re.sub(r"\d+", "0", line)) for line in screen.splitlines()]
    assert re.fullmatch(
        r"a request of one byte takes 0\.0 ms; 0 % take 0\.0 ms at most, all 0\.0 ms", lines[0]
    )
    steps = [" ".join(line.split()).rstrip(" #") for line in lines[1:-2]]
    assert set(steps) <= {"0.0 - 0.0 ms 0"}
    assert max(screen.splitlines(), key=len).count("#") <= 40
    assert re.match(r"0 B in 0\.0 s: 0\.0 [KM]?i?B/s \(0\.0 Gbit/s\) by 0 connections|", lines[-2])
    assert lines[-1].startswith("limited by ")


def test_serve_in_a_terminal(terminal, tmp_path):
    (tmp_path / "models").mkdir()
    shell = terminal("UTF-8")
    shell.start([*COMMAND, "serve", str(tmp_path)])
    wait_until(lambda: "connector.list" in shell.screen())
    assert shell.screen().startswith("ready: http://127.0.0.1:")
    shell.interrupt()
    ended, screen = shell.final_screen()
    assert ended == 0
    assert "Traceback" not in screen


def test_serve_in_json(environment, tmp_path):
    import json

    with subprocess.Popen(
        [*COMMAND, "serve", str(tmp_path), "--port", "0", "--format", "json", "--region", "cn-x"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        ready = json.loads(process.stdout.readline())
        assert ready["endpoint"].startswith("http://127.0.0.1:")
        assert (ready["region"], ready["directory"]) == ("cn-x", str(tmp_path))
        assert "secret" not in json.dumps(ready)
        process.terminate()
        assert process.wait(HANG_SECONDS) == 0


@pytest.mark.parametrize(
    "words", [["--endpoint", "http://x"], ["--port", "no"], ["--nonsense"], []]
)
def test_serve_and_wrong_use(run_ossmc, tmp_path, words):
    ran = run_ossmc("serve", *([str(tmp_path)] if words else []), *words)
    assert ran.code == 2
    assert "Traceback" not in ran.err


# --- how far it is ---


@pytest.fixture(scope="module")
def slow():
    with LocalServer(credentials=(LONG_TERM, STS), rate_per_connection=1_000_000) as local:
        store = Store(Served(local), "slow-screens")
        store.put("long", bytes(6 * MiB))
        yield store


@pytest.mark.parametrize("locale", LOCALES)
def test_a_bar_in_a_terminal_that_goes(terminal, slow, tmp_path, monkeypatch, locale):
    monkeypatch.chdir(tmp_path)
    config = '{"prefetch.vcpus": 1, "prefetch.workers": 1, "prefetch.chunkBytes": "256 KiB"}'
    (tmp_path / "config.json").write_text(config)
    shell = terminal(locale)
    words = ["pull", slow.uri("long"), "--config", "config.json"]
    shell.start([*COMMAND, *words, "--endpoint", slow.served.endpoint])
    seen = []

    def has_bar() -> bool:
        seen.append(shell.screen())
        return "/6.3 MB" in seen[-1] or "/6.0 MiB" in seen[-1] or bool(ENDS.search(seen[-1]))

    wait_until(has_bar)
    character = "-" if locale == "C" else "━"
    line = seen[-1].splitlines()[0]
    assert re.match(rf"pull {character}+.* +\d+% +\d+\.\d/6\.0 MiB ", line), seen[-1]
    assert len(line) <= 100
    ended, screen = shell.final_screen()
    assert ended == 0
    assert masked(screen).splitlines() == [
        "1 file, 6.0 MiB in .",
        "fetched 6.0 MiB in 0.0 s, 0 B/s",
    ]


def test_verify_shows_what_comes_in(environment, slow, tmp_path):
    config = tmp_path / "config.json"
    config.write_text('{"prefetch.vcpus": 1, "prefetch.workers": 1}')
    words = [*COMMAND, "verify", slow.uri("long"), "--config", str(config)]
    done = subprocess.run(
        [*words, "--endpoint", slow.served.endpoint],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert len(lines) >= 3
    assert all(re.match(r"verify +\d+0 %  \d+\.\d [KM]iB of 6\.0 MiB  ", line) for line in lines)


def test_ctrl_c_takes_the_bar_away(terminal, slow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = '{"prefetch.vcpus": 1, "prefetch.workers": 1, "prefetch.chunkBytes": "64 KiB"}'
    (tmp_path / "config.json").write_text(config)
    shell = terminal("UTF-8")
    words = ["pull", slow.uri("long"), "--config", "config.json"]
    shell.start([*COMMAND, *words, "--endpoint", slow.served.endpoint])
    wait_until(lambda: "━" in shell.screen())
    shell.interrupt()
    ended, screen = shell.final_screen()
    assert ended == 130
    assert screen.replace("^C", "").strip().splitlines() == [
        "error: stopped by Ctrl-C",
        "next: run the same command again: it goes on where it was",
    ]
