"""The engine's calls to the framework: memory, devices and communication. Data travel as bytes, in the carriers of `dtypes`."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .call_params import CallParams
from .dtypes import Array, DTypeName, as_dtype, carrier, from_float32
from .errors import InvalidArgumentError, NotSupportedError
from .framework import Framework, Rank
from .storage_table import StorageTable
from .tensor import Device, Tensor, contiguous_strides

Call = Callable[[CallParams], Mapping[str, Any] | None]
_DTYPES: tuple[DTypeName, ...] = ("float32", "float16", "bfloat16", "int8", "uint8", "int32", "int64", "bool")


class FrameworkCalls:
    def __init__(self, framework: Framework, device: Device, storages: StorageTable) -> None:
        self._framework, self._device, self._storages = framework, device, storages

    def table(self) -> dict[str, Call]:
        """The calls by name."""
        return {
            "allocate": self._allocate,
            "free": self._free,
            "read": self._read,
            "write": self._write,
            "copyBlocks": self._copy_blocks,
            "setDevice": self._set_device,
            "synchronize": lambda _: self._framework.synchronize(),
            "memoryInfo": self._memory_info,
            "peakMemory": lambda _: {"bytes": self._framework.peak_memory()},
            "resetPeakMemory": lambda _: self._framework.reset_peak_memory(),
            "emptyCache": lambda _: self._framework.empty_cache(),
            "isPinMemoryAvailable": lambda _: {"available": self._framework.is_pin_memory_available()},
            "manualSeed": lambda params: self._framework.manual_seed(int(params.text("seed"))),
            "initProcessGroup": self._init_process_group,
            "allReduce": self._all_reduce,
            "allGather": self._all_gather,
            "broadcast": self._broadcast,
            "barrier": lambda _: self._framework.barrier(),
            "destroyProcessGroup": lambda _: self._framework.destroy_process_group(),
        }

    def facts(self) -> dict[str, Any]:
        """What the engine asks without a round trip."""
        framework = self._framework
        devices = list(framework.devices())
        return {
            "name": framework.name,
            "version": framework.version,
            "devices": [{"kind": device.kind, "index": device.index, "dtypes": list(framework.dtypes(device))} for device in devices],
            "dtypes": [name for name in _DTYPES if self._can_hold(name)],
            "pinMemory": framework.is_pin_memory_available(),
            "facts": dict(framework.facts()),
        }

    def _can_hold(self, dtype: DTypeName) -> bool:
        try:
            self._framework.allocate(1, dtype, self._device, pin_memory=False)
        except NotSupportedError:
            return False
        return True

    def _allocate(self, params: CallParams) -> None:
        dtype, device = as_dtype(params.text("dtype")), params.device()
        storage = self._framework.allocate(params.integer("numElements"), dtype, device, pin_memory=params.flag("pinMemory"))
        self._storages.add(params.integer("storage"), storage)

    def _free(self, params: CallParams) -> None:
        for number in params.sizes("storages"):
            self._storages.free(number)

    def _read(self, params: CallParams) -> Mapping[str, Any]:
        tensor = self._storages.tensor(params.group("tensor"))
        return {"data": np.ascontiguousarray(self._framework.read(tensor), dtype=carrier(tensor.dtype)).tobytes()}

    def _write(self, params: CallParams) -> None:
        """`encoding` is 'bits' for the tensor's own carrier, 'values' for float64 that is rounded to the tensor's type."""
        tensor = self._storages.tensor(params.group("tensor"))
        is_bits = params.text("encoding") == "bits"
        flat = np.frombuffer(params.data("data"), carrier(tensor.dtype) if is_bits else np.float64)
        if flat.size != tensor.num_elements:
            raise InvalidArgumentError("data", f"A tensor of {tensor.num_elements} elements cannot be filled with {flat.size}.")
        self._framework.write(tensor, (flat if is_bits else _rounded(flat, tensor.dtype)).reshape(tensor.shape))

    def _copy_blocks(self, params: CallParams) -> None:
        flat = np.frombuffer(params.data("pairs"), np.int32).reshape(-1, 2)
        pairs = [(int(source), int(target)) for source, target in flat]
        self._framework.copy_blocks(self._storages.tensor(params.group("tensor")), pairs, params.integer("dim"))

    def _set_device(self, params: CallParams) -> None:
        self._device = params.device()
        self._framework.set_device(self._device)

    def _memory_info(self, params: CallParams) -> Mapping[str, Any]:
        free, total = self._framework.memory_info(params.device())
        return {"freeBytes": free, "totalBytes": total}

    def _init_process_group(self, params: CallParams) -> None:
        rank = Rank(params.integer("rank"), params.integer("worldSize", 1), params.text("rendezvous"))
        self._framework.init_process_group(rank, params.text("backend"), params.integer("timeoutMs"))

    def _all_reduce(self, params: CallParams) -> Mapping[str, Any]:
        tensor = self._storages.tensor(params.group("tensor"))
        return self._keep(params, tensor, self._framework.all_reduce(tensor, params.text("operation")))

    def _all_gather(self, params: CallParams) -> Mapping[str, Any]:
        tensor = self._storages.tensor(params.group("tensor"))
        return self._keep(params, tensor, np.concatenate(self._framework.all_gather(tensor), params.integer("dim")))

    def _broadcast(self, params: CallParams) -> Mapping[str, Any]:
        tensor = self._storages.tensor(params.group("tensor"))
        return self._keep(params, tensor, self._framework.broadcast(tensor, params.integer("source")))

    def _keep(self, params: CallParams, like: Tensor, data: Array) -> Mapping[str, Any]:
        """A new tensor beside `like`, under the number `into`."""
        storage = self._framework.allocate(data.size, like.dtype, like.storage.device, pin_memory=False)
        self._framework.write(Tensor(storage, data.shape, contiguous_strides(data.shape)), data)
        self._storages.add(params.integer("into"), storage)
        return {"shape": list(data.shape)}


def _rounded(values: Array, dtype: DTypeName) -> Array:
    if dtype == "bfloat16":
        return from_float32(values.astype(np.float32), dtype)
    return values.astype(carrier(dtype))
