"""MindSpore's memory, devices and communication for one rank. Its views are not trusted: every window is resolved here, on flat memory."""

from collections.abc import Mapping, Sequence
from typing import Any

import mindspore as ms
import numpy as np
from quire_worker.dtypes import Array, DTypeName
from quire_worker.errors import NotSupportedError
from quire_worker.framework import Framework, Rank
from quire_worker.tensor import Device, Storage, Tensor

from . import probe
from .memory import Memory, memory, window
from .process_group import ProcessGroup

TARGETS = {"cpu": "CPU", "npu": "Ascend"}
"""MindSpore's names of devices."""


class MindSporeFramework(Framework):
    name = "mindspore"

    def __init__(self, device: Device, rank: Rank) -> None:
        self._rank = rank
        self._device: Device | None = None
        self._group: ProcessGroup | None = None
        self.set_device(device)

    @property
    def version(self) -> str:
        return str(ms.__version__)

    def devices(self) -> Sequence[Device]:
        return probe.devices()

    def dtypes(self, device: Device) -> Sequence[DTypeName]:
        """A CPU has no matrix products in bfloat16, Ascend no attention in float32."""
        return ["float32", "float16"] if device.kind == "cpu" else ["bfloat16", "float16"]

    def set_device(self, device: Device) -> None:
        if device == self._device:
            return
        if self._device is not None and device.kind != self._device.kind:
            raise NotSupportedError(f"The framework mindspore cannot go from {self._device.kind} to {device.kind} in one process")
        if device not in self.devices():
            raise NotSupportedError(f"The framework mindspore has no device {device.kind}:{device.index}")
        ms.set_device(TARGETS[device.kind], device.index)
        self._device = device

    def allocate(self, num_elements: int, dtype: DTypeName, device: Device, *, pin_memory: bool) -> Storage:
        if pin_memory:
            raise NotSupportedError("The framework mindspore has no pinned memory")
        if device != self._device:
            raise NotSupportedError(f"The framework mindspore works on {self._device}, not on {device}")
        return Storage(Memory(num_elements, dtype), num_elements, dtype, device)

    def read(self, tensor: Tensor) -> Array:
        return np.array(window(memory(tensor.storage).host(), tensor))

    def write(self, tensor: Tensor, data: Array) -> None:
        self._change(tensor, lambda elements: np.copyto(elements, data))

    def copy_blocks(self, tensor: Tensor, pairs: Sequence[tuple[int, int]], dim: int) -> None:
        def copy(elements: Array) -> None:
            blocks = np.moveaxis(elements, dim, 0)
            for source, target in pairs:
                blocks[target] = blocks[source]

        self._change(tensor, copy)

    def synchronize(self) -> None:
        ms.runtime.synchronize()

    def memory_info(self, device: Device) -> tuple[int, int]:
        if device.kind != "npu":
            return super().memory_info(device)
        total = int(ms.hal.get_device_properties(device.index).total_memory)
        return total - int(ms.runtime.memory_reserved()), total

    def peak_memory(self) -> int:
        return int(ms.runtime.max_memory_allocated()) if self._on_npu else super().peak_memory()

    def reset_peak_memory(self) -> None:
        if self._on_npu:
            ms.runtime.reset_peak_memory_stats()
        else:
            super().reset_peak_memory()

    def empty_cache(self) -> None:
        if self._on_npu:
            ms.runtime.empty_cache()

    def manual_seed(self, seed: int) -> None:
        ms.set_seed(seed % (1 << 32))

    def init_process_group(self, rank: Rank, backend: str, timeout_ms: int) -> None:
        if rank.world_size == 1:
            return
        if self._group is not None:
            raise NotSupportedError("The framework mindspore has one process group in a process, and has it already")
        if (rank.rank, rank.world_size, rank.rendezvous) != (self._rank.rank, self._rank.world_size, self._rank.rendezvous):
            raise NotSupportedError("The framework mindspore must be told of its rank when it starts")
        self._group = ProcessGroup(rank, backend or ("hccl" if self._on_npu else "mccl"), timeout_ms, self._device or Device("cpu"))

    def all_reduce(self, tensor: Tensor, operation: str) -> Array:
        data = self.read(tensor)
        return data if self._group is None else self._group.all_reduce(data, tensor.dtype, operation)

    def all_gather(self, tensor: Tensor) -> Sequence[Array]:
        data = self.read(tensor)
        return [data] if self._group is None else self._group.all_gather(data)

    def broadcast(self, tensor: Tensor, source: int) -> Array:
        return super().broadcast(tensor, source) if self._group is None else self._group.broadcast(self.read(tensor), source)

    def barrier(self) -> None:
        if self._group is not None:
            self._group.barrier()

    def destroy_process_group(self) -> None:
        group, self._group = self._group, None
        if group is not None:
            group.close()

    def facts(self) -> Mapping[str, str]:
        return {"target": str(ms.get_context("device_target")), "numpy": np.__version__}

    @property
    def _on_npu(self) -> bool:
        return self._device is not None and self._device.kind == "npu"

    @staticmethod
    def _change(tensor: Tensor, change: Any) -> None:
        held = memory(tensor.storage)
        flat = held.host()
        if not flat.flags.writeable:
            flat = flat.copy()
        change(window(flat, tensor))
        held.store(flat)
