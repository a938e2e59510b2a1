"""Tensors are windows over flat NumPy arrays."""

from collections.abc import Mapping, Sequence

import numpy as np

from quire_worker.dtypes import Array, DTypeName, carrier
from quire_worker.errors import NotSupportedError, OutOfMemoryError
from quire_worker.framework import Framework
from quire_worker.tensor import Device, Storage, Tensor

CPU = Device("cpu")
LARGEST = 1 << 26


def window(tensor: Tensor) -> Array:
    """The tensor's elements in place."""
    flat: Array = tensor.storage.data
    strides = tuple(stride * flat.itemsize for stride in tensor.strides)
    return np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides)


class FakeFramework(Framework):
    name = "fake"

    @property
    def version(self) -> str:
        return str(np.__version__)

    def devices(self) -> Sequence[Device]:
        return [CPU]

    def dtypes(self, device: Device) -> Sequence[DTypeName]:
        return ["float32", "bfloat16"]

    def set_device(self, device: Device) -> None:
        if device != CPU:
            raise NotSupportedError(f"The framework fake has no device {device.kind}:{device.index}")

    def allocate(self, num_elements: int, dtype: DTypeName, device: Device, *, pin_memory: bool) -> Storage:
        if dtype == "int8":
            raise NotSupportedError("The framework fake has no int8")
        if num_elements > LARGEST:
            raise OutOfMemoryError(f"The fake device has no room for {num_elements} elements", {"numElements": num_elements})
        return Storage(np.zeros(num_elements, carrier(dtype)), num_elements, dtype, device)

    def read(self, tensor: Tensor) -> Array:
        copied: Array = window(tensor).copy()
        return copied

    def write(self, tensor: Tensor, data: Array) -> None:
        window(tensor)[...] = data

    def copy_blocks(self, tensor: Tensor, pairs: Sequence[tuple[int, int]], dim: int) -> None:
        blocks = np.moveaxis(window(tensor), dim, 0)
        for source, target in pairs:
            blocks[target] = blocks[source]

    def facts(self) -> Mapping[str, str]:
        return {"arrays": "NumPy"}
