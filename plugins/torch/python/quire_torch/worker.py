"""What the worker process calls."""

import torch
from quire_worker.framework import Framework, Rank
from quire_worker.runner import Runner, Target
from quire_worker.tensor import Device

from .framework import TorchFramework
from .runner import TorchRunner


def open_framework(device: Device, rank: Rank) -> Framework:
    """Raises FrameworkMissingError where torch sees no such device."""
    return TorchFramework(device)


def create_runner(framework: Framework, target: Target) -> Runner:
    if target.threads is not None:
        torch.set_num_threads(target.threads)
    return TorchRunner(target)
