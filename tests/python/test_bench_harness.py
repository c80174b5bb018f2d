"""The harness of `make bench`: its arithmetic, its tables, and a run with tiny objects."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from bench import floor
from bench.__main__ import main
from bench.clients import check_fetched, same_cipher
from bench.errors import BenchError, RunError
from bench.objects import Store
from bench.plots import draw
from bench.programs.count_calls import difference
from bench.programs.count_calls import parse as parse_strace
from bench.programs.profile import parse as parse_profile
from bench.programs.profile import unwanted
from bench.programs.usage import parse_keys
from bench.results import Result, Row, with_rates
from bench.runner import in_turn, json_lines, run_scenario
from bench.scenario import Bar, Client, Column, Run, Scenario, cpu_ratio, highest_of, speed_ratio
from bench.server import (
    BUCKET,
    FAR,
    HTTPS,
    PLAIN,
    SLOW_50,
    Network,
    Server,
    nginx_program,
    serve,
)
from bench.table import circumstances, measured_text, page, ratios, rows_table, verdicts

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
PLAIN_TOO = Network("plain, another port")
MACHINE = {"cpu": "a CPU", "cores": "2"}


def sample(seconds, cpu):
    return with_rates(
        {"bytes": 2_000_000_000, "seconds": seconds, "user_seconds": cpu, "system_seconds": 0.0}
    )


def result(*rows):
    return Result("name", "2026-01-01T00:00:00+00:00", 3, MACHINE, rows)


FLOOR = Row("floor", [sample(1.0, 0.5), sample(0.5, 0.4), sample(0.8, 0.9)])
OURS = Row("ours", [sample(1.0, 1.0), sample(2.0, 1.2), sample(1.25, 0.6)])
ABSENT = Row("peer", left_out="it is not installed")


def scenario(**options):
    clients = [Client(row.client, lambda _: pytest.fail("it is not started")) for row in (FLOOR,)]
    return Scenario("name", "Title", "About.", clients, **options)


def test_rates_follow_from_bytes_seconds_and_cpu():
    rates = with_rates(
        {
            "bytes": 3_000_000_000,
            "seconds": 2.0,
            "user_seconds": 0.5,
            "system_seconds": 1.0,
            "peak_rss_bytes": 5 << 20,
        }
    )
    assert (rates["gb_per_second"], rates["cpu_seconds_per_gb"]) == (1.5, 0.5)
    assert rates["peak_mib"] == 5


def test_a_rate_that_a_client_tells_stays():
    assert with_rates({"bytes": 1, "seconds": 1.0, "gb_per_second": 7.0})["gb_per_second"] == 7.0


def test_medians_and_ratios():
    both = result(FLOOR, OURS)
    assert both.median("floor", "seconds") == 0.8
    assert (OURS.low("seconds"), OURS.high("seconds")) == (1.0, 2.0)
    assert both.ratio("ours", "floor", "cpu_seconds_per_gb") == pytest.approx(1.0 / 0.5)
    assert both.ratio("ours", "absent", "seconds") is None
    assert result(ABSENT).median("peer", "seconds") is None


def test_clients_follow_now_one_and_now_another():
    clients = [Client(str(number), lambda _: pytest.fail("not started")) for number in range(4)]
    orders = [in_turn(clients, number) for number in range(-1, 5)]
    assert all(sorted(order, key=clients.index) == clients for order in orders)
    before_the_first = {
        order[at - 1].name
        for order in orders
        for at in range(1, len(order))
        if order[at] is clients[0]
    }
    assert len(before_the_first) > 1
    assert in_turn(clients, 3) == in_turn(clients, 3)


def test_after_a_client_with_much_memory_the_next_one_waits_until_the_host_has_it(monkeypatch):
    def prints(peak):
        sample = {"bytes": 1, "seconds": 1.0, "peak_rss_bytes": peak}
        return Run([sys.executable, "-c", f"print({json.dumps(json.dumps(sample))})"], json_lines)

    happened = []

    def client(name, peak):
        return Client(name, lambda number: happened.append(name) or prints(peak))

    monkeypatch.setattr("bench.runner.let_host_take_back", lambda: happened.append("wait"))
    clients = [client("small", 5 << 20), client("large", 512 << 20)]
    run_scenario(Scenario("name", "Title", "About.", clients), 5, {}, dict(os.environ))
    assert happened.count("small") == happened.count("large") == 6
    followers = [happened[at + 1 :][:2] for at, name in enumerate(happened[:-1]) if name == "large"]
    assert all("wait" in after for after in followers)
    assert happened.count("wait") == len(followers)


def test_bars_are_held_not_held_or_not_measured():
    bars = [
        cpu_ratio("ours", "floor", "CPU", 2.0),
        speed_ratio("ours", "floor", "speed", 0.7),
        cpu_ratio("ours", "peer", "CPU against the peer", 0.5),
        Bar("the worst", 1.9, highest_of("ours", "seconds")),
    ]
    found = verdicts(scenario(bars=bars), result(FLOOR, OURS, ABSENT))
    assert [bar["held"] for bar in found] == [True, False, None, False]
    assert [bar["limit"] for bar in found][:2] == ["at most 2", "at least 0.7"]


def test_bars_tell_three_digits_or_whole_numbers():
    values = (1.23456, 0.98765, 288.4, 14137.2, None)
    assert [measured_text(value) for value in values] == ["1.23", "0.988", "288", "14137", ""]


def test_table_has_medians_spreads_and_ratios():
    text = rows_table(scenario(relative_to="floor"), result(FLOOR, OURS, ABSENT))
    assert text.splitlines() == [
        "| client | GB/s | CPU-s a GB | CPU, the floor = 1 |",
        "| --- | ---: | ---: | ---: |",
        "| floor | 2.50 (2.00 to 4.00) | 0.250 (0.200 to 0.450) | 1.00 |",
        "| ours | 1.60 (1.00 to 2.00) | 0.500 (0.300 to 0.600) | 2.00 |",
    ]


def test_table_and_ratios_have_the_servers_work_beside_the_clients():
    def with_servers(seconds, cpu, server):
        both = {"server_cpu_seconds_per_gb": server, "tls": "TLSv1.3 A"}
        return with_rates({**sample(seconds, cpu), **both})

    both = result(
        Row("floor", [with_servers(1.0, 1.0, 0.5)]), Row("ours", [with_servers(1.0, 0.6, 0.9)])
    )
    columns = [
        Column("server_cpu_seconds_per_gb", "server", 1),
        Column("tls", "TLS", is_text=True),
    ]
    shown = scenario(columns=columns, relative_to="floor")
    assert rows_table(shown, both).splitlines() == [
        "| client | server | TLS | CPU, the floor = 1 | CPU with the server's, the floor = 1 |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| floor | 0.5 | TLSv1.3 A | 1.00 | 1.00 |",
        "| ours | 0.9 | TLSv1.3 A | 0.60 | 1.20 |",
    ]
    assert ratios(shown, both)["ours"] == pytest.approx(
        {"cpu_seconds_per_gb": 0.6, "both_cpu_seconds_per_gb": 1.2}
    )


@pytest.mark.parametrize(
    ("rounds", "warm_up", "text"),
    [
        (1, False, "each client ran once."),
        (1, True, "each client ran once after a run that does not count."),
        (3, False, "ran 3 times in turn; medians, with the lowest and the highest in brackets."),
        (3, True, "ran 3 times in turn after a run that does not count; medians, with"),
    ],
)
def test_page_says_how_often_clients_ran(rounds, warm_up, text):
    assert text in circumstances(
        Result("name", "2026-01-01T00:00:00+00:00", rounds, MACHINE, (FLOOR,), warm_up)
    )


def test_page_says_what_is_missing_and_on_what_it_ran():
    failed = Row("other", failure="exit status 1: reason")
    text = page(scenario(), result(FLOOR, ABSENT, failed), ["name.png"])
    assert "![Title](name.png)" in text
    assert "- peer: left out, it is not installed" in text
    assert "- other: FAILED, exit status 1: reason" in text
    assert "cpu a CPU; cores 2" in text


def test_strace_table_with_and_without_errors():
    text = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.600000           6    100000      5000 recvfrom
 40.00    0.400000           4       120           poll
------ ----------- ----------- --------- --------- ----------------
100.00    1.000000           9    100120      5000 total
"""
    assert parse_strace(text) == {"recvfrom": 100000, "poll": 120}


