"""The framework: memory of one CPU. Shapes, narrow and view are the engine's; a tensor arrives here as a window over a flat array."""

from collections.abc import Sequence

import numpy as np
from quire_worker.dtypes import Array, DTypeName, carrier
from quire_worker.errors import NotSupportedError, OutOfMemoryError
from quire_worker.framework import Framework
from quire_worker.tensor import Device, Storage, Tensor

CPU = Device("cpu")


def elements(tensor: Tensor) -> Array:
    """The tensor's elements in place: what is written into the result is written into the tensor."""
    flat: Array = tensor.storage.data
    strides = tuple(stride * flat.itemsize for stride in tensor.strides)
    return np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides)


class NumpyFramework(Framework):
    name = "numpy"

    @property
    def version(self) -> str:
        return str(np.__version__)

    def devices(self) -> Sequence[Device]:
        return [CPU]

    def dtypes(self, device: Device) -> Sequence[DTypeName]:
        return ["float32"]

    def set_device(self, device: Device) -> None:
        if device != CPU:
            raise NotSupportedError(f"The framework numpy has no device {device.kind}:{device.index}")

    def allocate(self, num_elements: int, dtype: DTypeName, device: Device, *, pin_memory: bool) -> Storage:
        if pin_memory:
            raise NotSupportedError("The framework numpy has no page-locked memory")
        num_bytes = num_elements * carrier(dtype).itemsize
        _, total_bytes = self.memory_info(device)
        if num_bytes > total_bytes:
            raise OutOfMemoryError(f"{num_bytes} bytes are more than this machine has", {"neededBytes": num_bytes, "totalBytes": total_bytes})
        return Storage(np.zeros(num_elements, carrier(dtype)), num_elements, dtype, device)

    def read(self, tensor: Tensor) -> Array:
        return np.array(elements(tensor))

    def write(self, tensor: Tensor, data: Array) -> None:
        elements(tensor)[...] = data

    def copy_blocks(self, tensor: Tensor, pairs: Sequence[tuple[int, int]], dim: int) -> None:
        blocks = np.moveaxis(elements(tensor), dim, 0)
        for source, target in pairs:
            blocks[target] = blocks[source]
