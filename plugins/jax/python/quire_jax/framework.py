"""JAX behind the adapter.

Its arrays have no strided views and never change: a storage holds a flat array (memory.py), a window is the indices
of its elements in it, and what writes through a window binds a new array to the storage, which all other windows see. So narrow
and view copy nothing, and reading or writing a window that is not whole gathers or scatters its elements.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax.experimental import multihost_utils
from quire_worker.dtypes import Array, DTypeName, from_float32, to_float32
from quire_worker.errors import InvalidArgumentError
from quire_worker.framework import Framework, Rank
from quire_worker.tensor import Device, Storage, Tensor

from .devices import element_type, from_host, jax_device, out_of_memory, to_host
from .memory import Memory, memory

_REDUCTIONS = {"sum": np.add, "max": np.maximum, "min": np.minimum}


class JaxFramework(Framework):
    name = "jax"

    def __init__(self, device: Device, rank: Rank) -> None:
        jax_device(device)
        self._device, self._rank = device, rank

    @property
    def version(self) -> str:
        return str(jax.__version__)

    def devices(self) -> Sequence[Device]:
        kind = self._device.kind
        accelerated = [] if kind == "cpu" else [Device(kind, index) for index in range(len(jax.local_devices()))]
        return [*accelerated, Device("cpu")]

    def dtypes(self, device: Device) -> Sequence[DTypeName]:
        return ["float32", "bfloat16", "float16"]

    def set_device(self, device: Device) -> None:
        jax.config.update("jax_default_device", jax_device(device))
        self._device = device

    def allocate(self, num_elements: int, dtype: DTypeName, device: Device, *, pin_memory: bool) -> Storage:
        try:
            data = jnp.zeros(num_elements, element_type(dtype), device=jax_device(device))
            data.block_until_ready()
        except (RuntimeError, MemoryError, ValueError) as error:
            raise out_of_memory(error, f"{num_elements} elements of {dtype} on {device.kind}:{device.index}") or error from error
        return Storage(Memory(data), num_elements, dtype, device)

    def read(self, tensor: Tensor) -> Array:
        data = memory(tensor.storage).array
        found = data if tensor.is_whole else data[_indices(tensor)]
        return to_host(found, tensor.dtype).reshape(tensor.shape)

    def write(self, tensor: Tensor, data: Array) -> None:
        held, values = memory(tensor.storage), from_host(data, tensor.dtype).reshape(-1)
        if tensor.is_whole:
            held.array = jnp.array(values, element_type(tensor.dtype), device=jax_device(tensor.storage.device))
        else:
            held.array = held.array.at[_indices(tensor)].set(values)

    def copy_blocks(self, tensor: Tensor, pairs: Sequence[tuple[int, int]], dim: int) -> None:
        indices = np.moveaxis(_indices(tensor).reshape(tensor.shape), dim, 0)
        held = memory(tensor.storage)
        array = held.array
        for source, target in pairs:
            array = array.at[indices[target].reshape(-1)].set(array[indices[source].reshape(-1)])
        held.array = array

    def synchronize(self) -> None:
        jax.effects_barrier()

    def memory_info(self, device: Device) -> tuple[int, int]:
        statistics = None if device.kind == "cpu" else jax_device(device).memory_stats()
        if statistics is None:
            return super().memory_info(device)
        total = int(statistics["bytes_limit"])
        return total - int(statistics["bytes_in_use"]), total

    def peak_memory(self) -> int:
        statistics = None if self._device.kind == "cpu" else jax_device(self._device).memory_stats()
        return super().peak_memory() if statistics is None else int(statistics["peak_bytes_in_use"])

    def init_process_group(self, rank: Rank, backend: str, timeout_ms: int) -> None:
        """The ranks met when the framework was opened; this checks that they are the same."""
        if backend:
            raise InvalidArgumentError("backend", "JAX chooses its own collectives: leave the backend out", backend)
        if (rank.rank, rank.world_size) != (self._rank.rank, self._rank.world_size):
            met = f"{self._rank.rank} of {self._rank.world_size}"
            raise InvalidArgumentError("rank", f"This worker was opened as rank {met}, not {rank.rank} of {rank.world_size}", rank.rank)

    def all_reduce(self, tensor: Tensor, operation: str) -> Array:
        if operation not in _REDUCTIONS:
            raise InvalidArgumentError("operation", f"operation must be one of {', '.join(_REDUCTIONS)}, got {operation}", operation)
        parts = self.all_gather(tensor)
        if tensor.dtype != "bfloat16":
            return np.asarray(_REDUCTIONS[operation].reduce(np.stack(parts)))
        return from_float32(_REDUCTIONS[operation].reduce(np.stack([to_float32(part, tensor.dtype) for part in parts])), tensor.dtype)

    def all_gather(self, tensor: Tensor) -> Sequence[Array]:
        if self._rank.world_size == 1:
            return [self.read(tensor)]
        return list(np.asarray(multihost_utils.process_allgather(self.read(tensor))))

    def broadcast(self, tensor: Tensor, source: int) -> Array:
        if not 0 <= source < self._rank.world_size:
            raise InvalidArgumentError("source", f"There is no rank {source} among {self._rank.world_size}", source)
        return self.all_gather(tensor)[source]

    def barrier(self) -> None:
        if self._rank.world_size > 1:
            multihost_utils.sync_global_devices("quire")

    def facts(self) -> dict[str, str]:
        return {"backend": jax.default_backend(), "devices": ", ".join(str(device) for device in jax.local_devices())}


def _indices(tensor: Tensor) -> npt.NDArray[np.int64]:
    """Where the elements of a window lie in its storage, in order."""
    indices = np.full(tensor.shape, tensor.offset, np.int64)
    for dim, (size, stride) in enumerate(zip(tensor.shape, tensor.strides, strict=True)):
        shape = [1] * len(tensor.shape)
        shape[dim] = size
        indices += (np.arange(size) * stride).reshape(shape)
    return indices.reshape(-1)