def test_calls_that_became_fewer_count_as_none():
    found = difference({"poll": 10, "recvfrom": 5}, {"poll": 8, "recvfrom": 9, "read": 1})
    assert found == {"poll": 0, "recvfrom": 4, "read": 1}


def profile_row(percent, dso, symbol, ring="."):
    return f"    {percent:5.2f}%  {dso:<40}  [{ring}] {symbol:<50}  -      -            "


def test_profile_rows():
    text = "\n".join(
        [
            "# Overhead  Shared Object  Symbol",
            "",
            profile_row(22.19, "[kernel.kallsyms]", "clear_page_erms", "k"),
            profile_row(8.42, "ossmc_bench", "ossmc::visit(std::span<std::byte const>) const"),
        ]
    )
    rows = parse_profile(text)
    assert [(row.percent, row.dso, row.is_kernel) for row in rows] == [
        (22.19, "[kernel.kallsyms]", True),
        (8.42, "ossmc_bench", False),
    ]
    assert [row.symbol for row in rows] == [
        "clear_page_erms",
        "ossmc::visit(std::span<std::byte const>) const",
    ]


@pytest.mark.parametrize(
    ("dso", "symbol"),
    [
        ("python3.11", "0x00000000001a2b3c"),
        ("libpython3.11.so.1.0", "method_vectorcall_FASTCALL"),
        ("_core.cpython-311-x86_64-linux-gnu.so", "PyEval_RestoreThread"),
        ("other.so", "_PyEval_EvalFrameDefault"),
        ("_core.cpython-311-x86_64-linux-gnu.so", "pybind11::cpp_function::dispatcher"),
        ("libc.so.6", "pthread_mutex_lock@@GLIBC_2.2.5"),
        ("libc.so.6", "___pthread_mutex_lock"),
        ("libc.so.6", "__pthread_mutex_unlock_usercnt"),
        ("libc.so.6", "__lll_lock_wait"),
        ("libc.so.6", "__futex_abstimed_wait_common"),
        ("libc.so.6", "pthread_cond_wait@@GLIBC_2.3.2"),
        ("libc.so.6", "malloc"),
        ("libc.so.6", "__libc_calloc"),
        ("libc.so.6", "_int_malloc"),
        ("libc.so.6", "_int_free"),
        ("libc.so.6", "cfree@GLIBC_2.2.5"),
        ("ossmc_bench", "malloc@plt"),
        ("libstdc++.so.6.0.30", "operator new"),
        ("libstdc++.so.6.0.30", "operator delete"),
        ("ossmc_bench", "ossmc::Mutex::lock"),
    ],
)
def test_profile_of_python_locks_and_allocators_is_unwanted_from_a_percent_on(dso, symbol):
    assert len(unwanted(parse_profile(profile_row(1.0, dso, symbol)))) == 1
    assert unwanted(parse_profile(profile_row(0.99, dso, symbol))) == []
    assert unwanted(parse_profile(profile_row(1.0, dso, symbol, "k"))) == []


