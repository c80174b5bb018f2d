"""Uses connectors in child processes while the parent goes on reading.

argv: start method (fork, spawn or forkserver), then the URIs of objects. OSS_* name the server.
Prints one JSON object.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sys
import warnings

from ossmodelconnector import OssModelConnector

warnings.simplefilter("ignore")
CONFIG = {"prefetch": {"chunkBytes": "64 KiB", "memoryBytes": "8 MiB", "vcpus": 1}}


def digest(data):
    return hashlib.sha256(data).hexdigest()


def read_by_connector(connector, uris, results):
    """What a worker does with a connector it was handed."""
    readers = connector.open_many(uris)
    listed = len(connector.list(uris[0].split("/")[2]))
    results.put(
        {
            "pid": os.getpid(),
            "digests": [digest(reader.read()) for reader in readers],
            "listed": listed,
            "repr": repr(connector),
        }
    )
    connector.close()


def read_on(reader, text, results):
    """What a forked worker does with readers that the parent opened and read from."""
    position, etag = reader.tell(), reader.etag
    rest = reader.read()
    reader.seek(0)
    results.put(
        {
            "position": position,
            "etag": etag,
            "rest": digest(rest),
            "all": digest(reader.read()),
            "view": digest(reader.getbuffer()),
            "line": text.readline(),
        }
    )


def main(method, uris):
    context = multiprocessing.get_context(method)
    connector = OssModelConnector.from_env(config=CONFIG)
    results = context.Queue()
    output = {"parent": [], "children": [], "forked": []}

    # The parent has read a part, and prefetches on, when the children begin.
    reader = connector.open(uris[0])
    text = connector.open(uris[-1], binary=False)
    first_line = text.readline()
    head = reader.read(100_000)
    children = [
        context.Process(target=read_by_connector, args=(connector, uris, results)) for _ in range(2)
    ]
    if method == "fork":
        children.append(context.Process(target=read_on, args=(reader, text, results)))
    for child in children:
        child.start()
    for _ in range(3):
        output["parent"] = [digest(one.read()) for one in connector.open_many(uris)]
    for _ in children:
        result = results.get(timeout=60)
        output["children" if "digests" in result else "forked"].append(result)
    for child in children:
        child.join(30)
    output["exit codes"] = [child.exitcode for child in children]

    # Nothing that the children did is felt here.
    output["position"] = reader.tell()
    output["etag"] = reader.etag
    output["rest of parent"] = digest(head + reader.read())
    output["first line"], output["second line"] = first_line, text.readline()
    print(json.dumps(output))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
