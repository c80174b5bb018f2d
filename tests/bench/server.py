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
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.certificates import Certificates, make_certificates
from bench.errors import BenchError
from bench.lister import Lister, lists_of

# Clients that insist on virtual-hosted style get this name; see hosts.py.
DOMAIN = "oss-cn-test.local"
BUCKET = "bucket"
_HERE = Path(__file__).parent
_START_SECONDS = 20.0
# nginx knows no ETag but its own.
_IF_MATCH = """\
      local wanted = ngx.var.http_if_match
      if wanted then
        local plain = wanted:gsub('"', '')  -- oss2 sends it without quotes, which OSS takes
        local is_it = wanted == "*" or plain == ngx.var.oss_etag:gsub('"', '')
        if not is_it then return ngx.exit(412) end
        ngx.req.clear_header("If-Match")
      end"""
_LUA_MODULES = ("ndk_http_module.so", "ngx_http_lua_module.so")


@dataclass(frozen=True)
class Network:
    """How a port behaves.

    `rate` is what nginx's limit_rate takes for a connection, `burst` what it sends between two
    looks at the rate: rate x 10 ms. Larger bursts let short ranges run past the rate. One that
    lists looks as a store does to clients that list: the local server answers for buckets, ETags
    are those of its lists, and each request is counted.
    """

    name: str
    tls: bool = False
    wait_seconds: float = 0.0
    rate: str = ""
    burst: str = ""
    lists: bool = False

    @property
    def limits(self) -> str:
        parts = []
        lua = f"ngx.sleep({self.wait_seconds})" if self.wait_seconds else ""
        if self.lists:
            lua += f"\n{_IF_MATCH}"
        if lua:
            parts.append(f"access_by_lua_block {{ {lua} }}")
        if self.rate:
            parts.append(f"limit_rate {self.rate}; sendfile_max_chunk {self.burst};")
        return " ".join(parts)


PLAIN = Network("plain")
HTTPS = Network("https", tls=True)
SLOW_10 = Network("10 MB/s", wait_seconds=0.02, rate="10m", burst="100k")
SLOW_50 = Network("50 MB/s", wait_seconds=0.02, rate="50m", burst="512k")
SLOW_200 = Network("200 MB/s", wait_seconds=0.02, rate="200m", burst="2m")
NEAR = Network("near", wait_seconds=0.02)
FAR = Network("far", wait_seconds=0.1)
STORE_50 = Network("a store, 50 MB/s", wait_seconds=0.02, rate="50m", burst="512k", lists=True)
NETWORKS = (PLAIN, HTTPS, SLOW_10, SLOW_50, SLOW_200, NEAR, FAR, STORE_50)