@pytest.mark.parametrize(
    ("dso", "symbol"),
    [
        ("_core.cpython-311-x86_64-linux-gnu.so", "ossmc::streaming_copy"),
        ("libc.so.6", "__memmove_avx512_unaligned_erms"),
        ("libc.so.6", "__libc_recv"),
        ("libisal.so.2.0.30", "crc64_ecma_refl_by16_10"),
        ("libcurl.so.4.8.0", "Curl_freeset"),
        ("ossmc_bench", "ossmc::BlockList::free_blocks"),
    ],
)
def test_profile_of_the_work_itself_is_wanted(dso, symbol):
    assert unwanted(parse_profile(profile_row(50.0, dso, symbol))) == []


def test_a_client_that_fetched_less_than_it_read_fails():
    check_fetched({"fetched_per_byte": 1.0})
    with pytest.raises(RunError, match=r"0\.500 of each byte"):
        check_fetched({"fetched_per_byte": 0.5})


TLS = "TLSv1.3 TLS_AES_256_GCM_SHA384"
TLS_1_2 = "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384"


@pytest.mark.parametrize(
    "found", ["TLSv1.3 TLS_AES_128_GCM_SHA256", f"{TLS}, TLSv1.3 TLS_CHACHA20_POLY1305_SHA256", ""]
)
def test_a_client_with_another_cipher_than_the_floor_fails(found):
    def started(text):
        sample = {"tls": text} if text else {}
        (client,) = same_cipher([Client("any", lambda _: Run([], lambda _: [sample]))])
        return client.start(0)

    for allowed in (TLS, TLS_1_2, f"{TLS_1_2}, {TLS}"):
        assert started(allowed).parse("") == [{"tls": allowed}]
    with pytest.raises(RunError, match="it negotiated"):
        started(found).parse("")


def test_the_servers_time_is_the_masters_and_its_childrens(tmp_path):
    server = Server({}, None, os.getpid(), tmp_path)
    burn = (
        "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\nimport sys\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        own_before = sum(os.times()[:2])
        found = server.cpu_seconds()
        child.stdin.close()
    # Two processes, and the kernel's clock ticks are 10 ms.
    assert found >= own_before + 0.2 - 0.03


def test_bars_are_drawn_beside_their_limits(tmp_path):
    pytest.importorskip("matplotlib")
    bars = [
        Bar("the worst", 1.9, highest_of("ours", "seconds")),
        Bar("not measured", 1.9, highest_of("absent", "seconds")),
    ]
    names = draw(scenario(bars=bars, plots="bars"), result(OURS), tmp_path)
    assert names == ["name.png"]
    assert (tmp_path / "name.png").read_bytes().startswith(b"\x89PNG")
    assert draw(scenario(bars=bars, plots=""), result(OURS), tmp_path) == []


def test_keys_may_hold_an_equals_sign():
    assert parse_keys(["a=b=5", "c=0"]) == {"a=b": 5, "c": 0}


def test_networks_wait_and_limit():
    assert PLAIN.limits == ""
    assert "ngx.sleep(0.1)" in FAR.limits
    assert "limit_rate 50m; sendfile_max_chunk 512k;" in SLOW_50.limits


needs_nginx = pytest.mark.skipif(nginx_program() is None, reason="nginx is not installed")
needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not installed"
)


