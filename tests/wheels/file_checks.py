"""What a wheel's file must be: its tag, its size, what it shows, what it says of itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

LARGEST_MB = 6
# glibc's own; what else a wheel needs it has inside.
GLIBC = re.compile(r"(libc|libm|libdl|libpthread|librt|ld-linux-x86-64|ld-linux-aarch64)\.so\.\d+")
INSIDE = ("openssl", "curl", "isa-l", "pugixml", "nlohmann-json")


def check_all(dist: Path) -> dict:
    wheels = sorted(dist.glob("*.whl"))
    assert wheels, f"no wheel in {dist}: make wheels"
    return {"wheels": {wheel.name: check(wheel) for wheel in wheels}}


def check(wheel: Path) -> dict:
    with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(wheel) as archive:
        archive.extractall(name)
        [module] = Path(name).rglob("_core*.so")
        [information] = Path(name).glob("*.dist-info")
        size = {"wheel_mb": wheel.stat().st_size / 1e6, "module_mb": module.stat().st_size / 1e6}
        assert size["wheel_mb"] < LARGEST_MB, size
        shown = lines("nm", "--dynamic", "--defined-only", module)
        assert [line.split()[-1] for line in shown] == ["PyInit__core"], shown
        needed = re.findall(
            r"\(NEEDED\).*\[(.*)\]", "\n".join(lines("readelf", "--dynamic", module))
        )
        assert all(GLIBC.fullmatch(library) for library in needed), needed
        sections = "\n".join(lines("readelf", "--sections", "--wide", module))
        assert ".debug_info" not in sections
        assert ".symtab" in sections
        names = lines("nm", module)
        assert {" t SSL_connect", " t curl_multi_socket_action"} <= {line[16:] for line in names}
        check_description(information)
    return {"tag": audited_tag(wheel), **{key: round(value, 2) for key, value in size.items()}}


def check_description(information: Path) -> None:
    bill = json.loads((information / "sboms/bundled.cdx.json").read_text())
    assert [one["name"] for one in bill["components"]] == list(INSIDE)
    for name in INSIDE:
        texts = list((information / "licenses" / name).iterdir())
        assert texts, name
        assert all(text.stat().st_size > 500 for text in texts), name


def audited_tag(wheel: Path) -> str:
    """The oldest system that auditwheel finds it good for: manylinux_2_28, or older."""
    told = " ".join(lines(Path(sys.executable).with_name("auditwheel"), "show", wheel))
    tag = re.search(r'platform tag: "(manylinux_2_(\d+)_\w+)"', told)
    assert tag, told
    assert int(tag.group(2)) <= 28, told
    return tag.group(1)


def lines(*command: str | Path) -> list[str]:
    words = [str(word) for word in command]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
