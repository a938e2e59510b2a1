"""Tensors as the engine names them: a window (shape, strides, offset) over one allocation of the framework."""

from dataclasses import dataclass, field
from math import prod
from typing import Any

from .dtypes import DTypeName


@dataclass(frozen=True)
class Device:
    """`kind` is cpu, cuda, npu, tpu, ...; `index` counts from 0."""

    kind: str
    index: int = 0


@dataclass
class Storage:
    """One allocation: `data` is the framework's own flat array of `num_elements`. A functional framework rebinds `data`."""

    data: Any
    num_elements: int
    dtype: DTypeName
    device: Device


@dataclass(frozen=True)
class Tensor:
    """Elements of `storage` at `offset + sum(index * stride)`; strides and offset count elements."""

    storage: Storage = field(repr=False)
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def dtype(self) -> DTypeName:
        return self.storage.dtype

    @property
    def num_elements(self) -> int:
        return prod(self.shape)

    @property
    def is_whole(self) -> bool:
        """True if the tensor is all of its storage, in order."""
        return self.offset == 0 and self.num_elements == self.storage.num_elements and self.is_contiguous

    @property
    def is_contiguous(self) -> bool:
        return self.strides == contiguous_strides(self.shape) or self.num_elements == 0

    @property
    def last_index(self) -> int:
        """The furthest element that the window reaches."""
        return self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides, in elements."""
    strides = [1] * len(shape)
    for index in range(len(shape) - 2, -1, -1):
        strides[index] = strides[index + 1] * shape[index + 1]
    return tuple(strides)
