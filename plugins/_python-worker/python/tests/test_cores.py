"""Threads that are there already, and those to come, keep to the cores that were asked for."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, threading
from quire_worker.cores import limit_cores
seen = []
here, done = threading.Barrier(2), threading.Event()
def early():
    here.wait(); done.wait(); seen.append(len(os.sched_getaffinity(0)))
def late():
    seen.append(len(os.sched_getaffinity(0)))
thread = threading.Thread(target=early); thread.start(); here.wait()
limit_cores(1, 0); done.set(); thread.join()
other = threading.Thread(target=late); other.start(); other.join()
limit_cores(64, 3); late()
print(*seen)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has affinities")
def test_all_threads_move() -> None:
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert found.stdout.split() == ["1", "1", str(len(os.sched_getaffinity(0)))]
