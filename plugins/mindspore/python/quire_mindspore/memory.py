"""Storages in MindSpore's memory. A storage is a few Parameters laid end to end: graphs write only to Parameters, in shapes of their own."""

from collections.abc import Sequence

import mindspore as ms
import numpy as np
from quire_worker.dtypes import Array, DTypeName, carrier
from quire_worker.errors import OutOfMemoryError
from quire_worker.tensor import Storage, Tensor

MINDSPORE_TYPES: dict[DTypeName, ms.Type] = {
    "float32": ms.float32,
    "float16": ms.float16,
    "bfloat16": ms.bfloat16,
    "int8": ms.int8,
    "uint8": ms.uint8,
    "int32": ms.int32,
    "int64": ms.int64,
    "bool": ms.bool_,
}


def parameter(data: Array, dtype: DTypeName, name: str) -> ms.Parameter:
    """A Parameter of carrier data (bfloat16 as its bits), with memory of its own."""
    return ms.Parameter(tensor(np.array(data, order="C"), dtype), name=name, requires_grad=False)


def tensor(data: Array, dtype: DTypeName) -> ms.Tensor:
    """A MindSpore tensor over contiguous carrier data; `data` must outlive its use."""
    if dtype == "bfloat16":
        widened = (data.astype(np.uint32) << 16).view(np.float32)
        return ms.Tensor(widened, ms.bfloat16)
    return ms.Tensor.from_numpy(data)


class Memory:
    """Flat memory of `num_elements` in carriers, over Parameters that may be larger at the end."""

    def __init__(self, num_elements: int, dtype: DTypeName) -> None:
        """Raises OutOfMemoryError."""
        self.dtype = dtype
        self.num_elements = num_elements
        try:
            self.parts: Sequence[ms.Parameter] = [parameter(np.zeros(num_elements, carrier(dtype)), dtype, "storage")]
        except (MemoryError, RuntimeError) as error:
            raise OutOfMemoryError(f"There is no memory for {num_elements} elements of {dtype}: {error}") from error

    def reshape(self, shapes: Sequence[tuple[int, ...]], names: Sequence[str]) -> Sequence[ms.Parameter]:
        """Lays the contents out anew, as Parameters of these shapes end to end; the last may reach beyond the storage, with zeros."""
        flat = np.zeros(sum(int(np.prod(shape)) for shape in shapes), carrier(self.dtype))
        flat[: self.num_elements] = self.host()
        parts, start = [], 0
        for shape, name in zip(shapes, names, strict=True):
            end = start + int(np.prod(shape))
            parts.append(parameter(flat[start:end].reshape(shape), self.dtype, name))
            start = end
        self.parts = parts
        return parts

    def host(self) -> Array:
        """The contents, flat. On a CPU, without bfloat16 and in one part, this is the memory itself."""
        flats = [_carried(part, self.dtype).reshape(-1) for part in self.parts]
        return (flats[0] if len(flats) == 1 else np.concatenate(flats))[: self.num_elements]

    def store(self, flat: Array) -> None:
        """Takes over what `host` gave, after a change."""
        start = 0
        for part in self.parts:
            end = min(start + part.size, self.num_elements)
            whole = np.array(_carried(part, self.dtype)).reshape(-1)
            whole[: end - start] = flat[start:end]
            part.set_data(tensor(whole.reshape(part.shape), self.dtype))
            start = end


def _carried(part: ms.Parameter, dtype: DTypeName) -> Array:
    data: Array = part.asnumpy()
    return data.view(np.uint16) if dtype == "bfloat16" else data


def memory(storage: Storage) -> Memory:
    """The memory of a storage that `MindSporeFramework.allocate` made."""
    if not isinstance(storage.data, Memory):
        raise TypeError("This is a bug: a storage of another framework")
    return storage.data


def window(flat: Array, view: Tensor) -> Array:
    """The elements of a tensor in place, within the flat memory of its storage."""
    strides = tuple(stride * flat.itemsize for stride in view.strides)
    return np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, strides)
