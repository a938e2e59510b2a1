"""PyTorch's memory, devices and communication for one rank."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from quire_worker.dtypes import Array, DTypeName, carrier, item_size
from quire_worker.errors import InvalidArgumentError, NotSupportedError, OutOfMemoryError
from quire_worker.framework import Framework, Rank
from quire_worker.host_memory import host_memory
from quire_worker.tensor import Device, Storage, Tensor

from .devices import DTYPES, count, out_of_memory, runtime, torch_device
from .process_group import ProcessGroup


class TorchFramework(Framework):
    name = "torch"

    def __init__(self, device: Device) -> None:
        self._device = Device("cpu")
        self.group: ProcessGroup | None = None
        self.set_device(device)

    @property
    def version(self) -> str:
        return str(torch.__version__)

    def devices(self) -> Sequence[Device]:
        return [Device(kind, index) for kind in ("cuda", "npu", "metal", "cpu") for index in range(count(kind))]

    def dtypes(self, device: Device) -> Sequence[DTypeName]:
        if device.kind == "cuda" and not torch.cuda.is_bf16_supported():
            return ["float32", "float16"]
        return ["float32", "float16", "bfloat16"]

    def set_device(self, device: Device) -> None:
        if device.index >= count(device.kind) or device.index < 0:
            raise NotSupportedError(f"The framework torch has no device {device.kind}:{device.index}")
        if device.kind in ("cuda", "npu"):
            runtime(device.kind).set_device(device.index)
        self._device = device

    def allocate(self, num_elements: int, dtype: DTypeName, device: Device, *, pin_memory: bool) -> Storage:
        if pin_memory and (device.kind != "cpu" or not self.is_pin_memory_available()):
            raise NotSupportedError(f"The framework torch has no pinned memory on {device.kind} here")
        num_bytes = num_elements * item_size(dtype)
        # The system would grant more than there is, and kill the process that uses it.
        if device.kind == "cpu" and num_bytes > host_memory()[0] > 0:
            raise OutOfMemoryError(f"{num_bytes} bytes were asked for; the host has {host_memory()[0]} free", {"bytes": num_bytes})
        with out_of_memory():
            data = torch.zeros(num_elements, dtype=DTYPES[dtype], device=torch_device(device), pin_memory=pin_memory)
        return Storage(data, num_elements, dtype, device)

    def read(self, tensor: Tensor) -> Array:
        return _to_host(window(tensor), tensor.dtype)

    def write(self, tensor: Tensor, data: Array) -> None:
        window(tensor).copy_(_from_host(data, tensor.dtype))

    def copy_blocks(self, tensor: Tensor, pairs: Sequence[tuple[int, int]], dim: int) -> None:
        elements = window(tensor)
        for source, target in pairs:
            elements.select(dim, target).copy_(elements.select(dim, source))

    def synchronize(self) -> None:
        if self._device.kind != "cpu":
            with out_of_memory():
                runtime(self._device.kind).synchronize()

    def memory_info(self, device: Device) -> tuple[int, int]:
        if device.kind in ("cuda", "npu"):
            free, total = runtime(device.kind).mem_get_info(device.index)
            return int(free), int(total)
        if device.kind == "metal":
            total = int(torch.mps.recommended_max_memory())
            return max(0, total - int(torch.mps.driver_allocated_memory())), total
        return super().memory_info(device)

    def peak_memory(self) -> int:
        if self._device.kind in ("cuda", "npu"):
            return int(runtime(self._device.kind).max_memory_allocated())
        if self._device.kind == "metal":
            raise NotSupportedError("The framework torch has no peak_memory on metal")
        return super().peak_memory()

    def reset_peak_memory(self) -> None:
        if self._device.kind in ("cuda", "npu"):
            runtime(self._device.kind).reset_peak_memory_stats()
        elif self._device.kind == "metal":
            raise NotSupportedError("The framework torch has no reset_peak_memory on metal")
        else:
            super().reset_peak_memory()

    def empty_cache(self) -> None:
        if self._device.kind != "cpu":
            runtime(self._device.kind).empty_cache()

    def is_pin_memory_available(self) -> bool:
        return count("cuda") > 0 or count("npu") > 0

    def manual_seed(self, seed: int) -> None:
        torch.manual_seed(seed % (1 << 64))

    def init_process_group(self, rank: Rank, backend: str, timeout_ms: int) -> None:
        if rank.world_size == 1:
            return
        if self.group is not None:
            raise NotSupportedError("The framework torch has one process group in a process, and has it already")
        if self._device.kind == "metal":
            raise NotSupportedError("The framework torch has no process groups on metal")
        self.group = ProcessGroup(rank, backend, timeout_ms, self._device.kind)

    def all_reduce(self, tensor: Tensor, operation: str) -> Array:
        if self.group is None:
            return self.read(tensor)
        # Of truths, a sum that is not zero is true.
        is_bool = tensor.dtype == "bool"
        elements = window(tensor).to(torch.uint8 if is_bool else DTYPES[tensor.dtype], copy=True, memory_format=torch.contiguous_format)
        reduced = self.group.all_reduce(elements, "max" if is_bool and operation == "sum" else operation)
        return _to_host(reduced.to(DTYPES[tensor.dtype]), tensor.dtype)

    def all_gather(self, tensor: Tensor) -> Sequence[Array]:
        if self.group is None:
            return [self.read(tensor)]
        return [_to_host(part, tensor.dtype) for part in self.group.all_gather(window(tensor).contiguous())]

    def broadcast(self, tensor: Tensor, source: int) -> Array:
        if self.group is None:
            return super().broadcast(tensor, source)
        return _to_host(self.group.broadcast(window(tensor).clone(memory_format=torch.contiguous_format), source), tensor.dtype)

    def barrier(self) -> None:
        if self.group is not None:
            self.group.barrier()

    def destroy_process_group(self) -> None:
        group, self.group = self.group, None
        if group is not None:
            group.close()

    def facts(self) -> Mapping[str, str]:
        facts = {"threads": str(torch.get_num_threads()), "cpu": torch.backends.cpu.get_cpu_capability(), "numpy": np.__version__}
        if self._device.kind == "cuda":
            facts |= {"cuda": str(torch.version.cuda or torch.version.hip), "device": torch.cuda.get_device_name(self._device.index)}
        return facts


def window(tensor: Tensor) -> torch.Tensor:
    """The tensor as PyTorch's own view."""
    flat: torch.Tensor = tensor.storage.data
    return torch.as_strided(flat, tensor.shape, tensor.strides, tensor.offset)


def _to_host(elements: torch.Tensor, dtype: DTypeName) -> Array:
    copied = torch.empty(elements.shape, dtype=elements.dtype)
    copied.copy_(elements)
    bits = copied.view(torch.int16) if dtype == "bfloat16" else copied
    return bits.numpy().view(carrier(dtype))


def _from_host(data: Array, dtype: DTypeName) -> torch.Tensor:
    kind = carrier(dtype)
    if data.dtype != kind:
        raise InvalidArgumentError("data", f"A {dtype} tensor is written from {kind}, got {data.dtype}")
    owned = np.array(data, order="C")
    return torch.from_numpy(owned.view(np.int16)).view(torch.bfloat16) if dtype == "bfloat16" else torch.from_numpy(owned)
