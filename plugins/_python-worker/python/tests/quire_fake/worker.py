"""What the worker process calls."""

import os

from quire_worker.framework import Framework, Rank
from quire_worker.runner import Runner, Target
from quire_worker.tensor import Device

from .framework import FakeFramework
from .runner import FakeRunner

if os.environ.get("QUIRE_FAKE_FAULT") == "open-import":
    raise ImportError("libfake.so.1: cannot open shared object file")


def open_framework(device: Device, rank: Rank) -> Framework:
    return FakeFramework()


def create_runner(framework: Framework, target: Target) -> Runner:
    return FakeRunner(target)
