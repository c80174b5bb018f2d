"""The source distribution: what it holds, and what it says of the package."""

from __future__ import annotations

import email
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT_OUT = (".ci/", "docs/performance/", "docs/performance-unpaced/")
BUILD = "import sys; from scikit_build_core.build import build_sdist; build_sdist(sys.argv[1])"


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The files of the source distribution that is made of this tree: bytes by name."""
    pytest.importorskip("scikit_build_core", reason="what pyproject.toml builds with is not here")
    folder = tmp_path_factory.mktemp("sdist")
    command = [sys.executable, "-c", BUILD, str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        files = [member for member in packed.getmembers() if not member.isdir()]
        return {one.name.partition("/")[2]: packed.extractfile(one).read() for one in files}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no git checkout to compare with")
def test_sdist_holds_all_that_a_build_and_its_tests_need(sdist):
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    tracked = {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    missing = tracked - set(sdist)
    assert {name for name in missing if not name.startswith(LEFT_OUT)} == set()
    assert {name.partition("/")[0] for name in missing} == {".ci", "docs"}


def test_sdist_has_no_figures_that_were_measured_and_nothing_that_was_built(sdist):
    built = (".so", ".pyc", ".whl", ".o", ".gcda")
    assert {name for name in sdist if name.startswith((*LEFT_OUT, "build/", ".venv"))} == set()
    assert {name for name in sdist if name.endswith(built)} == set()
    assert {Path(name).suffix for name in sdist if name.startswith("docs/")} == {".md"}


def test_metadata_has_a_licence_of_pep_639_what_users_install_and_no_made_up_address(sdist):
    told = email.message_from_bytes(sdist["PKG-INFO"])
    assert told.get_all("License-Expression") == ["Apache-2.0"]
    assert told.get_all("License-File") == ["LICENSE"]
    assert sdist["LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert [text for text in told.get_all("Classifier") if text.startswith("License")] == []
    # What developers need is in dependency groups, which are no part of the metadata.
    assert told.get_all("Provides-Extra") == [
        "cli",
        "local",
        "alibaba",
        "safetensors",
        "torch",
        "transformers",
        "fsspec",
        "ray",
        "vllm",
    ]
    required = told.get_all("Requires-Dist")
    assert [text for text in required if "extra == " not in text] == []
    # The project has no public home yet.
    assert [name for name in ("Project-URL", "Home-page", "Download-URL") if name in told] == []
