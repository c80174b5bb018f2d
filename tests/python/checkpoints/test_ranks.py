"""Checkpoints that some ranks of torch saved, loaded by other numbers of them."""

from __future__ import annotations

import os

import pytest
from ossmodelconnector import AnonymousCredentialsProvider
from ossmodelconnector.local import LocalServer
from support.checkpoint_ranks import run_ranks, save_and_load


@pytest.mark.timeout(200)  # gloo and FSDP in six processes
def test_state_of_4_ranks_is_loaded_by_2_and_by_6(make_connector, tmp_path):
    os.mkdir(tmp_path / "models")
    with LocalServer(tmp_path, anonymous=True) as server:
        connector = make_connector(
            endpoint=server.endpoint, cred_provider=AnonymousCredentialsProvider()
        )
        run_ranks(6, save_and_load, str(tmp_path), "oss://models", connector)
