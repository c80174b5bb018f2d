"""Training jobs, as programs: ranks, start methods, and what kill -9 leaves."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from ossmodelconnector.local import DEFAULT_CREDENTIAL, LocalServer, Reply
from support.run_program import PROGRAMS

# Of a rank: starting torch, and its workers', takes seconds on a machine that is busy.
LIMIT_SECONDS = 100


class Job:
    """A training job over the objects of a prefix, run again until it is done."""

    def __init__(self, folder, environ, source, ranks=1, limit=LIMIT_SECONDS):
        self._folder = folder
        self._environ = environ
        self._source = source
        self._ranks = ranks
        self._limit = limit
        self._runs = itertools.count()

    def start(self, *options):
        """The processes of all ranks, each the leader of a group of its own."""
        command = [sys.executable, "-W", "error", str(PROGRAMS / "training.py"), self._source]
        if self._ranks > 1:
            options = (*options, "--rendezvous", str(self._folder / f"run-{next(self._runs)}"))
        return [
            subprocess.Popen(
                [*command, str(self._log(rank)), *options],
                env={**self._environ, "RANK": str(rank), "WORLD_SIZE": str(self._ranks)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            for rank in range(self._ranks)
        ]

    def run(self, *options, status=0):
        """What each rank printed. They end as they should, and say nothing else."""
        processes = self.start(*options)
        try:
            ended = [process.communicate(timeout=self._limit) for process in processes]
        finally:
            kill(processes)
        assert [error for _, error in ended] == [""] * self._ranks
        assert [process.returncode for process in processes] == [status] * self._ranks
        return [json.loads(output) for output, _ in ended]

    def run_until(self, lines, *options):
        """Kills all of it by SIGKILL when some rank has written so many lines more."""
        before = [len(self.lines(rank)) for rank in range(self._ranks)]
        processes = self.start(*options)
        try:
            deadline = time.monotonic() + self._limit
            while all(len(self.lines(r)) < before[r] + lines for r in range(self._ranks)):
                assert time.monotonic() < deadline
                if all(process.poll() is not None for process in processes):
                    break
                time.sleep(0.005)
        finally:
            kill(processes)
        for process in processes:
            process.communicate()

    def _log(self, rank):
        return self._folder / f"rank-{rank}.jsonl"

    def lines(self, rank):
        log = self._log(rank)
        return log.read_text().splitlines() if log.exists() else []

    def epochs(self):
        """For each epoch what all ranks were given, in their order."""
        found = {}
        for rank in range(self._ranks):
            for line in map(json.loads, self.lines(rank)):
                found.setdefault(line["epoch"], []).extend(line["names"])
        return [found[epoch] for epoch in sorted(found)]


def kill(processes):
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def fill(local, bucket, count):
    """Puts so many objects, which begin with their keys, and returns those."""
    keys = [f"train/{number:05d}" for number in range(count)]
    for number, key in enumerate(keys):
        local.put_object(bucket, key, (key + " ").encode() * (1 + number % 50))
    return keys


@pytest.fixture(scope="module")
def keys(bucket):
    return fill(bucket.served.local, bucket.bucket, 240)


@pytest.fixture
def job(server, bucket, keys, tmp_path):
    """job(ranks=1): a new one."""
    return lambda ranks=1: Job(tmp_path, server.environ(), bucket.uri("train/"), ranks)


def test_ranks_and_workers_after_kills(job, keys):
    made = job(ranks=2)
    for workers in (2, 3):
        made.run_until(4, "--workers", str(workers), "--epochs", "2", "--persistent")
    told = made.run("--workers", "1", "--epochs", "2")
    assert [Counter(names) for names in made.epochs()] == [Counter(keys)] * 2
    assert told[0] == told[1]


def test_worker_that_is_killed_is_torchs_error_and_the_job_goes_on(job, keys):
    made = job()
    (told,) = made.run("--kill-worker", status=3)
    assert "worker" in told["error"]
    assert "Killed" in told["error"] or "exited unexpectedly" in told["error"]
    made.run("--workers", "3")
    assert Counter(made.epochs()[0]) == Counter(keys)


def spoil(local, keys, seed):
    """Of each hundred keys one is missing and one is cut on the way, whatever the attempt."""
    chance = random.Random(seed)
    spoilt = chance.sample(keys, 2 * max(1, len(keys) // 100))
    missing, cut = set(spoilt[::2]), set(spoilt[1::2])

    def reply(record):
        if record.key in missing:
            return Reply(404, "NoSuchKey")
        return Reply(cut_after=3) if record.key in cut else None

    local.on_request = reply
    return missing | cut


@pytest.fixture
def spoilt(server, keys):
    yield spoil(server.local, keys, 4)
    server.local.on_request = None


@pytest.mark.parametrize(
    "method", ["fork", "spawn", pytest.param("forkserver", marks=pytest.mark.long)]
)
def test_spoilt_objects_are_skipped_and_counted_by_persistent_workers(job, keys, spoilt, method):
    made = job()
    options = ("--on-error", "skip", "--attempts", "2", "--epochs", "2", "--persistent")
    (told,) = made.run("--method", method, "--pin-memory", *options)
    left = len(keys) - len(spoilt)
    assert told == {"counts": [left, left], "skipped": 2 * len(spoilt)}
    epochs = made.epochs()
    assert [Counter(names) for names in epochs] == [Counter(set(keys) - spoilt)] * 2
    assert epochs[0] != epochs[1]


@pytest.fixture
def large_job(tmp_path):
    """10,000 objects at 20 ms: a job of two ranks, the objects' keys, and the server."""
    with LocalServer(buckets=["bucket"], latency=0.02, log_requests=False) as local:
        keys = fill(local, "bucket", 10_000)
        environ = {
            **os.environ,
            "OSS_ENDPOINT": local.endpoint,
            "OSS_ACCESS_KEY_ID": DEFAULT_CREDENTIAL.access_key_id,
            "OSS_ACCESS_KEY_SECRET": DEFAULT_CREDENTIAL.access_key_secret,
        }
        made = Job(tmp_path, environ, "oss://bucket/train/", ranks=2, limit=300)
        yield made, keys, local


@pytest.mark.long
@pytest.mark.timeout(1000)
def test_10000_objects_in_3_epochs(large_job):
    job, keys, _ = large_job
    told = job.run("--epochs", "3", "--batch", "50", "--persistent")
    assert told[0]["counts"] == [[5000] * 3] * 2
    epochs = job.epochs()
    assert [Counter(names) for names in epochs] == [Counter(keys)] * 3
    assert len({tuple(names) for names in epochs}) == 3


@pytest.mark.long
@pytest.mark.timeout(1000)
def test_10000_objects_with_another_number_of_workers_after_each_kill(large_job):
    job, keys, _ = large_job
    for workers in (2, 1, 3, 2):
        job.run_until(25, "--workers", str(workers), "--batch", "50")
    job.run("--workers", "3", "--batch", "50")
    assert Counter(job.epochs()[0]) == Counter(keys)


@pytest.mark.long
@pytest.mark.timeout(1000)
def test_10000_objects_of_which_1_in_50_is_spoilt(large_job):
    job, keys, local = large_job
    spoilt = spoil(local, keys, 5)
    assert len(spoilt) == 200
    told = job.run("--on-error", "skip", "--attempts", "2", "--batch", "50", "--persistent")
    assert sum(one["skipped"] for one in told) == 200
    assert Counter(job.epochs()[0]) == Counter(set(keys) - spoilt)
