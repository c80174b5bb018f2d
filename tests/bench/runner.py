"""Runs a scenario: all its clients in turn, round after round."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from bench.errors import RunError, UnavailableError
from bench.host import let_host_take_back, warm_memory
from bench.results import Result, Row, Sample, with_rates
from bench.scenario import Client, Run, Scenario

# What a client has had at its peak goes back to the host once it has ended; less than this is not
# felt.
_MUCH_BYTES = 128 << 20


def json_lines(output: str) -> list[Sample]:
    """A sample a line; other lines are the client's own talk."""
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def run_scenario(
    scenario: Scenario,
    rounds: int,
    machine: Mapping[str, str],
    environment: Mapping[str, str],
) -> Result:
    """Failures and missing clients end in their rows, not here."""
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    rows = {client.name: Row(client.name) for client in scenario.clients}
    gave_much_back = False
    for number in range(-1 if scenario.warm_up else 0, rounds):
        for client in in_turn(scenario.clients, number):
            row = rows[client.name]
            if row.left_out or row.failure:
                continue
            begin = time.monotonic()
            sample = _measure(client, number, row, environment, gave_much_back)
            if not row.left_out:
                gave_much_back = sample is None or sample.get("peak_rss_bytes", 0) >= _MUCH_BYTES
            if sample is not None and number >= 0:
                row.samples.append(sample)
            _report(scenario, client, number, rounds, row, sample, time.monotonic() - begin)
    return Result(scenario.name, started, rounds, machine, list(rows.values()), scenario.warm_up)


def in_turn(clients: Sequence[Client], number: int) -> list[Client]:
    """In an order that is drawn anew for each round, so that none always follows the same one."""
    return random.Random(f"round {number}").sample(list(clients), len(clients))


def _measure(
    client: Client, number: int, row: Row, environment: Mapping[str, str], wait: bool
) -> Sample | None:
    try:
        run = client.start(number)
    except UnavailableError as error:
        row.left_out = str(error)
        return None
    try:
        if run.fresh_bytes:
            warm_memory(run.fresh_bytes)
        elif wait and not run.waits_itself:
            let_host_take_back()
        samples = run.parse(_output(run, environment))
        if not samples:
            raise RunError("it printed no figures")
    except RunError as error:
        row.failure = str(error)
        return None
    return with_rates(samples[-1])


def _output(run: Run, environment: Mapping[str, str]) -> str:
    # A session of its own, so that what it starts ends with it.
    process = subprocess.Popen(
        run.command,
        env={**environment, **run.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, complaint = process.communicate(timeout=run.timeout_seconds)
    except subprocess.TimeoutExpired:
        raise RunError(f"it took more than {run.timeout_seconds:.0f} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode != 0:
        last = "\n".join(complaint.strip().splitlines()[-5:])
        raise RunError(f"exit status {process.returncode}: {last}")
    return output


def _report(
    scenario: Scenario,
    client: Client,
    number: int,
    rounds: int,
    row: Row,
    sample: Sample | None,
    seconds: float,
) -> None:
    which = "warm-up" if number < 0 else f"{number + 1}/{rounds}"
    if row.left_out:
        text = f"left out: {row.left_out}"
    elif sample is None:
        text = f"FAILED: {row.failure}"
    else:
        text = "  ".join(
            f"{column.text(sample[column.figure])} {column.heading}"
            for column in scenario.columns
            if column.figure in sample
        )
    print(f"{scenario.name:<11}{which:<9}{client.name:<56}{text}  ({seconds:.1f} s)", flush=True)
