"""Reads bytes that are in memory, in a thread for which a system call ends the process.

ready_reads.py URI READS [sleep]: says "done" at the end. With `sleep` there is one system call.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import time

from ossmodelconnector import OssModelConnector

_SIZE = 64
# The numbers of write and exit_group.
_ALLOWED = {"x86_64": (1, 231), "aarch64": (64, 94)}[platform.machine()]
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_SECCOMP_MODE_FILTER = 2
_KILL_PROCESS, _ALLOW = 0x80000000, 0x7FFF0000
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # of the kernel's BPF


def allow_no_system_calls() -> None:
    """But those with which the program ends; of this thread alone."""
    filters = [
        (_LOAD, 0, 0, 0),  # the call's number
        (_JUMP_IF_EQUAL, 2, 0, _ALLOWED[0]),
        (_JUMP_IF_EQUAL, 1, 0, _ALLOWED[1]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in filters))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(filters), ctypes.addressof(code)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    zero = ctypes.c_ulong(0)
    if prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    if prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), program) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")


def main(uri: str, reads: int, sleep: bool) -> None:
    # One chunk: the end of a chunk is told to the scheduler.
    config = {"prefetch.chunkBytes": "16MiB", "prefetch.memoryBytes": "64MiB"}
    connector = OssModelConnector.from_env(config=config, region="cn-hangzhou")
    reader = connector.open(uri)
    assert len(reader.read()) > _SIZE * reads
    reader.seek(0)
    reader.read(_SIZE)
    sys.setswitchinterval(1000)  # nobody asks for the GIL, which would be a system call
    allow_no_system_calls()
    for _ in range(reads):
        reader.read(_SIZE)
    if sleep:
        time.sleep(0)
    os.write(1, b"done")
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), len(sys.argv) > 3)
