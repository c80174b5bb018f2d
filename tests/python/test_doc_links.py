"""Links between the pages of this repository lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
# A source distribution, which has PKG-INFO, has no figures: see sdist.exclude in pyproject.toml.
FIGURES = ("docs/performance/", "docs/performance-unpaced/")
LEFT_OUT = FIGURES if (ROOT / "PKG-INFO").exists() else ()
LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page):
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    files = [(page.parent / target).resolve() for target in targets if "://" not in target]
    missing = [str(file.relative_to(ROOT)) for file in files if not file.exists()]
    assert [name for name in missing if not name.startswith(LEFT_OUT)] == []


def test_links_are_found():
    assert LINK.findall("[a](docs/a.md), [b](b.md#part), [c](#here)") == ["docs/a.md", "b.md"]


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/reliability.md"])
def test_what_is_promised_names_tests_that_are_there(page):
    named = re.findall(r"`((?:csrc|tests)/[^`]+)`", (ROOT / page).read_text())
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []
