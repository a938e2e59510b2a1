"""PyTorch's names of Quire's devices and types, and what each kind of device can be asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from quire_worker.dtypes import DTypeName
from quire_worker.errors import NotSupportedError, OutOfMemoryError
from quire_worker.tensor import Device

_TYPES = {"cpu": "cpu", "cuda": "cuda", "npu": "npu", "metal": "mps"}
DTYPES: dict[DTypeName, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "int32": torch.int32,
    "int64": torch.int64,
    "bool": torch.bool,
}


def torch_device(device: Device) -> torch.device:
    if device.kind not in _TYPES:
        raise NotSupportedError(f"The framework torch has no device {device.kind}:{device.index}")
    return torch.device(_TYPES[device.kind]) if device.kind == "cpu" else torch.device(_TYPES[device.kind], device.index)


def runtime(kind: str) -> Any:
    """torch.cuda, torch.npu or torch.mps."""
    if kind == "npu":
        import_module("torch_npu")  # it puts itself at torch.npu
    return getattr(torch, _TYPES[kind])


def count(kind: str) -> int:
    """Devices of a kind that this process can use."""
    if kind == "cpu" or kind not in _TYPES:
        return int(kind == "cpu")
    try:
        module = runtime(kind)
    except (ImportError, OSError):
        return 0
    return int(module.device_count()) if module.is_available() else 0


@contextmanager
def out_of_memory() -> Iterator[None]:
    """Turns PyTorch's failures to allocate into Quire's."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError(f"The device has no memory left: {error}") from error
    except MemoryError as error:
        raise OutOfMemoryError(f"The host has no memory left: {error}") from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error) and "out of memory" not in str(error):
            raise
        raise OutOfMemoryError(f"No memory is left: {error}") from error
