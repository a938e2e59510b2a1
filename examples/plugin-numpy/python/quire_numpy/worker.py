"""What the worker process calls, after the environment is set: the framework is imported here and not earlier."""

from quire_worker.framework import Framework, Rank
from quire_worker.runner import Runner, Target
from quire_worker.tensor import Device

from .framework import NumpyFramework
from .runner import NumpyRunner


def open_framework(device: Device, rank: Rank) -> Framework:
    return NumpyFramework()


def create_runner(framework: Framework, target: Target) -> Runner:
    return NumpyRunner(framework, target)
