"""Writes what a self-contained wheel says of the libraries inside: an SBOM and their licence texts.

    python third_party/bundled/describe.py BUNDLED INTO VERSION

BUNDLED is what build.py made; INTO becomes part of the wheel's .dist-info: INTO/sboms (PEP 770)
and INTO/licenses. The SBOM is CycloneDX 1.6, with nothing in it that differs from one build to the
next.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import fetch


def component(source: dict) -> dict:
    name, version = source["name"], source["version"]
    where = f"download_url={source['url']}&checksum=sha256:{source['sha256']}"
    return {
        "type": "library",
        "bom-ref": f"{name}@{version}",
        "name": name,
        "version": version,
        "licenses": [{"license": {"id": source["licence"]}}],
        "cpe": source["cpe"],
        "purl": f"pkg:generic/{name}@{version}?{where}",
    }


def sbom(version: str) -> dict:
    components = [component(source) for source in fetch.sources()]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": f"pkg:pypi/ossmodelconnector@{version}",
                "name": "ossmodelconnector",
                "version": version,
                "purl": f"pkg:pypi/ossmodelconnector@{version}",
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": components,
        "dependencies": [
            {
                "ref": f"pkg:pypi/ossmodelconnector@{version}",
                "dependsOn": [each["bom-ref"] for each in components],
            }
        ],
    }


def main() -> None:
    bundled, into, version = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    shutil.rmtree(into, ignore_errors=True)
    (into / "sboms").mkdir(parents=True)
    (into / "sboms/bundled.cdx.json").write_text(json.dumps(sbom(version), indent=2) + "\n")
    shutil.copytree(bundled / "licences", into / "licenses")


if __name__ == "__main__":
    main()
