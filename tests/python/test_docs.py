"""The Python examples of README.md and docs/ run, as they stand there.

A test is a page, whose blocks marked ``python`` run one after the other in one namespace, in an
empty folder. ``support/examples.py`` says what they find. Those marked ``python integration`` need
what is not here: tests/integrations runs them. So do those marked ``engine``: tests/engines.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ossmodelconnector import OssModelConnector
from support import examples
from support.markdown import code_blocks

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): code_blocks(path.read_text(encoding="utf-8"))
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
}
EXAMPLES = {
    page: found
    for page, blocks in PAGES.items()
    if (found := [block for block in blocks if block.info == "python"])
}
# Which package a page's examples need, that is not on every Python.
NEEDED = {
    "docs/checkpoints.md": "torch",
    "docs/models.md": "torch",
    "docs/training.md": "torch",
}


@pytest.fixture(scope="module")
def environment():
    with examples.service() as environ:
        yield environ


@pytest.mark.parametrize("page", EXAMPLES)
def test_examples(page, environment, monkeypatch, tmp_path):
    if page in NEEDED:
        pytest.importorskip(NEEDED[page])
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    names = {"__name__": "example"}
    try:
        for block in EXAMPLES[page]:
            exec(compile(block.text, f"{page}, block at line {block.line}", "exec"), names)
    finally:
        for value in names.values():
            if isinstance(value, OssModelConnector):
                value.close()


def test_pages_that_show_how_to_use_the_library_have_examples():
    pages = {"configuration", "data-tools", "models", "semantics", "training"}
    assert {"README.md", *(f"docs/{page}.md" for page in pages)} <= set(EXAMPLES)


def test_no_example_hides_behind_another_mark():
    kinds = {(page, block.info) for page, blocks in PAGES.items() for block in blocks}
    known = {"python", "python integration", "python engine", "bash engine", "json", "text"}
    assert {kind for _, kind in kinds} <= known, sorted(kinds)


def test_blocks_are_found_also_in_lists():
    text = "# T\n\n- item\n\n    ```python\n    a = 1\n      # b\n    ```\n\n```\nplain\n```\n"
    assert [tuple(block) for block in code_blocks(text)] == [
        ("python", "a = 1\n  # b\n", 6),
        ("", "plain\n", 11),
    ]
