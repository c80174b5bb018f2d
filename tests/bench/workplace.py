"""Where a run takes place: the server, the objects, the programs. Scenarios are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.catalogue import Catalogue
from bench.errors import UnavailableError
from bench.server import Server


@dataclass(frozen=True)
class Workplace:
    """Constant during a run."""

    server: Server
    catalogue: Catalogue
    programs: Path  # where floor and tls_floor are built
    folder: Path  # for files of this run alone
    ossmc_bench: Path  # beside it ossmc_list_simulation
    list_server: Path
    peers_python: Path | None
    all_peers: bool

    def peers(self) -> Path:
        if self.peers_python is None:
            raise UnavailableError("the peers' environment is not there; `make bench` makes it")
        return self.peers_python
