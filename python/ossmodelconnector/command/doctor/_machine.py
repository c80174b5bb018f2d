"""What this machine gives: memory, descriptors, /dev/shm."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from ossmodelconnector import _core
from ossmodelconnector.command._output import bytes_text
from ossmodelconnector.command.doctor._check import Finding, failed, ok, skipped, warning
from ossmodelconnector.command.doctor._context import Context

__all__ = ["check_descriptors", "check_memory", "check_shm"]

MiB = 1 << 20
# The budget is half of what is free, and 32 chunks of 4 MiB should have room in it. With less than
# the second there is little room for what is read.
_LEAST_FREE, _GOOD_FREE = 256 * MiB, 1024 * MiB
# The connector may have 256 connections, and uses fewer where there are fewer descriptors.
_LEAST_DESCRIPTORS, _GOOD_DESCRIPTORS = 64, 320
_GOOD_SHM = 1 << 30


def check_memory(context: Context) -> Finding:
    """Free memory of machine and control groups, and what is to be read with it."""
    free, source, room = _core.free_memory()
    if not source:
        return skipped("how much memory is free is not known here")
    limit = _limit_text(source)
    told = f"{bytes_text(free)} free in {source}{limit}"
    facts = {"free_bytes": free, "source": source, "room_bytes": room}
    is_group = source.startswith("cgroup ")
    more = (
        "give the container more: docker run --memory=16g, or resources.limits.memory of the pod"
        if is_group
        else "end what takes the memory, or take a larger machine: free -h"
    )
    if free < _LEAST_FREE:
        what = "the control group is too small" if is_group else "memory is too short"
        return failed(f"{what}: {told}", more, **facts)
    if free < _GOOD_FREE:
        way = f'{more}; or write {{"prefetch.memoryBytes": "64 MiB"}} to FILE: --config FILE'
        what = "the control group is small" if is_group else "memory is short"
        return warning(f"{what}: {told}; transfers get smaller, and slower", way, **facts)
    total = sum(info.size for info in context.page)
    if total > free:
        return warning(
            f"{told}; under {context.options.uri} are {bytes_text(total)}, more than that",
            f"to read it piece by piece works; to hold all of it at once does not: {more}",
            **facts,
        )
    return ok(told, **facts)


def check_descriptors(context: Context) -> Finding:
    """How many files and connections the process may have."""
    del context
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        used = len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208 - the one that it takes counts
    except OSError:
        used = soft
    left = max(soft - used, 0) if soft != resource.RLIM_INFINITY else 1 << 20
    told = f"{left} descriptors are left of {soft} (ulimit -n; at most {hard})"
    facts = {"left": left, "soft_limit": soft, "hard_limit": hard}
    wanted = 65536 if hard in (-1, resource.RLIM_INFINITY) else min(65536, hard)
    way = f"ulimit -n {wanted}"
    if wanted < _GOOD_DESCRIPTORS + used:
        way = "docker run --ulimit nofile=65536:65536, or LimitNOFILE=65536 of the service"
    if left < _LEAST_DESCRIPTORS:
        return failed(f"too few: {told}", way, **facts)
    if left < _GOOD_DESCRIPTORS:
        return warning(f"few: {told}; fewer connections than would be best", way, **facts)
    return ok(told, **facts)


def check_shm(context: Context) -> Finding:
    """Shared memory, through which workers of a DataLoader hand on batches."""
    del context
    path = Path("/dev/shm")
    if not path.is_dir():
        return skipped("there is no /dev/shm: workers of a DataLoader have no shared memory")
    found = os.statvfs(path)
    free, size = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    told = f"{bytes_text(free)} free of {bytes_text(size)} in /dev/shm"
    facts = {"free_bytes": free, "size_bytes": size}
    if not os.access(path, os.W_OK):
        return warning(f"{told}, and it may not be written", "chmod 1777 /dev/shm", **facts)
    if free < _GOOD_SHM:
        return warning(
            f"{told}; workers of a DataLoader die of SIGBUS when it is full",
            "docker run --shm-size=16g, or an emptyDir with medium: Memory at /dev/shm of the pod",
            **facts,
        )
    return ok(told, **facts)


def _limit_text(source: str) -> str:
    """What the control group allows, of either version."""
    if not source.startswith("cgroup "):
        return ""
    folder = Path(source[len("cgroup ") :])
    for name in ("memory.max", "memory.limit_in_bytes"):
        try:
            text = (folder / name).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
        if text.isdecimal():
            return f", whose limit is {bytes_text(int(text))}"
    return ""
