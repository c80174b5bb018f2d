"""fsspec's own tests of get and of copy, which every file system should pass.

They write, so the file system writes into the local server's folder, by touch, pipe_file, mkdir,
cp_file and rm. All else is under test: what these calls are asked to do, and where.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import fsspec.tests.abstract as abstract
import pytest
from fsspec.spec import AbstractFileSystem
from ossmodelconnector.fsspec import OssModelFileSystem
from ossmodelconnector.local import LocalServer

BUCKET = "bucket"


class WritableFileSystem(OssModelFileSystem):
    """Writes into the folder that the server shows."""

    folder: Path

    pipe = AbstractFileSystem.pipe
    copy = AbstractFileSystem.copy

    def _local(self, path):
        self.invalidate_cache()
        return self.folder / self._strip_protocol(path)

    def mkdir(self, path, create_parents=True, **kwargs):
        self._local(path).mkdir(parents=True, exist_ok=True)

    def makedirs(self, path, exist_ok=False):
        self.mkdir(path)

    def touch(self, path, truncate=True, **kwargs):
        self.pipe_file(path, b"")

    def pipe_file(self, path, value, mode="overwrite", **kwargs):
        local = self._local(path)
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_bytes(value)

    def cp_file(self, path1, path2, **kwargs):
        if self.isdir(path1):
            self.mkdir(path2)
        else:
            self.pipe_file(path2, self.cat_file(path1))

    def rm(self, path, recursive=False, maxdepth=None):
        for one in [path] if isinstance(path, str) else path:
            local = self._local(one)
            if local.is_dir():
                shutil.rmtree(local)
            else:
                local.unlink()


class Fixtures(abstract.AbstractFixtures):
    @pytest.fixture
    def fs(self, tmp_path):
        folder = tmp_path / "served"
        (folder / BUCKET).mkdir(parents=True)
        with LocalServer(folder, anonymous=True) as server:
            fs = WritableFileSystem(
                server.endpoint, anon=True, region="cn-hangzhou", skip_instance_cache=True
            )
            fs.folder = folder
            yield fs
            fs.connector.close()

    @pytest.fixture
    def fs_path(self):
        return BUCKET

    @pytest.fixture
    def supports_empty_directories(self):
        return False  # OSS has no directories


class TestGet(Fixtures, abstract.AbstractGetTests):
    pass


class TestCopy(Fixtures, abstract.AbstractCopyTests):
    pass
