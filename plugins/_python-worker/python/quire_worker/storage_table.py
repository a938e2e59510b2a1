"""The allocations of this worker, by the numbers that the engine gave them."""

from math import prod

from .call_params import CallParams
from .errors import ProtocolMismatchError
from .tensor import Storage, Tensor


class StorageTable:
    def __init__(self) -> None:
        self._storages: dict[int, Storage] = {}

    def __len__(self) -> int:
        return len(self._storages)

    def add(self, number: int, storage: Storage) -> None:
        if number in self._storages:
            raise ProtocolMismatchError(f"There is a storage {number} already")
        self._storages[number] = storage

    def free(self, number: int) -> None:
        """One that is not there was never made, for want of memory."""
        self._storages.pop(number, None)

    def clear(self) -> None:
        self._storages.clear()

    def tensor(self, window: CallParams) -> Tensor:
        """The tensor that the engine means. Raises ProtocolMismatchError if it lies outside of its storage."""
        number = window.integer("storage")
        storage = self._storages.get(number)
        if storage is None:
            raise ProtocolMismatchError(f"There is no storage {number}")
        shape, strides = window.sizes("shape"), window.sizes("strides")
        if len(shape) != len(strides):
            raise ProtocolMismatchError(f"A tensor has {len(shape)} sizes and {len(strides)} strides")
        tensor = Tensor(storage, shape, strides, window.integer("offset"))
        if prod(shape) > 0 and tensor.last_index >= storage.num_elements:
            raise ProtocolMismatchError(f"A tensor reaches element {tensor.last_index} of a storage of {storage.num_elements}")
        return tensor
