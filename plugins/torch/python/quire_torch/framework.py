"""PyTorch behind the adapter: windows are `as_strided` views, so nothing that narrows or views ever copies."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from quire_worker.dtypes import Array, DTypeName
from quire_worker.errors import FrameworkMissingError, InvalidArgumentError, NotSupportedError, OutOfMemoryError
from quire_worker.framework import Framework, Rank
from quire_worker.tensor import Device, Storage, Tensor

from .element_types import TORCH, from_host, to_host

_KINDS = {"cpu": "cpu", "cuda": "cuda", "npu": "npu", "metal": "mps", "xpu": "xpu"}
_BACKENDS = {"cpu": "gloo", "cuda": "nccl", "npu": "hccl", "xpu": "xccl"}
_OPERATIONS = {"sum": dist.ReduceOp.SUM, "max": dist.ReduceOp.MAX, "min": dist.ReduceOp.MIN}


def torch_device(device: Device) -> torch.device:
    """Raises FrameworkMissingError for a kind that torch does not have."""
    if device.kind not in _KINDS:
        raise FrameworkMissingError(f"PyTorch has no device {device.kind}")
    return torch.device(_KINDS[device.kind], 0 if device.kind == "cpu" else device.index)


def window(tensor: Tensor) -> torch.Tensor:
    """The view that a tensor of the contract stands for."""
    data: torch.Tensor = tensor.storage.data
    return data.as_strided(tensor.shape, tensor.strides, tensor.offset)


class TorchFramework(Framework):
    name = "torch"

    def __init__(self, device: Device) -> None:
        if device.kind == "npu":
            import torch_npu  # noqa: F401  # registers the device
        self._device = device
        module = self._module(device)
        if device.kind != "cpu" and not module.is_available():
            raise FrameworkMissingError(f"PyTorch {torch.__version__} sees no {device.kind} device")
        self.set_device(device)

    @property
    def version(self) -> str:
        return str(torch.__version__)

    def devices(self) -> Sequence[Device]:
        kind = self._device.kind
        count = 1 if kind in ("cpu", "metal") else self._module(self._device).device_count()
        accelerated = [] if kind == "cpu" else [Device(kind, index) for index in range(count)]
        return [*accelerated, Device("cpu")]

    def dtypes(self, device: Device) -> Sequence[DTypeName]:
        return ["float32", "float16"] if device.kind == "metal" else ["float32", "bfloat16", "float16"]

    def set_device(self, device: Device) -> None:
        place = torch_device(device)
        if device.kind not in ("cpu", "metal"):
            self._module(device).set_device(place.index)
        self._device = device

    def allocate(self, num_elements: int, dtype: DTypeName, device: Device, *, pin_memory: bool) -> Storage:
        try:
            data = torch.zeros(num_elements, dtype=TORCH[dtype], device=torch_device(device), pin_memory=pin_memory)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise OutOfMemoryError(f"There is no room for {num_elements} elements of {dtype} on {device.kind}:{device.index}: {error}") from error
        except RuntimeError as error:
            if "memory" not in str(error):
                raise
            raise OutOfMemoryError(f"There is no room for {num_elements} elements of {dtype} on {device.kind}:{device.index}: {error}") from error
        return Storage(data, num_elements, dtype, device)

    def read(self, tensor: Tensor) -> Array:
        return to_host(window(tensor), tensor.dtype)

    def write(self, tensor: Tensor, data: Array) -> None:
        window(tensor).copy_(from_host(data, tensor.dtype).reshape(tensor.shape))

    def copy_blocks(self, tensor: Tensor, pairs: Sequence[tuple[int, int]], dim: int) -> None:
        view = window(tensor)
        for source, target in pairs:
            view.select(dim, target).copy_(view.select(dim, source))

    def synchronize(self) -> None:
        if self._device.kind != "cpu":
            self._module(self._device).synchronize()

    def memory_info(self, device: Device) -> tuple[int, int]:
        if device.kind == "cpu":
            return super().memory_info(device)
        if device.kind == "metal":
            total = int(torch.mps.recommended_max_memory())
            return total - int(torch.mps.driver_allocated_memory()), total
        free, total = self._module(device).mem_get_info(torch_device(device).index)
        return int(free), int(total)

    def peak_memory(self) -> int:
        if self._device.kind in ("cpu", "metal"):
            return super().peak_memory()
        return int(self._module(self._device).max_memory_allocated())

    def reset_peak_memory(self) -> None:
        if self._device.kind in ("cpu", "metal"):
            super().reset_peak_memory()
        else:
            self._module(self._device).reset_peak_memory_stats()

    def empty_cache(self) -> None:
        if self._device.kind != "cpu":
            self._module(self._device).empty_cache()

    def is_pin_memory_available(self) -> bool:
        return self._device.kind == "cuda"

    def manual_seed(self, seed: int) -> None:
        torch.manual_seed(seed)

    def init_process_group(self, rank: Rank, backend: str, timeout_ms: int) -> None:
        chosen = backend or _BACKENDS.get(self._device.kind, "")
        if not chosen or not dist.is_available():
            raise NotSupportedError(f"The framework torch has no init_process_group on {self._device.kind}")
        if not dist.is_backend_available(chosen):
            raise InvalidArgumentError("backend", f"PyTorch has no process group {chosen}", chosen)
        timeout = timedelta(milliseconds=timeout_ms)
        dist.init_process_group(chosen, init_method=rank.rendezvous or None, rank=rank.rank, world_size=rank.world_size, timeout=timeout)

    def all_reduce(self, tensor: Tensor, operation: str) -> Array:
        if operation not in _OPERATIONS:
            raise InvalidArgumentError("operation", f"operation must be one of {', '.join(_OPERATIONS)}, got {operation}", operation)
        return self._collective(tensor, lambda copy: dist.all_reduce(copy, _OPERATIONS[operation]))

    def all_gather(self, tensor: Tensor) -> Sequence[Array]:
        if not dist.is_initialized():
            return super().all_gather(tensor)
        own = window(tensor).contiguous()
        parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, own)
        return [to_host(part, tensor.dtype) for part in parts]

    def broadcast(self, tensor: Tensor, source: int) -> Array:
        if not dist.is_initialized():
            return super().broadcast(tensor, source)
        return self._collective(tensor, lambda copy: dist.broadcast(copy, source))

    def barrier(self) -> None:
        if dist.is_initialized():
            dist.barrier()

    def destroy_process_group(self) -> None:
        if dist.is_initialized():
            dist.destroy_process_group()

    def facts(self) -> dict[str, str]:
        return {"capability": torch.backends.cpu.get_cpu_capability(), "threads": str(torch.get_num_threads())}

    def _collective(self, tensor: Tensor, run: Callable[[torch.Tensor], Any]) -> Array:
        """The result on a copy: the tensor stays as it is."""
        copy = window(tensor).clone(memory_format=torch.contiguous_format)
        if dist.is_initialized():
            run(copy)
        return to_host(copy, tensor.dtype)

    def _module(self, device: Device) -> Any:
        return getattr(torch, torch_device(device).type)