@needs_nginx
@needs_openssl
def test_floors_make_a_pass_before_the_one_that_counts_over_the_same_connections(tmp_path):
    programs, run = tmp_path / "programs", tmp_path / "run"
    run.mkdir()
    floor.build(programs)
    store = Store(tmp_path / "served")
    (row,) = store.random("any", 1, (64 << 20) + 5)
    paths = [f"/{BUCKET}/{row.key}"]

    def passes(words):
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
        return [line["bytes"] for line in json_lines(done.stdout)]

    with serve(store.folder, store.checksums(), [PLAIN, HTTPS], run) as server:
        port = server.port(PLAIN)
        assert passes(floor.command(programs, port, 0, row.size, paths)) == [row.size] * 2
        assert passes(floor.command(programs, port, 2, row.size, paths)) == [row.size]
        words = floor.tls_command(programs, server.port(HTTPS), row.size, server.ca_file, paths)
        assert passes(words) == [row.size] * 2
        assert 1 <= len(server.negotiated()) <= floor.THREADS
        assert set(server.negotiated()) == {TLS}


@needs_nginx
def test_connections_have_the_congestion_control_that_is_asked_for(tmp_path):
    def controls(wanted):
        with serve(tmp_path, {}, [PLAIN, PLAIN_TOO], tmp_path, wanted) as server:
            address = ("127.0.0.1", server.port(PLAIN_TOO))
            with socket.create_connection(address, timeout=10) as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert client.recv(9) == b"HTTP/1.1 "
            return server.congestion

    assert controls("reno") == "reno"
    with socket.socket() as any_socket:
        system = any_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    assert controls("") == system.rstrip(b"\0").decode()
    with pytest.raises(BenchError, match="no congestion control 'none-such'"):
        controls("none-such")


@needs_nginx
def test_a_server_that_does_not_start_says_why(tmp_path):
    quoted = serve(tmp_path / 'a"quote', {}, [PLAIN], tmp_path)
    with pytest.raises(BenchError, match='unexpected "q" in'), quoted:
        pytest.fail("it is not served")


def test_a_folder_for_pages_that_cannot_be_made_is_told_before_anything_is_measured(
    tmp_path, capsys
):
    (tmp_path / "file").write_text("")
    words = ["--work", str(tmp_path / "work"), "--output", str(tmp_path / "file" / "pages")]
    assert main(words) == 1
    captured = capsys.readouterr()
    assert "file/pages: Not a directory" in captured.err
    assert captured.out == ""


@needs_nginx
@needs_openssl
def test_a_small_run(tmp_path):
    options = {
        "--rounds": "1",
        "--objects": "2",
        "--object-bytes": str((9 << 20) + 5),
        "--output": str(tmp_path / "pages"),
        "--work": str(tmp_path / "work"),
    }
    words = [word for option in options.items() for word in option]
    done = subprocess.run(
        [sys.executable, "-m", "bench", "plain", "https", "--no-peers", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("plain", "https"):
        found = json.loads((tmp_path / "pages" / f"{name}.json").read_text())
        rows = {row["client"]: row for row in found["rows"]}
        floor, readinto = (
            next(row for client, row in rows.items() if client.startswith(start))
            for start in ("floor", "ours, Python, readinto")
        )
        for row in (floor, readinto):
            assert [s["bytes"] for s in row["samples"]] == [2 * ((9 << 20) + 5)]
            assert row["samples"][0]["gb_per_second"] > 0
            assert row["samples"][0]["server_cpu_seconds_per_gb"] >= 0
            assert row["samples"][0].get("tls") == (TLS if name == "https" else None)
        assert readinto["samples"][0]["fetched_per_byte"] >= 0.999
        assert found["machine"]["congestion control"]
        assert found["ratios"][floor["client"]]["both_cpu_seconds_per_gb"] == 1.0
        assert "peers' environment" in rows["osstorchconnector, readinto(4 MiB)"]["left_out"]
        page_text = (tmp_path / "pages" / f"{name}.md").read_text()
        assert page_text.count("| ours, Python, readinto(4 MiB) |") == 1
    index = (tmp_path / "pages" / "README.md").read_text()
    assert "[Plain http on loopback](plain.md)" in index
    # Objects stay for the next run; what belonged to this one is gone.
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["programs", "served"]
