"""A torch DataLoader of 4 workers over 1,000 objects, twice over, by each start method.

    PYTHONPATH=tests python -m long.data_loader
    PYTHONPATH=tests python -m long.data_loader --method fork

The parent reads all the time, in a thread and between batches. The server's faults are those that
a client overcomes. Each method has a program of its own, which must end by itself, with readers
open, and say nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

from ossmodelconnector import _core
from support.random_fault_server import RandomFaultServer
from support.random_faults import MiB, contents

from long.clients import connect, uri_of

METHODS = ("fork", "spawn", "forkserver")
OBJECTS = 1000
EPOCHS = 2
WORKERS = 4
BATCH = 10
# Each worker of spawn and forkserver has to import torch, in each epoch.
METHOD_SECONDS = 300


def size_of(seed: int) -> int:
    return 1 + seed * 7919 % 300_000


def expected(seed: int) -> int:
    return _core.crc64(contents(seed, size_of(seed)), 0)


class Objects:
    """A dataset; it holds the connector itself."""

    def __init__(self, connector):
        self.connector = connector

    def __len__(self):
        return OBJECTS

    def __getitem__(self, seed):
        with self.connector.open(uri_of("steady", seed, size_of(seed))) as reader:
            return seed, os.getpid(), _core.crc64(reader.read(), 0)


def load(endpoint: str, method: str) -> dict[str, object]:
    """All of it by one start method; raises at the first thing that is wrong."""
    import torch.utils.data

    # torch's, on machines of fewer processors: not what is looked for.
    warnings.filterwarnings("ignore", "This DataLoader will create .* worker processes")
    connector = connect(endpoint, prefetch__memoryBytes=64 * MiB)
    mine = [(seed, connector.open(uri_of("steady", seed, 2 * MiB))) for seed in range(2000, 2006)]
    stop, failures, rounds = threading.Event(), [], [0]

    def read_all_the_time():
        try:
            while not stop.is_set():
                for seed, reader in mine:
                    place = random.randrange(MiB)
                    buffer = bytearray(100_000)
                    assert reader.read_at(place, buffer) == len(buffer)
                    assert buffer == contents(seed, 2 * MiB)[place : place + len(buffer)]
                rounds[0] += 1
                # The workers need processors too.
                stop.wait(0.01)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=read_all_the_time)
    thread.start()
    pids = set()
    try:
        for _ in range(EPOCHS):
            loader = torch.utils.data.DataLoader(
                Objects(connector),
                batch_size=BATCH,
                shuffle=True,
                num_workers=WORKERS,
                multiprocessing_context=method,
                collate_fn=list,
                timeout=60,
            )
            seen = []
            for batch in loader:
                for seed, pid, crc in batch:
                    assert crc == expected(seed), f"object {seed} came wrong"
                    seen.append(seed)
                    pids.add(pid)
                seed, reader = mine[len(seen) % len(mine)]
                position = reader.tell()
                got = reader.read(50_000)
                assert got == contents(seed, 2 * MiB)[position : position + 50_000]
            assert sorted(seen) == list(range(OBJECTS))
    finally:
        stop.set()
        thread.join()
    if failures:
        raise failures[0]
    assert len(pids) == EPOCHS * WORKERS
    assert os.getpid() not in pids
    return {"objects": OBJECTS * EPOCHS, "workers": len(pids), "parent's rounds": rounds[0]}


def run_method(method: str, endpoint: str) -> dict[str, object]:
    """The program for one method: what it told, or what was wrong under "failure"."""
    begin = time.monotonic()
    environ = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parents[1]))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "long.data_loader", "--method", method, "--endpoint", endpoint],
            env=environ,
            capture_output=True,
            text=True,
            timeout=METHOD_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        return {"failure": f"it did not end in {METHOD_SECONDS} s", "stderr": str(error.stderr)}
    seconds = round(time.monotonic() - begin, 1)
    if done.returncode != 0 or done.stderr:
        return {"failure": f"it ended with {done.returncode}", "stderr": done.stderr}
    return {"seconds": seconds, **json.loads(done.stdout)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="long.data_loader", description=__doc__)
    parser.add_argument("--method", choices=METHODS, help="this one alone")
    parser.add_argument("--endpoint", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help="for the result, as JSON")
    options = parser.parse_args()
    if options.endpoint:
        print(json.dumps(load(options.endpoint, options.method)))
        return 0
    methods = [options.method] if options.method else METHODS
    with RandomFaultServer() as server:
        result = {method: run_method(method, server.endpoint) for method in methods}
        result["faults"] = server.counts()
    print(json.dumps(result, indent=1))
    if options.output:
        options.output.write_text(json.dumps(result, indent=1))
    return 1 if any("failure" in result[method] for method in methods) else 0


if __name__ == "__main__":
    sys.exit(main())
