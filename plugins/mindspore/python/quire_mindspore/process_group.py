"""All ranks of one model, joined by MindSpore's collectives. On a CPU those only sum: everything else is made of sums that lose nothing."""

import os
import subprocess
import sys
from collections.abc import Sequence

import mindspore as ms
import numpy as np
from mindspore import communication, ops
from quire_worker.dtypes import Array, DTypeName, from_float32, to_float32
from quire_worker.errors import InvalidArgumentError, WorkerError
from quire_worker.framework import Rank
from quire_worker.tensor import Device

from . import environment


class ProcessGroup:
    """Rank 0 starts the scheduler process, which ends with it."""

    def __init__(self, rank: Rank, backend: str, timeout_ms: int, device: Device) -> None:
        if backend not in ("mccl", "hccl"):
            raise InvalidArgumentError("backend", f"The backend must be mccl or hccl, got {backend!r}.", backend)
        self._rank = rank
        self._scheduler = _start_scheduler(rank, device) if rank.rank == 0 else None
        os.environ["MS_NODE_TIMEOUT"] = str(max(1, timeout_ms // 1000))
        try:
            communication.init(backend)
        except (RuntimeError, ValueError) as error:
            self._end_scheduler()
            raise WorkerError(f"The {rank.world_size} ranks did not find each other at {rank.rendezvous}: {error}") from error
        self._sum = ops.AllReduce()

    def all_reduce(self, data: Array, dtype: DTypeName, operation: str) -> Array:
        parts = self.all_gather(data)
        if operation == "sum":
            values = np.sum([to_float32(part, dtype) for part in parts], 0) if dtype == "bfloat16" else np.sum(parts, 0)
            return from_float32(values, dtype) if dtype == "bfloat16" else values.astype(data.dtype)
        if operation not in ("max", "min"):
            raise InvalidArgumentError("operation", f"The operation must be sum, max or min, got {operation!r}.", operation)
        choose = np.max if operation == "max" else np.min
        if dtype == "bfloat16":
            return from_float32(choose([to_float32(part, dtype) for part in parts], 0), dtype)
        return np.asarray(choose(parts, 0))

    def all_gather(self, data: Array) -> Sequence[Array]:
        """The bytes of every rank, each as a float in a row of its own, summed with the zeros of the other ranks."""
        flat = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
        rows = np.zeros((self._rank.world_size, flat.size), np.float32)
        rows[self._rank.rank] = flat
        summed: Array = self._sum(ms.Tensor(rows)).asnumpy()
        return [np.frombuffer(row.astype(np.uint8).tobytes(), data.dtype).reshape(data.shape) for row in summed]

    def broadcast(self, data: Array, source: int) -> Array:
        if not 0 <= source < self._rank.world_size:
            raise InvalidArgumentError("source", f"There is no rank {source} among {self._rank.world_size}.", source)
        return self.all_gather(data)[source]

    def barrier(self) -> None:
        self.all_gather(np.zeros(1, np.uint8))

    def close(self) -> None:
        """Leaves the group. The scheduler ends when all have left, or with this process."""
        self._end_scheduler()

    def _end_scheduler(self) -> None:
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.kill()
            scheduler.wait()


def _start_scheduler(rank: Rank, device: Device) -> "subprocess.Popen[bytes]":
    variables = {**os.environ, **environment.rendezvous(rank, device), "MS_ROLE": "MS_SCHED", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    variables.pop("MS_NODE_ID", None)
    command = [sys.executable, "-m", "quire_mindspore.scheduler", str(os.getpid())]
    return subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL)
