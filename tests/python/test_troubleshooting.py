"""docs/troubleshooting.md: each mistake of its table is made, and answered as it says.

The page is the table. Column "It says" and column "Next" hold, as code, what must be in the text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from ossmodelconnector.local import LocalServer
from support import mistakes
from support.mistake_world import ENDED, KEY, MISTAKES, SECRETS, STS, World, make

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
MiB = 1 << 20


class Row(NamedTuple):
    """A line of the table."""

    mistake: str
    exception: str
    says: list[str]
    next_step: list[str]


def table():
    text = PAGE.read_text(encoding="utf-8").partition("## By error text")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    rows = {}
    for line in lines:
        mistake, exception, says, step = (cell.strip() for cell in line.strip("|").split(" | "))
        code = re.compile(r"`([^`]+)`")
        rows[mistake] = Row(mistake, exception.strip("`"), code.findall(says), code.findall(step))
    return rows


ROWS = table()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    plain = LocalServer(credentials=(KEY, STS, ENDED), buckets=["models", "denied"])
    secure = LocalServer(credentials=(KEY,), buckets=["models"], tls=True)
    with plain, secure:
        plain.put_object("models", "text.txt", b"text")
        plain.put_object("models", "list/a.bin", b"a")
        plain.put_object("models", "large.bin", bytes(64 * MiB))
        plain.put_object("models", "archived.bin", b"x", storage_class="Archive")
        plain.put_object("denied", "a.bin", b"x")
        plain.deny("denied")
        yield World(tmp_path_factory.mktemp("mistakes"), plain, secure)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_as_the_page_says(world, mistake):
    row = ROWS[mistake]
    assert row.says
    assert row.next_step
    said = make(mistake, world)
    assert said.kind == row.exception, said
    assert [words for words in row.says + row.next_step if words not in said.text] == [], said
    assert [secret for secret in [*SECRETS, "hunter2"] if secret in said.text] == []


def test_the_page_has_the_mistakes_and_no_others():
    assert mistakes.MISTAKES is MISTAKES
    assert set(ROWS) == set(MISTAKES)
    assert len(ROWS) >= 40
