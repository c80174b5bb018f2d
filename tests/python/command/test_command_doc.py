"""docs/command.md: its examples run as they stand there, and its tables are complete."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ossmodelconnector.command._exits import Exit
from ossmodelconnector.command._group import VERBS
from support import examples
from support.markdown import code_blocks
from support.tries import HANG_SECONDS

from .conftest import COMMAND

PAGE = (Path(__file__).parents[3] / "docs" / "command.md").read_text(encoding="utf-8")
BLOCKS = [block for block in code_blocks(PAGE) if block.info == "text"]
# Whatever is measured.
MEASURED = [
    (re.compile(r"\d[\d.]* (s|ms|[KMG]?i?B/s|Gbit/s)\b"), r"0 \1"),
    (re.compile(r"^ *[\d.]+ - +0 ms.*\n", re.MULTILINE), ""),
    (re.compile(r"by \d+ connections"), "by 0 connections"),
    (re.compile(r"^limited by .*", re.MULTILINE), "limited by"),
]


@pytest.fixture(scope="module")
def environment_of_examples():
    with examples.service() as environ:
        path = os.pathsep.join(path for path in sys.path if path)
        yield {**os.environ, **environ, "PYTHONPATH": path, "OSSMC_NO_PROGRESS": "1"}


def masked(text: str) -> str:
    for pattern, by in MEASURED:
        text = pattern.sub(by, text)
    return text


def steps(text: str) -> list[tuple[list[str], str]]:
    """Words behind each prompt, and what is printed."""
    parts = re.split(r"^\$ ossmc (.*)\n", text, flags=re.MULTILINE)
    assert parts[0] == ""
    return [(shlex.split(line), printed) for line, printed in zip(parts[1::2], parts[2::2])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One for all examples, which build on each other."""
    return tmp_path_factory.mktemp("examples")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line {block.line}")
def test_examples(block, environment_of_examples, folder):
    if "--against" in block.text and not (folder / "models").exists():
        pytest.skip("the example before it did not run")
    for words, printed in steps(block.text):
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=folder,
            env=environment_of_examples,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
        # What `cat` writes may have no line break at its end.
        pattern = re.escape(masked(printed).rstrip()).replace(r"\.\.\.", ".*")
        assert re.fullmatch(pattern, masked(done.stdout).rstrip()), done.stdout


def test_there_are_examples_of_each_verb_that_reads():
    shown = {words[0] for block in BLOCKS for words, _ in steps(block.text)}
    assert set(VERBS) - shown <= {"serve", "doctor"}


def test_every_exit_code_has_its_line():
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert codes == {int(code) for code in Exit}


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("ls", ["oss://bucket/tiny/"]),
        ("stat", ["oss://bucket/config.json"]),
        ("pull", ["oss://bucket/tiny/", "for-json"]),
        ("verify", ["oss://bucket/tiny/"]),
        ("tensors", ["oss://bucket/tiny/"]),
        ("bench", ["oss://bucket/tiny/"]),
        ("errors", ["oss://bucket/missing"]),
    ],
)
def test_the_documents_have_the_fields_that_the_page_names(
    environment_of_examples, folder, verb, words
):
    line = re.search(rf"^\| `?{verb}`? \| (.*) \|$", PAGE, re.MULTILINE)[1]
    named = set(re.findall(r"`(\w+)`", line)) - {"present", "fetched", "resumed", "stat"}
    done = subprocess.run(
        [*COMMAND, verb if verb != "errors" else "stat", *words, "--format", "json"],
        cwd=folder,
        env=environment_of_examples,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    document = json.loads(done.stderr if verb == "errors" else done.stdout)
    found = set(document)
    for value in document.values():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            found |= set(value[0])
        elif isinstance(value, dict):
            found |= set(value)
    if verb == "ls":  # its objects are as in `stat`, and said to be
        found -= {"uri", "size", "etag", "last_modified", "storage_class", "version_id"}
    if verb == "bench":
        found -= set(document["limits"])
    assert found == named
