"""What a framework implements for the engine's adapter: memory, devices and communication of one rank. PyTorch's semantics are the norm."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .dtypes import Array, DTypeName
from .errors import InvalidArgumentError, NotSupportedError
from .host_memory import host_memory, peak_resident_bytes, reset_peak_resident_bytes
from .tensor import Device, Storage, Tensor


@dataclass(frozen=True)
class Rank:
    """This process among those that run one model. `rendezvous` is `tcp://host:port`, free when the ranks start."""

    rank: int = 0
    world_size: int = 1
    rendezvous: str = ""


class Framework(ABC):
    """One framework on one rank. Shapes, views and dtype arithmetic are the engine's; this allocates, moves and reduces."""

    name: str

    @property
    @abstractmethod
    def version(self) -> str: ...

    @abstractmethod
    def devices(self) -> Sequence[Device]:
        """Devices that are there, the preferred one first."""

    @abstractmethod
    def dtypes(self, device: Device) -> Sequence[DTypeName]:
        """Floating-point types that models can be computed in on `device`."""

    @abstractmethod
    def set_device(self, device: Device) -> None: ...

    # memory
    @abstractmethod
    def allocate(self, num_elements: int, dtype: DTypeName, device: Device, *, pin_memory: bool) -> Storage:
        """A zeroed allocation. Raises OutOfMemoryError, NotSupportedError for a dtype that the framework lacks."""

    @abstractmethod
    def read(self, tensor: Tensor) -> Array:
        """A host copy of shape `tensor.shape`; bfloat16 as its bits."""

    @abstractmethod
    def write(self, tensor: Tensor, data: Array) -> None:
        """Copies host data of shape `tensor.shape` (bfloat16 as bits) into the tensor's place in its storage."""

    @abstractmethod
    def copy_blocks(self, tensor: Tensor, pairs: Sequence[tuple[int, int]], dim: int) -> None:
        """Copies slices of dimension `dim` (from, to), in order, without leaving the device."""

    # device
    def synchronize(self) -> None:
        """Waits for queued work; raises what it failed with."""
        return None

    def memory_info(self, device: Device) -> tuple[int, int]:
        """Free and total bytes."""
        if device.kind != "cpu":
            raise NotSupportedError(f"The framework {self.name} has no memory_info on {device.kind}")
        return host_memory()

    def peak_memory(self) -> int:
        """Highest bytes in use since the last reset; on a CPU, of the whole process."""
        return peak_resident_bytes()

    def reset_peak_memory(self) -> None:
        if not reset_peak_resident_bytes():
            raise NotSupportedError(f"The framework {self.name} cannot reset the peak of memory on this system")

    def empty_cache(self) -> None:
        return None

    def is_pin_memory_available(self) -> bool:
        return False

    def manual_seed(self, seed: int) -> None:
        return None

    # communication: of tensors that every rank has in the same shape
    def init_process_group(self, rank: Rank, backend: str, timeout_ms: int) -> None:
        """`backend` is '' for the framework's own choice on the current device."""
        if rank.world_size != 1:
            raise NotSupportedError(f"The framework {self.name} has no init_process_group with several ranks")

    def all_reduce(self, tensor: Tensor, operation: str) -> Array:
        """`operation` is sum, max or min. The result on the host."""
        return self.read(tensor)

    def all_gather(self, tensor: Tensor) -> Sequence[Array]:
        """The tensors of all ranks, in order of rank, on the host."""
        return [self.read(tensor)]

    def broadcast(self, tensor: Tensor, source: int) -> Array:
        if source != 0:
            raise InvalidArgumentError("source", "There is one rank, 0.", source)
        return self.read(tensor)

    def barrier(self) -> None:
        return None

    def destroy_process_group(self) -> None:
        return None

    def facts(self) -> Mapping[str, str]:
        """What a person may want to know of this build."""
        return {}
