"""Run by test_shared_memory.py, in a memory control group or not: small_container.py HOW URI...

All with defaults. Prints a JSON object, or is killed.
"""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
import time

from ossmodelconnector import OssModelConnector

MiB = 1 << 20


def shards(uris):
    """A model into a list; its readers stay open."""
    connector = OssModelConnector.from_env()
    readers = [connector.open(uri) for uri in uris]
    return sum(map(len, [reader.read() for reader in readers]))


def three(uris):
    """What three connectors hold, each with all objects open, and their limits."""
    connectors = [OssModelConnector.from_env() for _ in range(3)]
    readers = [connector.open_many(uris) for connector in connectors]
    for opened in readers:
        opened[0].read(1)
    end, most = time.monotonic() + 1, 0
    while time.monotonic() < end:
        most = max(most, sum(connector.stats().memory_bytes for connector in connectors))
    return {"held": most, "limits": [c.stats().memory_limit_bytes for c in connectors]}


def stream(uri):
    """In pieces, and keeps nothing."""
    piece, total = bytearray(MiB), 0
    with OssModelConnector.from_env() as connector, connector.open(uri) as reader:
        while count := reader.readinto(piece):
            total += count
    return total


def forked(uris):
    """A worker for each object, forked from a process with a connector that has read something."""
    connector = OssModelConnector.from_env()
    connector.open(uris[0]).read(1)
    children = {}
    for uri in uris:
        child = os.fork()
        if child == 0:
            # It is told by the exit status whether all came.
            piece, total = bytearray(MiB), 0
            reader = connector.open(uri)
            while count := reader.readinto(piece):
                total += count
            os._exit(0 if total == reader.size else 3)
        children[child] = uri
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return {"statuses": statuses}


def spawned(uris, count=8):
    """Processes with a connector each, over all the objects."""
    command = [sys.executable, __file__, "streams", *uris]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(count)]
    return [json.loads(child.communicate()[0] or "0") for child in children]


def beside(uris, share=0.6):
    """Another process takes 60 % of the group at 1 GB/s while this one prefetches."""
    connector = OssModelConnector.from_env()
    readers = connector.open_many(uris)
    while connector.stats().memory_bytes < 200 * MiB:
        time.sleep(0.01)
    other = subprocess.run([sys.executable, __file__, "take", str(share)], check=False)
    piece, total = bytearray(MiB), 0
    for reader in readers:
        while count := reader.readinto(piece):
            total += count
    return {"other": other.returncode, "bytes": total}


def tensors(uris, how):
    """A model's tensors, all kept: how many bytes, and how many are not what was put there."""
    from ossmodelconnector.safetensors import open_model

    verify, call = how.split("-")
    with open_model(uris, "np", verify=verify) as model:
        if call == "get":
            kept = model.get_tensors()
        elif call == "prefetch":
            with model.prefetch() as loader:
                kept = dict(loader)
        else:
            state = model.checked_state_dict()
            kept = {name: tensor[...] for name, tensor in state.items()}
            state.check()
    wrong = [name for name, tensor in kept.items() if not (tensor == int(name)).all()]
    return {"bytes": sum(tensor.nbytes for tensor in kept.values()), "wrong": wrong}


def take(share):
    """In steps of 16 MiB at 1 GB/s, and keeps it for a second."""
    step, held = 16 * MiB, []
    begin = time.monotonic()
    for i in range(int(share * (1 << 30) / step)):
        memory = mmap.mmap(-1, step)
        for at in range(0, step, mmap.PAGESIZE):
            memory[at] = 1
        held.append(memory)
        time.sleep(max(0.0, begin + (i + 1) * step / 1e9 - time.monotonic()))
    time.sleep(1)
    return len(held)


def main():
    how, *uris = sys.argv[1:]
    if how == "streams":
        result = sum(stream(uri) for uri in uris)
    elif how == "take":
        result = take(float(uris[0]))
    elif how.startswith("tensors-"):
        result = tensors(uris, how.partition("-")[2])
    else:
        result = {
            "shards": shards,
            "three": three,
            "forked": forked,
            "spawned": spawned,
            "beside": beside,
        }[how](uris)
    if how != "take":
        print(json.dumps(result), flush=True)


main()
