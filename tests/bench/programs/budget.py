"""This library with many objects open at once: the memory it takes, and what is fetched twice."""

from __future__ import annotations

import argparse
import random

from bench.programs.connecting import add_arguments, connect
from bench.programs.usage import Meter, forget_peak, parse_keys, status_bytes, tell

READ_BYTES = 4 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shuffled", type=int, help="read in another order; the seed of it")
    parser.add_argument("--small", required=True, metavar="KEY", help="read before all others")
    add_arguments(parser)
    options = parser.parse_args()
    sizes = parse_keys(options.keys)
    uris = [f"oss://{options.bucket}/{key}" for key in sizes]
    buffer = bytearray(READ_BYTES)

    connector = connect(options)
    # A small object: of a large one more would be fetched than is read, and count as there before.
    with connector.open(f"oss://{options.bucket}/{options.small}") as small:
        small.read()
    received_before = connector.stats().bytes_received
    resident_before = status_bytes("VmRSS")
    forget_peak()

    meter = Meter()
    readers = [connector.open(uri) for uri in uris]
    if options.shuffled is not None:
        random.Random(options.shuffled).shuffle(readers)
    total = 0
    for reader in readers:
        while count := reader.readinto(buffer):
            total += count
        reader.close()
    figures = meter.stop(total)
    if total != sum(sizes.values()):
        raise SystemExit(f"{total} bytes read")
    figures["fetched_per_byte"] = (connector.stats().bytes_received - received_before) / total
    figures["peak_growth_mib"] = (status_bytes("VmHWM") - resident_before) / (1 << 20)
    connector.close()
    figures["left_mib"] = (status_bytes("VmRSS") - resident_before) / (1 << 20)
    tell(figures)


if __name__ == "__main__":
    main()
