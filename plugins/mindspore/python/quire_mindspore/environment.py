"""What must stand in the environment before MindSpore is imported. Knows the device and the rank, and imports nothing."""

from collections.abc import Mapping, MutableMapping
from urllib.parse import urlsplit

from quire_worker.errors import InvalidArgumentError
from quire_worker.framework import Rank
from quire_worker.tensor import Device

_QUIET = {"GLOG_v": "3"}
_ASCEND = {
    # Collectives: expanded on the vector cores; HCCL only, since LCCL wants a kernel package of its own.
    "HCCL_OP_EXPANSION_MODE": "AIV",
    "MS_ENABLE_LCCL": "off",
    "HCCL_EXEC_TIMEOUT": "7200",
    # Virtual memory, so that the pool grows without fragments.
    "MS_ALLOC_CONF": "enable_vmm:true",
    "MS_DEV_RUNTIME_CONF": "graph_capture_max_number:19",
    "MS_JIT_MODULES": "quire_mindspore",
    # The operators of the package, not their older twins.
    "MS_INTERNAL_DISABLE_CUSTOM_KERNEL_LIST": "FlashAttentionScore,PagedAttention",
}


def variables(device: Device, rank: Rank) -> dict[str, str]:
    """The variables for one rank. What a person has set stays as it is: see `prepare`."""
    values = dict(_QUIET)
    if device.kind == "npu":
        values |= _ASCEND
    if rank.world_size > 1:
        values |= rendezvous(rank, device) | {"MS_ROLE": "MS_WORKER", "MS_NODE_ID": str(rank.rank)}
    return values


def rendezvous(rank: Rank, device: Device) -> dict[str, str]:
    """What the scheduler process and all ranks must agree on."""
    address = urlsplit(rank.rendezvous)
    if address.scheme != "tcp" or not address.hostname or not address.port:
        raise InvalidArgumentError("rendezvous", f"The rendezvous must be tcp://host:port, got {rank.rendezvous!r}.", rank.rendezvous)
    return {
        "MS_WORKER_NUM": str(rank.world_size),
        "MS_SCHED_HOST": address.hostname,
        "MS_SCHED_PORT": str(address.port),
        "MS_NODE_TIMEOUT": "180",
        "DEVICE_ID": str(device.index),
    }


def prepare(device: Device, rank: Rank, environment: MutableMapping[str, str]) -> Mapping[str, str]:
    """Sets the variables; roles and addresses always, the others only where nobody has set them. Gives what it wants set."""
    wanted = variables(device, rank)
    for name, value in wanted.items():
        if name.startswith("MS_") and rank.world_size > 1 and name not in _ASCEND:
            environment[name] = value
        else:
            environment.setdefault(name, value)
    return wanted
