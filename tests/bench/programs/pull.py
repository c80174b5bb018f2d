"""Objects into files: the command `ossmc pull`, and what others have for it, with their defaults.

Each imports what it needs first; what it makes to reach the store is part of what is measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.programs.usage import Meter, tell

_KEYS = {"key": "ak-test", "secret": "sk-test"}
Pull = Callable[[argparse.Namespace], None]


def ours(options: argparse.Namespace) -> Pull:
    main = import_module("ossmodelconnector.command").main
    import_module("ossmodelconnector.command._pull")

    def pull(options: argparse.Namespace) -> None:
        words = ["pull", f"oss://{options.bucket}/", options.folder, "--format", "quiet"]
        words += ["--endpoint", options.endpoint, "--region", "cn-test"]
        for key in options.keys:
            words += ["--include", key]
        if main(words) != 0:
            raise SystemExit("ossmc pull failed")

    return pull


def ossfs(options: argparse.Namespace) -> Pull:
    module = import_module("ossfs")

    def pull(options: argparse.Namespace) -> None:
        files = module.OSSFileSystem(endpoint=options.endpoint, **_KEYS)
        files.get([f"{options.bucket}/{key}" for key in options.keys], _targets(options))

    return pull


def downloader(options: argparse.Namespace) -> Pull:
    """Of alibabacloud-oss-v2, one object after the other."""
    oss: Any = import_module("alibabacloud_oss_v2")

    def pull(options: argparse.Namespace) -> None:
        config = oss.config.load_default()
        config.credentials_provider = oss.credentials.EnvironmentVariableCredentialsProvider()
        config.region, config.endpoint = "cn-test", options.endpoint
        loads = oss.Downloader(oss.Client(config))
        for key, target in zip(options.keys, _targets(options)):
            loads.download_file(oss.GetObjectRequest(bucket=options.bucket, key=key), target)

    return pull


def _targets(options: argparse.Namespace) -> Sequence[str]:
    return [str(Path(options.folder, key)) for key in options.keys]


WHO = {"ours": ours, "ossfs": ossfs, "downloader": downloader}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("who", choices=WHO)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--folder", required=True, help="where the files go; it is there")
    parser.add_argument("--bytes", type=int, required=True, help="that there are in all")
    parser.add_argument("keys", nargs="+", metavar="KEY")
    options = parser.parse_args()
    pull = WHO[options.who](options)
    meter = Meter()
    pull(options)
    figures = meter.stop(options.bytes)
    found = sum(Path(target).stat().st_size for target in _targets(options))
    if found != options.bytes:
        raise SystemExit(f"{found} of {options.bytes} bytes")
    tell(figures)


if __name__ == "__main__":
    main()
