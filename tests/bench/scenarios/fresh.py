"""A process that reads once, with defaults: how people load a model."""

from __future__ import annotations

from typing import Any

from bench.clients import fresh, fresh_peer, the_floor, total_bytes, with_server
from bench.results import Result
from bench.scenario import (
    CPU_PER_GB,
    FETCHED,
    GB_PER_SECOND,
    PEAK_GROWTH_MIB,
    SERVER_CPU_PER_GB,
    Bar,
    Client,
    Excerpt,
    Measured,
    Scenario,
    cpu_ratio,
    highest_of,
    speed_ratio,
)
from bench.server import PLAIN, SLOW_50, Network
from bench.workplace import Workplace

NETWORKS: dict[str, Network] = {"plain": PLAIN, "slow": SLOW_50}
_BUDGETS = ("1 GiB", "512 MiB", "256 MiB", "128 MiB")
_SMALL_PAGES = "floor, plain: bare recv into fresh 4 KiB pages"
_HUGE_PAGES = "floor, plain: bare recv into fresh huge pages"
_WARM = "floor, plain: bare recv into warm memory, bytes dropped"
# Beside the model: what a process may have at its peak, idle buffers with it.
_SPARE_MIB = 300
HOW = (
    "Each client is a process of its own that reads once; ours has its defaults where no budget is "
    "named. plain: loopback as it is; slow: 20 ms to the first byte and 50 MB/s a connection. Peak "
    "growth is the peak of resident memory (VmHWM) less what was resident before the first open, "
    "with all imported."
)


def _readinto(where: str, budget: str = "defaults") -> str:
    return f"ours, {where}, readinto(4 MiB), {budget}"


def _five_lines(where: str) -> str:
    return f"ours, {where}, README's five lines"


def _getbuffer(where: str) -> str:
    return f"ours, {where}, getbuffer()"


def _osstorch(where: str) -> str:
    return f"osstorchconnector, {where}, readinto(4 MiB)"


def _one_stream(who: str, where: str) -> str:
    # At 50 MB/s all bytes take a single stream 40 s, and tell no more than an eighth of them.
    return f"{who}, {where}, one stream" + (", an eighth of the bytes" if where == "slow" else "")


def fresh_processes(place: Workplace) -> Scenario:
    models = place.catalogue.models()
    size = total_bytes(models)
    clients = [
        the_floor(place, _WARM, models),
        the_floor(place, _SMALL_PAGES, models, mode=1),
        the_floor(place, _HUGE_PAGES, models, mode=2),
    ]
    for where in NETWORKS:
        clients += _clients(place, where)
    return Scenario(
        "fresh",
        "Fresh processes with defaults",
        f"{size / (1 << 30):.3g} GiB in {len(models)} objects. {HOW} README's five lines keep all "
        "bytes, as `getbuffer()` and the `http.client` stream do; the others drop what they have "
        "read. Over loopback the work of sending lands in the server or in the client, as it "
        "happens. The floor that is 1, and that bars name, is the one into fresh 4 KiB pages.",
        with_server(place, clients),
        columns=(GB_PER_SECOND, CPU_PER_GB, SERVER_CPU_PER_GB, PEAK_GROWTH_MIB, FETCHED),
        bars=[bar for where in NETWORKS for bar in _bars(where, size >> 20)],
        relative_to=_SMALL_PAGES,
        warm_up=False,
        excerpt=_excerpt(),
    )


def _clients(place: Workplace, where: str) -> list[Client]:
    network, models = NETWORKS[where], place.catalogue.models()
    alone = models if where == "plain" else place.catalogue.shards()[:1]

    def ours(name: str, how: str, **config: Any) -> Client:
        return fresh(place, name, network, how, objects=models, config=config)

    return [
        ours(_readinto(where), "readinto"),
        *(
            ours(_readinto(where, budget), "readinto", **{"prefetch.memoryBytes": budget})
            for budget in _BUDGETS
        ),
        ours(_five_lines(where), "five-lines"),
        ours(_getbuffer(where), "getbuffer"),
        fresh_peer(place, _osstorch(where), network, "osstorch", models),
        fresh_peer(place, _one_stream("oss2", where), network, "oss2", alone),
        fresh_peer(place, _one_stream("http.client", where), network, "http-client", alone),
    ]


def _bars(where: str, model_mib: int) -> list[Bar]:
    defaults, five, views, peer = (
        name(where) for name in (_readinto, _five_lines, _getbuffer, _osstorch)
    )
    bars = [
        Bar(
            f"{where}, readinto: GB/s against the fastest of the budgets",
            0.95,
            _against_fastest(where, "gb_per_second"),
            at_least=True,
        ),
        Bar(
            f"{where}, readinto: CPU against the fastest of the budgets",
            1.1,
            _against_fastest(where, "cpu_seconds_per_gb"),
        ),
        speed_ratio(defaults, peer, f"{where}, readinto: GB/s against osstorchconnector", 2.0),
        cpu_ratio(defaults, peer, f"{where}, readinto: CPU against osstorchconnector", 0.5),
        Bar(
            f"{where}, README's five lines: MiB of peak growth",
            model_mib + _SPARE_MIB,
            highest_of(five, "peak_growth_mib"),
        ),
    ]
    if where == "plain":
        bars += [
            cpu_ratio(five, _SMALL_PAGES, "plain, README's five lines: CPU against the floor", 1.5),
            speed_ratio(
                five, _SMALL_PAGES, "plain, README's five lines: GB/s against the floor", 0.65
            ),
            cpu_ratio(views, _SMALL_PAGES, "plain, getbuffer: CPU against the floor", 1.35),
        ]
    return bars


def _against_fastest(where: str, figure: str) -> Measured:
    """Defaults over the row with a budget that has the most GB/s: that one row for both figures."""

    def measured(result: Result) -> float | None:
        rows = [_readinto(where, budget) for budget in _BUDGETS]
        speeds = {row: result.median(row, "gb_per_second") for row in rows}
        known = {row: speed for row, speed in speeds.items() if speed is not None}
        if not known:
            return None
        return result.ratio(_readinto(where), max(known, key=known.__getitem__), figure)

    return measured


def _excerpt() -> Excerpt:
    rows = {}
    for where, network in (("slow", "20 ms, 50 MB/s a connection"), ("plain", "loopback")):
        rows[_readinto(where)] = (network, "`readinto` into one buffer")
        rows[_five_lines(where)] = (network, "the first lines above, which keep all bytes")
        rows[_osstorch(where)] = (network, "osstorchconnector, `readinto`")
        stream = _one_stream("http.client", where)
        rows[stream] = (network, stream.replace(f"http.client, {where}", "`http.client`"))
    rows[_SMALL_PAGES] = ("loopback", "a bare receive loop into fresh memory")
    return Excerpt(rows, (GB_PER_SECOND, CPU_PER_GB, PEAK_GROWTH_MIB))
