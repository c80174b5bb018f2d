"""Builds the pinned sources for one processor: static, hidden, no more than we use.

    python third_party/bundled/build.py x86_64     into build/bundled/x86_64
    python third_party/bundled/build.py aarch64    cross, on any machine

What is there already is kept until a pin, this file or the compiler changes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import compilers
import fetch

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
JOBS = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL") or str(os.cpu_count() or 1)

_WORDS = str.split

# Functions in sections of their own, so that the linker drops what nobody calls.
FLAGS = "-O2 -g0 -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections"

# TLS 1.2 and 1.3 and the digests of signatures. The rest is old, is not for clients, or looks at
# the process around: another library's openssl.cnf, providers and engines of the system, an exit
# handler.
OPENSSL_WITHOUT = _WORDS(
    """
    shared tests apps docs legacy engine module dso autoload-config atexit
    ssl3 tls1 tls1_1 dtls quic sctp srtp srp psk comp ssl-trace nextprotoneg
    cmp cms ct ts rfc3779 ui-console afalgeng egd
    aria bf blake2 camellia cast des dsa gost idea md4 mdc2 rc2 rc4 rmd160 seed
    siphash siv sm2 sm3 sm4 whirlpool scrypt ml-dsa slh-dsa
    deprecated ec2m http integrity-only-ciphers multiblock ocb thread-pool tls-deprecated-ec
    """
)
# HTTP/1.1, TLS and proxies.
CURL_OPTIONS = _WORDS(
    """
    HTTP_ONLY=ON CURL_USE_OPENSSL=ON CURL_DISABLE_OPENSSL_AUTO_LOAD_CONFIG=ON
    BUILD_SHARED_LIBS=OFF BUILD_STATIC_LIBS=ON BUILD_CURL_EXE=OFF
    BUILD_TESTING=OFF BUILD_EXAMPLES=OFF
    BUILD_LIBCURL_DOCS=OFF BUILD_MISC_DOCS=OFF ENABLE_CURL_MANUAL=OFF
    CURL_CA_BUNDLE=none CURL_CA_PATH=none
    CURL_ZLIB=OFF CURL_BROTLI=OFF CURL_ZSTD=OFF USE_NGHTTP2=OFF USE_LIBIDN2=OFF
    CURL_USE_LIBPSL=OFF CURL_USE_LIBSSH2=OFF CURL_USE_PKGCONFIG=OFF ENABLE_UNIX_SOCKETS=OFF
    CURL_DISABLE_ALTSVC=ON CURL_DISABLE_AWS=ON CURL_DISABLE_COOKIES=ON CURL_DISABLE_DOH=ON
    CURL_DISABLE_FORM_API=ON CURL_DISABLE_GETOPTIONS=ON CURL_DISABLE_HSTS=ON CURL_DISABLE_IPFS=ON
    CURL_DISABLE_KERBEROS_AUTH=ON CURL_DISABLE_MIME=ON CURL_DISABLE_NEGOTIATE_AUTH=ON
    CURL_DISABLE_SHA512_256=ON CURL_DISABLE_WEBSOCKETS=ON
    """
)


class Builder:
    """Builds into one folder, for one processor."""

    def __init__(self, processor: str, prefix: Path, work: Path) -> None:
        """Args: which processor; where the results go; where sources are unpacked."""
        self.processor = processor
        self.prefix = prefix
        self.work = work
        self.commands = prefix / "commands"
        compilers.write_commands(self.commands, processor)
        self.environment = {
            **compilers.environment(self.commands),
            "OSSMC_BUILD_ROOT": str(work),
            "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", "0"),
        }

    def run(self, *words: str | Path, cwd: Path) -> None:
        log = self.work / "build.log"
        with log.open("ab") as file:
            code = subprocess.call(
                [str(word) for word in words],
                cwd=cwd,
                env=self.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        if code:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
            raise SystemExit(f"{tail}\n{words[0]} failed; all that it said is in {log}")

    def cmake(self, source: Path, *options: str) -> None:
        self.run(
            *["cmake", "-S", source, "-B", source / "build-here", "-G", "Ninja"],
            f"-DCMAKE_TOOLCHAIN_FILE={HERE / 'toolchain.cmake'}",
            f"-DOSSMC_PROCESSOR={self.processor}",
            f"-DOSSMC_COMMANDS={self.commands}",
            f"-DCMAKE_INSTALL_PREFIX={self.prefix}",
            f"-DCMAKE_PREFIX_PATH={self.prefix}",
            "-DCMAKE_INSTALL_LIBDIR=lib",
            "-DCMAKE_BUILD_TYPE=Release",
            f"-DCMAKE_C_FLAGS_RELEASE={FLAGS} -DNDEBUG",
            f"-DCMAKE_CXX_FLAGS_RELEASE={FLAGS} -fvisibility-inlines-hidden -DNDEBUG",
            *[f"-D{option}" for option in options],
            cwd=source,
        )
        self.run("cmake", "--build", source / "build-here", "--parallel", JOBS, cwd=source)
        self.run("cmake", "--install", source / "build-here", cwd=source)

    def openssl(self, source: Path) -> None:
        self.run(
            # What takes time there is assembly. The C around it may be small.
            *["perl", "./Configure", f"linux-{self.processor}", *FLAGS.split(), "-Os"],
            *[f"no-{name}" for name in OPENSSL_WITHOUT],
            # These paths stand in the library as text: none of this machine's.
            *["--prefix=/bundled", "--libdir=lib", "--openssldir=/etc/ssl"],
            cwd=source,
        )
        self.run("make", f"-j{JOBS}", "build_libs", cwd=source)
        for library in ("libcrypto.a", "libssl.a"):
            shutil.copy(source / library, self.prefix / "lib")
        shutil.copytree(source / "include/openssl", self.prefix / "include/openssl")

    def curl(self, source: Path) -> None:
        self.cmake(
            source, *CURL_OPTIONS, f"OPENSSL_ROOT_DIR={self.prefix}", "OPENSSL_USE_STATIC_LIBS=ON"
        )

    def isa_l(self, source: Path) -> None:
        assembler = "nasm" if self.processor == "x86_64" else "cc -D__ASSEMBLY__"
        self.run(
            *["make", "-f", "Makefile.unx", f"-j{JOBS}", "units=crc", f"host_cpu={self.processor}"],
            *["CC=cc", "AR=ar", f"AS={assembler}"],
            *[f"CFLAGS_={FLAGS}", "lib"],
            cwd=source,
        )
        (self.prefix / "include/isa-l").mkdir(parents=True, exist_ok=True)
        for header in (source / "include").glob("*.h"):
            shutil.copy(header, self.prefix / "include/isa-l")
        shutil.copy(source / "bin/isa-l.a", self.prefix / "lib/libisal.a")

    def pugixml(self, source: Path) -> None:
        self.cmake(source, "BUILD_SHARED_LIBS=OFF", "PUGIXML_BUILD_TESTS=OFF")

    def nlohmann_json(self, source: Path) -> None:
        self.cmake(source, "JSON_BuildTests=OFF", "JSON_MultipleHeaders=ON")


def fingerprint() -> str:
    """Of all that decides what comes out; where zig lies does not."""
    digest = hashlib.sha256(subprocess.check_output([str(compilers.zig()), "version"]))
    for name in ("sources.json", "build.py", "compilers.py", "toolchain.cmake"):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()


def build(processor: str, prefix: Path) -> None:
    stamp, wanted = prefix / "fingerprint", fingerprint()
    if stamp.exists() and stamp.read_text() == wanted:
        compilers.write_commands(prefix / "commands", processor)
        return
    work = prefix.parent / f"{processor}-work"
    for folder in (prefix, work):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    (prefix / "lib").mkdir()
    builder = Builder(processor, prefix, work)
    for source in fetch.sources():
        print(f"{processor}: {source['name']} {source['version']}", file=sys.stderr, flush=True)
        with tarfile.open(fetch.fetch(source)) as archive:
            archive.extractall(work)  # its checksum is the one that was reviewed
            folder = work / archive.getnames()[0].split("/")[0]
        getattr(builder, source["name"].replace("-", "_"))(folder)
        licences = prefix / "licences" / source["name"]
        licences.mkdir(parents=True)
        for name in source["licence_files"]:
            shutil.copy(folder / name, licences)
    shutil.rmtree(work)
    stamp.write_text(wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("processor", choices=compilers.PROCESSORS)
    parser.add_argument("--into", type=Path, help="default: build/bundled/PROCESSOR")
    asked = parser.parse_args()
    prefix = asked.into or ROOT / "build/bundled" / asked.processor
    build(asked.processor, prefix.resolve())
    print(prefix.resolve())


if __name__ == "__main__":
    main()