@dataclass(frozen=True)
class Server:
    """Where the networks are, and what the server has spent and negotiated so far."""

    ports: Mapping[str, int]
    ca_file: Path | None
    pid: int  # of nginx's master
    folder: Path  # of its own files
    congestion: str = ""  # control of its connections, by the kernel's name

    def port(self, network: Network) -> int:
        return self.ports[network.name]

    def endpoint(self, network: Network, host: str = "127.0.0.1") -> str:
        scheme = "https" if network.tls else "http"
        return f"{scheme}://{host}:{self.port(network)}"

    def cpu_seconds(self) -> float:
        """User and system time of the master and its workers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return sum(map(_cpu_seconds, [self.pid, *map(int, children.split())]))

    def answered(self) -> list[int]:
        """The bytes of the body of each reply so far, on ports that list."""
        file = self.folder / "nginx.requests"
        lines = file.read_text().splitlines() if file.exists() else []
        return [int(line.rpartition(" ")[2]) for line in lines]

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
    served: Path,
    checksums: Mapping[Path, int],
    networks: Sequence[Network],
    folder: Path,
    congestion: str = "",
    listed: Sequence[str] = (),
) -> Iterator[Server]:
    """Serves the buckets in `served` while the context lasts; `folder` is for its own files.

    `checksums` are the objects' CRC-64, which their replies carry. `congestion` is the congestion
    control of the connections it takes; empty: the system's. `listed` are the keys that networks
    which list do list.
    """
    program = nginx_program()
    if program is None:
        raise BenchError("nginx is not installed: see third_party/apt-packages-bench.txt")
    certificates = None
    if any(network.tls for network in networks):
        certificates = make_certificates(folder, ["localhost", DOMAIN, f"*.{DOMAIN}"])
    with ExitStack() as stack:
        lister = None
        if any(network.lists for network in networks):
            lister = stack.enter_context(lists_of(served, BUCKET, listed, folder))
        listeners = [stack.enter_context(_listener(congestion)) for _ in networks]
        ports = {n.name: one.getsockname()[1] for n, one in zip(networks, listeners)}
        used = _congestion(listeners[0]) if listeners else ""
        configuration = folder / "nginx.conf"
        configuration.write_text(
            _configuration(served, checksums, networks, ports, certificates, lister, folder)
        )
        process = stack.enter_context(_start([program, "-c", str(configuration)], listeners))
        for listener in listeners:
            listener.close()  # so that nobody waits there for an nginx that has ended
        if not _has_started(process, folder / "nginx.pid"):
            _end(process)
            complaint = (process.stderr.read() if process.stderr else b"").decode(errors="replace")
            raise BenchError(f"nginx did not start: {complaint.strip()}")
        authority = certificates.authority if certificates else None
        yield Server(ports, authority, process.pid, folder, used)


def _listener(congestion: str) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    # nginx takes it as it is: a worker that comes too late for a connection would wait in accept().
    listener.setblocking(False)
    try:
        if congestion:
            name = congestion.encode()
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name)
    except OSError as error:
        listener.close()
        raise BenchError(
            f"no congestion control {congestion!r} here, or not for this user: the kernel's are in "
            f"/proc/sys/net/ipv4/tcp_allowed_congestion_control ({error})"
        ) from error
    return listener


def _congestion(listener: socket.socket) -> str:
    found = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    return found.partition(b"\0")[0].decode()


@contextmanager
def _start(
    command: Sequence[str], listeners: Sequence[socket.socket]
) -> Iterator[subprocess.Popen[bytes]]:
    """nginx, which takes over `listeners` as it does those of a process that it replaces."""
    numbers = [listener.fileno() for listener in listeners]
    environment = {**os.environ, "NGINX": "".join(f"{number};" for number in numbers)}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, pass_fds=numbers, env=environment
    ) as process:
        try:
            yield process
        finally:
            _end(process)


def _configuration(
    served: Path,
    checksums: Mapping[Path, int],
    networks: Sequence[Network],
    ports: Mapping[str, int],
    certificates: Certificates | None,
    lister: Lister | None,
    folder: Path,
) -> str:
    modules = ""
    if any(network.wait_seconds or network.lists for network in networks):
        modules = "\n".join(f'load_module "{_required_module(name)}";' for name in _LUA_MODULES)
    tls = ""
    if certificates is not None:
        tls = (
            f'ssl_certificate "{certificates.certificate}"; '
            f'ssl_certificate_key "{certificates.key}"; ssl_protocols TLSv1.2 TLSv1.3; '
            "ssl_ciphers ECDHE-RSA-AES256-GCM-SHA384;"
        )
    etags = lister.etags if lister else {}
    blocks = [
        _filled(
            "nginx-lists.conf" if network.lists else "nginx-port.conf",
            NAME=network.name,
            PORT=str(ports[network.name]),
            SSL=" ssl" if network.tls else "",
            DIR=str(served),
            LIMITS=network.limits,
            RUN=str(folder),
            LISTER=str(lister.port) if lister else "",
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
        ETAGS=" ".join(f"\"{path}\" '{etag}';" for path, etag in etags.items()),
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


def _has_started(process: subprocess.Popen[bytes], pid_file: Path) -> bool:
    """Waits until nginx has read its configuration and has its sockets; false when it ends."""
    end = time.monotonic() + _START_SECONDS
    while not pid_file.exists():
        if process.poll() is not None or time.monotonic() > end:
            return False
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
