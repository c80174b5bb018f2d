"""nginx on free ports of 127.0.0.1, as a child process, while a context lasts.

Each port is a network of its own: plain, over TLS, or slow. The bytes are the same everywhere.
"""

from __future__ import annotations

import getpass
import grp
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.certificates import Certificates, make_certificates
from bench.errors import BenchError

# Clients that insist on virtual-hosted style get this name; see hosts.py.
DOMAIN = "oss-cn-test.local"
BUCKET = "bucket"
_HERE = Path(__file__).parent
_START_SECONDS = 20.0
_ATTEMPTS = 3
_LUA_MODULES = ("ndk_http_module.so", "ngx_http_lua_module.so")


@dataclass(frozen=True)
class Network:
    """How a port behaves.

    `rate` is what nginx's limit_rate takes for a connection, `burst` what it sends between two
    looks at the rate: rate x 10 ms. Larger bursts let short ranges run past the rate.
    """

    name: str
    tls: bool = False
    wait_seconds: float = 0.0
    rate: str = ""
    burst: str = ""

    @property
    def limits(self) -> str:
        parts = []
        if self.wait_seconds:
            parts.append(f"access_by_lua_block {{ ngx.sleep({self.wait_seconds}) }}")
        if self.rate:
            parts.append(f"limit_rate {self.rate}; sendfile_max_chunk {self.burst};")
        return " ".join(parts)


PLAIN = Network("plain")
HTTPS = Network("https", tls=True)
SLOW_10 = Network("10 MB/s", wait_seconds=0.02, rate="10m", burst="100k")
SLOW_50 = Network("50 MB/s", wait_seconds=0.02, rate="50m", burst="512k")
SLOW_200 = Network("200 MB/s", wait_seconds=0.02, rate="200m", burst="2m")
FAR = Network("far", wait_seconds=0.1)
NETWORKS = (PLAIN, HTTPS, SLOW_10, SLOW_50, SLOW_200, FAR)


@dataclass(frozen=True)
class Server:
    """Where the networks are, and what the server has spent and negotiated so far."""

    ports: Mapping[str, int]
    ca_file: Path | None
    pid: int  # of nginx's master
    folder: Path  # of its own files

    def port(self, network: Network) -> int:
        return self.ports[network.name]

    def endpoint(self, network: Network, host: str = "127.0.0.1") -> str:
        scheme = "https" if network.tls else "http"
        return f"{scheme}://{host}:{self.port(network)}"

    def cpu_seconds(self) -> float:
        """User and system time of the master and its workers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return sum(map(_cpu_seconds, [self.pid, *map(int, children.split())]))

    def negotiated(self) -> list[str]:
        """The protocol and cipher of each TLS connection so far, after its first reply."""
        file = _tls_log(self.folder)
        return file.read_text().splitlines() if file.exists() else []


def nginx_program() -> str | None:
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def lua_is_there() -> bool:
    """Whether nginx can load the module that makes a port wait."""
    return all(_module(name) is not None for name in _LUA_MODULES)


def nginx_version() -> str:
    program = nginx_program()
    if program is None:
        return "none"
    done = subprocess.run([program, "-v"], capture_output=True, text=True, check=False, timeout=20)
    return done.stderr.strip().rpartition("/")[2]


@contextmanager
def serve(
    served: Path, checksums: Mapping[Path, int], networks: Sequence[Network], folder: Path
) -> Iterator[Server]:
    """Serves the buckets in `served` while the context lasts; `folder` is for its own files.

    `checksums` are the objects' CRC-64, which their replies carry.
    """
    program = nginx_program()
    if program is None:
        raise BenchError("nginx is not installed: see third_party/apt-packages-bench.txt")
    certificates = None
    if any(network.tls for network in networks):
        certificates = make_certificates(folder, ["localhost", DOMAIN, f"*.{DOMAIN}"])
    for attempt in range(_ATTEMPTS):
        ports = dict(zip((n.name for n in networks), _free_ports(len(networks))))
        configuration = folder / "nginx.conf"
        configuration.write_text(
            _configuration(served, checksums, networks, ports, certificates, folder)
        )
        command = [program, "-c", str(configuration)]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            try:
                if _listens(process, list(ports.values())):
                    authority = certificates.authority if certificates else None
                    yield Server(ports, authority, process.pid, folder)
                    return
            finally:
                _end(process)
            complaint = (process.stderr.read() if process.stderr else b"").decode(errors="replace")
        # Another process may have taken a port since we found it free.
        if "Address already in use" not in complaint or attempt == _ATTEMPTS - 1:
            raise BenchError(f"nginx did not start: {complaint.strip()}")


def _configuration(
    served: Path,
    checksums: Mapping[Path, int],
    networks: Sequence[Network],
    ports: Mapping[str, int],
    certificates: Certificates | None,
    folder: Path,
) -> str:
    modules = ""
    if any(network.wait_seconds for network in networks):
        modules = "\n".join(f'load_module "{_required_module(name)}";' for name in _LUA_MODULES)
    tls = ""
    if certificates is not None:
        tls = (
            f'ssl_certificate "{certificates.certificate}"; '
            f'ssl_certificate_key "{certificates.key}"; ssl_protocols TLSv1.2 TLSv1.3; '
            "ssl_ciphers ECDHE-RSA-AES256-GCM-SHA384;"
        )
    blocks = [
        _filled(
            "nginx-port.conf",
            NAME=network.name,
            PORT=str(ports[network.name]),
            SSL=" ssl" if network.tls else "",
            DIR=str(served),
            LIMITS=network.limits,
            LOG=f'access_log "{_tls_log(folder)}" tls if=$is_first;' if network.tls else "",
        )
        for network in networks
    ]
    return _filled(
        "nginx.conf",
        MODULES=modules,
        USER=_user(),
        RUN=str(folder),
        CRC=" ".join(f'"{path}" {value};' for path, value in checksums.items()),
        TLS=tls,
        PORTS="\n".join(blocks),
    )


def _tls_log(folder: Path) -> Path:
    return folder / "nginx.tls"


def _cpu_seconds(pid: int) -> float:
    # The name, which may hold blanks, is in brackets; utime and stime are the fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _filled(template: str, **values: str) -> str:
    # One pass, so that no value is looked into.
    text = (_HERE / template).read_text()
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("# ")]
    return re.sub(r"@([A-Z]+)@", lambda found: values[found[1]], "\n".join(lines)) + "\n"


def _user() -> str:
    # Started by root, nginx's workers would become a user who may not read our files.
    if os.geteuid() != 0:
        return ""
    return f"user {getpass.getuser()} {grp.getgrgid(os.getegid()).gr_name};"


def _module(name: str) -> Path | None:
    folders = (Path("/usr/lib/nginx/modules"), Path("/usr/lib64/nginx/modules"))
    return next((folder / name for folder in folders if (folder / name).exists()), None)


def _required_module(name: str) -> Path:
    found = _module(name)
    if found is None:
        raise BenchError(f"nginx has no {name}: see third_party/apt-packages-bench.txt")
    return found


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()


def _listens(process: subprocess.Popen[bytes], ports: Sequence[int]) -> bool:
    """Waits until all ports take connections; false when nginx ends instead."""
    end = time.monotonic() + _START_SECONDS
    waiting = list(ports)
    while waiting:
        if process.poll() is not None or time.monotonic() > end:
            return False
        try:
            socket.create_connection(("127.0.0.1", waiting[-1]), timeout=1).close()
            waiting.pop()
        except OSError:
            time.sleep(0.02)
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends nginx, whose master takes its workers along."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
