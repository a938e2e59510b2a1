"""What the worker process calls."""

import jax
from quire_worker.framework import Framework, Rank
from quire_worker.runner import Runner, Target
from quire_worker.tensor import Device

from .framework import JaxFramework
from .runner import JaxRunner


def open_framework(device: Device, rank: Rank) -> Framework:
    """Ranks meet here, because JAX wants that before its devices are first used."""
    jax.config.update("jax_enable_x64", True)  # the contract has int64
    if rank.world_size > 1:
        if device.kind == "cpu":
            jax.config.update("jax_platforms", "cpu")
            jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(rank.rendezvous.removeprefix("tcp://"), rank.world_size, rank.rank)
    return JaxFramework(device, rank)


def create_runner(framework: Framework, target: Target) -> Runner:
    return JaxRunner(target)
