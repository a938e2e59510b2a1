"""The ranks of one model, joined by gloo, NCCL or HCCL."""

import os
from datetime import timedelta

import torch
import torch.distributed as dist
from quire_worker.errors import InvalidArgumentError
from quire_worker.framework import Rank

_BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl", "npu": "cpu:gloo,npu:hccl"}
_OPERATIONS = {"sum": dist.ReduceOp.SUM, "max": dist.ReduceOp.MAX, "min": dist.ReduceOp.MIN}


class ProcessGroup:
    """Every rank calls the same methods in the same order, with tensors of one shape."""

    def __init__(self, rank: Rank, backend: str, timeout_ms: int, device_kind: str) -> None:
        if rank.rendezvous.startswith("tcp://127."):
            # Otherwise gloo looks up the host's name, which need not resolve.
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        timeout = timedelta(milliseconds=timeout_ms) if timeout_ms > 0 else None
        chosen = backend or _BACKENDS[device_kind]
        dist.init_process_group(chosen, init_method=rank.rendezvous, rank=rank.rank, world_size=rank.world_size, timeout=timeout)
        self.rank, self.world_size = rank.rank, rank.world_size

    def all_reduce(self, tensor: torch.Tensor, operation: str = "sum") -> torch.Tensor:
        """In place."""
        if operation not in _OPERATIONS:
            raise InvalidArgumentError("operation", f"operation must be sum, max or min, got {operation!r}", operation)
        dist.all_reduce(tensor, _OPERATIONS[operation])
        return tensor

    def all_gather(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """Those of all ranks, in order of rank."""
        parts = [torch.empty_like(tensor) for _ in range(self.world_size)]
        dist.all_gather(parts, tensor)
        return parts

    def broadcast(self, tensor: torch.Tensor, source: int) -> torch.Tensor:
        """In place."""
        if not 0 <= source < self.world_size:
            raise InvalidArgumentError("source", f"source must be a rank below {self.world_size}, got {source}", source)
        dist.broadcast(tensor, source)
        return tensor

    def barrier(self) -> None:
        dist.barrier()

    def close(self) -> None:
        dist.destroy_process_group()
