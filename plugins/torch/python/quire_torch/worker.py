"""What the worker process calls. PyTorch is imported here first, after the environment is set."""

from quire_worker.framework import Framework, Rank
from quire_worker.runner import Runner, Target
from quire_worker.tensor import Device

from .framework import TorchFramework
from .runner import TorchRunner


def open_framework(device: Device, rank: Rank) -> Framework:
    return TorchFramework(device)


def create_runner(framework: Framework, target: Target) -> Runner:
    if not isinstance(framework, TorchFramework):
        raise TypeError("A runner of PyTorch needs PyTorch's framework")
    return TorchRunner(framework, target)
