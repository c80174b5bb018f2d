"""docs/architecture.md names every room of the tree, and nothing that is not there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
# `memory/chunk.h`, `tests/csrc/x_test.py`, `python/ossmodelconnector/local/`
PATHS = set(re.findall(r"`((?:[\w.-]+/)+(?:[\w-]+\.\w+)?)`", PAGE))


def test_every_header_has_its_line():
    headers = {str(path.relative_to(ROOT / "csrc")) for path in (ROOT / "csrc").glob("*/*.h")}
    assert len(headers) > 50
    assert headers - PATHS == set()


def test_every_python_module_has_its_line():
    package = ROOT / "python" / "ossmodelconnector"
    paths = [*package.glob("_[a-z]*.py*"), *package.glob("safetensors/_[a-z]*.py")]
    modules = {str(path.relative_to(ROOT)) for path in paths}
    assert len(modules) > 5
    assert modules - PATHS == set()


def test_every_path_exists():
    missing = {
        path for path in PATHS if not any((top / path).exists() for top in (ROOT, ROOT / "csrc"))
    }
    assert missing == set()


def test_every_floor_is_drawn():
    drawing = PAGE.partition("## Floors")[2].partition("##")[0]
    floors = {path.parent.name for path in (ROOT / "csrc").glob("*/*.h")}
    assert {floor for floor in floors if floor not in drawing} == set()
