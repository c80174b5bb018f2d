"""Several reads that wait for the same memory: none may hold what another waits for."""

from __future__ import annotations

import random
import threading

import pytest
from support.tries import HANG_SECONDS

CHUNK = 64 * 1024
CHUNKS = 24


@pytest.fixture(scope="module")
def contended(store):
    store.put("contended.bin", random.Random(9).randbytes(CHUNKS * CHUNK))
    store.put("beside.bin", random.Random(10).randbytes(8 * CHUNK))
    return store


def run_all(*calls):
    """Runs the calls at once, each in a thread; raises what the first that failed raised."""
    failures = []

    def run(call):
        try:
            call()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_read_ranges_of_many_threads_stood_still_under_a_small_budget(make_connector, contended):
    data = contended["contended.bin"]
    connector = make_connector(
        config={
            "prefetch": {"chunkBytes": CHUNK, "memoryBytes": 8 * CHUNK, "vcpus": 1},
            "timeout": {"readSeconds": HANG_SECONDS},
        }
    )
    with connector.open(contended.uri("contended.bin")) as reader:

        def read(seed):
            chance = random.Random(seed)
            for _ in range(15):
                begins = [chance.randrange(CHUNKS) * CHUNK + 5 for _ in range(8)]
                got = reader.read_ranges([(begin, 100) for begin in begins])
                assert got == [data[begin : begin + 100] for begin in begins]

        run_all(*(lambda seed=seed: read(seed) for seed in range(8)))
    assert connector.stats().memory_peak_bytes <= 8 * CHUNK


def test_getbuffer_beside_a_blocked_read_stood_still(make_connector, contended):
    connector = make_connector(
        config={
            "prefetch": {"chunkBytes": CHUNK, "memoryBytes": 8 * CHUNK, "vcpus": 1, "workers": 1},
            "timeout": {"readSeconds": HANG_SECONDS},
        }
    )
    contended.put("viewed.bin", random.Random(11).randbytes(8 * CHUNK))
    viewed = connector.open(contended.uri("viewed.bin"))
    beside = connector.open(contended.uri("beside.bin"))

    def view():
        with viewed.getbuffer() as whole:
            assert whole == contended["viewed.bin"]

    def read():
        beside.seek(0)
        assert beside.read() == contended["beside.bin"]

    for _ in range(5):
        run_all(view, read)
