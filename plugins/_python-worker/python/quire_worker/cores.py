"""The cores that a worker computes on, for frameworks whose threads cannot be counted any more once they are imported."""

import os
import sys
from pathlib import Path

_ALLOWED = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


def limit_cores(count: int, rank: int) -> None:
    """
    Lets all threads of this process run on `count` of the cores that it started with, and on no other; ranks of one engine get
    different ones while there are enough. Only Linux can; elsewhere the framework keeps its own choice.
    """
    if sys.platform != "linux":
        return
    first = os.getppid() + rank * count
    chosen = {_ALLOWED[(first + index) % len(_ALLOWED)] for index in range(count)}
    for task in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(task.name), chosen)
