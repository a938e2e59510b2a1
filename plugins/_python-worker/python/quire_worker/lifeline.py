"""Ties this process, and all that it starts, to the engine: when the engine dies, so do they. Imported before anything else."""

import ctypes
import os
import select
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """On Linux the kernel kills this process with its parent, however that ends. `parent` is who must be it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def read_token(fd: int = 0, limit: int = 256) -> str:
    """The first line of standard input, taken byte by byte: what follows belongs to `guard_process_group`."""
    line = bytearray()
    while len(line) < limit:
        byte = os.read(fd, 1)
        if byte in (b"", b"\n"):
            break
        line += byte
    return line.decode("ascii", "replace").strip()


def guard_process_group(fd: int = 0) -> None:
    """
    Forks a guard that kills the whole process group when standard input ends (the engine is gone) or this process does.
    A guard of its own, not a thread: it works while the interpreter is locked, and after the kernel has killed the worker.
    Does nothing where this process does not lead its group, as under a person's shell.
    """
    if os.getpgrp() != os.getpid():
        return
    worker_ended, worker_lives = os.pipe()
    if os.fork() != 0:
        os.close(worker_ended)
        return  # `worker_lives` stays open for as long as this process lives
    os.close(worker_lives)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    while True:
        readable, _, _ = select.select([fd, worker_ended], [], [])
        if worker_ended in readable or os.read(fd, 4096) == b"":
            os.killpg(0, signal.SIGKILL)
