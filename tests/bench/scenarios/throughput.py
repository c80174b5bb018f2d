"""Reading whole objects: from loopback as it is, over TLS, from a slow network, into views."""

from __future__ import annotations

from typing import Any

from bench.clients import (
    MEMORY,
    cpp,
    peer,
    python,
    same_cipher,
    the_floor,
    the_tls_floor,
    with_server,
)
from bench.results import Result
from bench.scenario import THROUGHPUT, Bar, Column, Scenario, cpu_ratio, speed_ratio
from bench.server import HTTPS, PLAIN, SLOW_50
from bench.workplace import Workplace

_WARM = {"prefetch.memoryBytes": MEMORY}
FLOOR = "floor: bare recv, bytes dropped"
FRESH_FLOOR = "floor: bare recv into fresh huge pages"
TLS_FLOOR = "floor: bare SSL_read, bytes dropped"
CPP = "ours, C++, chunks dropped"
READINTO = "ours, Python, readinto(4 MiB)"
READ = "ours, Python, read(4 MiB)"
WHOLE = "ours, Python, readinto(whole object), prefetch=False"
DEFAULT_MEMORY = "ours, readinto, default memory, fresh process"
GETBUFFER = "ours, Python, getbuffer()"
OSSTORCH = "osstorchconnector, readinto(4 MiB)"
# 32 x 8 MiB every 20 ms + 8 MiB / (50 MiB/s).
IDEAL_32_GB_PER_SECOND = 1.49
READINTO_64 = "ours, readinto, 64 connections"
READINTO_32 = "ours, readinto, 32 connections"
_SERVER = (
    "Over loopback the work of sending lands in the server or in the client, as it happens, so "
    "that a client's CPU alone may lie below the floor's; the last column is of both together."
)
OTHER_PEERS = {
    "oss2, 16 threads of 8 MiB ranges": "oss2-threads",
    "alibabacloud-oss-v2, open_file with prefetch": "ossv2",
    "obstore, get_ranges": "obstore",
    "s3torchconnector, readinto(4 MiB)": "s3torch",
    "runai-model-streamer, 16 workers": "runai",
    "boto3, download_fileobj, 16 threads": "boto3",
}


def plain(place: Workplace) -> Scenario:
    models = place.catalogue.models()
    clients = [
        the_floor(place, FLOOR, models),
        cpp(place, CPP, PLAIN, "drop"),
        python(place, READINTO, PLAIN, "readinto", _WARM),
        python(place, READ, PLAIN, "read", _WARM),
        python(place, WHOLE, PLAIN, "whole", _connections(32)),
        python(place, DEFAULT_MEMORY, PLAIN, "readinto", {}, passes=1),
        peer(place, OSSTORCH, PLAIN, "osstorch"),
        peer(place, "oss2, one stream, read(4 MiB)", PLAIN, "oss2"),
    ]
    if place.all_peers:
        clients += [peer(place, name, PLAIN, which) for name, which in OTHER_PEERS.items()]
    return Scenario(
        "plain",
        "Plain http on loopback",
        f"{_amount(place)} with their CRC-64 headers; ours checks them, with a budget of {MEMORY}. "
        "The second pass of each process counts, so that memory and connections are warm. "
        f"{_SERVER}",
        with_server(place, clients),
        bars=[
            cpu_ratio(CPP, FLOOR, "C++ download: CPU against the floor", 1.4),
            cpu_ratio(READINTO, FLOOR, "Python readinto: CPU against the floor", 1.9),
            cpu_ratio(READINTO, OSSTORCH, "Python readinto: CPU against osstorchconnector", 0.5),
            speed_ratio(READINTO, OSSTORCH, "Python readinto: GB/s against osstorchconnector", 2.0),
            cpu_ratio(READ, FLOOR, "Python read: CPU against the floor", 2.4),
            cpu_ratio(WHOLE, READINTO, "Python readinto(whole): CPU against readinto(4 MiB)", 0.85),
        ],
        relative_to=FLOOR,
    )


def getbuffer(place: Workplace) -> Scenario:
    # Views count against the budget: it has to hold all objects, and what is fetched beside them.
    size = sum(row.size for row in place.catalogue.models())
    config: dict[str, Any] = {"prefetch.memoryBytes": size + (256 << 20)}
    return Scenario(
        "getbuffer",
        "Whole objects in place",
        f"{_amount(place)} by `getbuffer()`, each time in a fresh process; the floor receives into "
        f"fresh huge pages. {_SERVER}",
        with_server(
            place,
            [
                the_floor(place, FRESH_FLOOR, place.catalogue.models(), mode=2),
                python(place, GETBUFFER, PLAIN, "getbuffer", config, passes=1),
            ],
        ),
        bars=[cpu_ratio(GETBUFFER, FRESH_FLOOR, "getbuffer: CPU against the floor", 1.4)],
        relative_to=FRESH_FLOOR,
    )


def https(place: Workplace) -> Scenario:
    clients = [
        the_tls_floor(place, TLS_FLOOR, HTTPS, place.catalogue.models()),
        cpp(place, CPP, HTTPS, "drop"),
        python(place, READINTO, HTTPS, "readinto", _WARM),
        peer(place, OSSTORCH, HTTPS, "osstorch"),
    ]
    return Scenario(
        "https",
        "https on loopback",
        f"{_amount(place)} over TLS with AES-256-GCM; the floor is a bare OpenSSL receive loop "
        "without read-ahead. The second pass of each process counts. What each client agreed on "
        "with the server is from the server's log; osstorchconnector knows no TLS 1.3. "
        f"{_SERVER}",
        same_cipher(with_server(place, clients)),
        columns=(*THROUGHPUT, Column("tls", "TLS", is_text=True)),
        bars=[
            cpu_ratio(READINTO, TLS_FLOOR, "Python readinto: CPU against the floor", 1.3),
            cpu_ratio(READINTO, OSSTORCH, "Python readinto: CPU against osstorchconnector", 0.65),
        ],
        relative_to=TLS_FLOOR,
    )


def slow(place: Workplace) -> Scenario:
    return Scenario(
        "slow",
        "A slow network",
        f"{_amount(place)}; 20 ms to the first byte and 50 MB/s a connection, in which 32 "
        "connections of 8 MiB chunks could reach 1.49 GB/s. The second pass of each process "
        "counts.",
        with_server(
            place,
            [
                python(place, READINTO_64, SLOW_50, "readinto", _connections(64)),
                python(place, READINTO_32, SLOW_50, "readinto", _connections(32)),
                peer(place, OSSTORCH, SLOW_50, "osstorch"),
            ],
        ),
        bars=[
            speed_ratio(
                READINTO_64, OSSTORCH, "64 connections: GB/s against osstorchconnector", 3.0
            ),
            cpu_ratio(READINTO_64, OSSTORCH, "64 connections: CPU against osstorchconnector", 0.4),
            Bar("32 connections: the ideal GB/s against ours", 1.25, _ideal_against_ours),
        ],
    )


def _ideal_against_ours(result: Result) -> float | None:
    ours = result.median(READINTO_32, "gb_per_second")
    return None if ours is None else IDEAL_32_GB_PER_SECOND / ours


def _connections(count: int) -> dict[str, Any]:
    return {**_WARM, "prefetch.vcpus": 2, "prefetch.workers": count // 2}


def _amount(place: Workplace) -> str:
    size = place.catalogue.sizes.objects * place.catalogue.sizes.object_bytes
    return f"{size / (1 << 30):.3g} GiB in {place.catalogue.sizes.objects} objects"
