"""What the worker process calls. MindSpore is imported only after its environment is set."""

import os

from quire_worker.framework import Framework, Rank
from quire_worker.runner import Runner, Target
from quire_worker.tensor import Device

from . import environment


def open_framework(device: Device, rank: Rank) -> Framework:
    environment.prepare(device, rank, os.environ)
    from .framework import MindSporeFramework

    return MindSporeFramework(device, rank)


def create_runner(framework: Framework, target: Target) -> Runner:
    from .attention.ascend import AscendAttention
    from .attention.plain import PlainAttention
    from .runner import MindSporeRunner

    return MindSporeRunner(framework, target, PlainAttention if target.device.kind == "cpu" else AscendAttention)
