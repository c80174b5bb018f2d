"""Ours beside another commit of ours: each of our clients gets a twin that runs that one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bench.base import Base
from bench.scenario import Client, Run, Scenario
from bench.workplace import Workplace


def with_base(build: Callable[[Workplace], Scenario], place: Workplace, base: Base) -> Scenario:
    """The scenario, with a twin right behind each client of ours, and the bars of those."""
    scenario = build(place)
    of_base = build(replace(place, ossmc_bench=base.ossmc_bench))
    clients: list[Client] = []
    twins: dict[str, str] = {}
    for client, other in zip(scenario.clients, of_base.clients):
        clients.append(client)
        if client.ours:
            clients.append(_twin(other, base))
            twins[client.name] = clients[-1].name
    bars = [*scenario.bars, *(scenario.base_bars(twins) if scenario.base_bars else ())]
    return replace(scenario, clients=clients, twins=twins, bars=bars)


def _twin(client: Client, base: Base) -> Client:
    def start(number: int) -> Run:
        return replace(client.start(number), environment=base.environment())

    what = client.name.removeprefix("ours").removeprefix(", ")
    return Client(f"{base.name}, {what}" if what else base.name, start)
