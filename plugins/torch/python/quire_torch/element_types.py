"""The contract's element types in torch, and arrays on their way in and out: bfloat16 as its bits."""

import numpy as np
import torch
from quire_worker.dtypes import Array, DTypeName, carrier

TORCH: dict[DTypeName, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "int32": torch.int32,
    "int64": torch.int64,
    "bool": torch.bool,
}


def to_host(tensor: torch.Tensor, dtype: DTypeName) -> Array:
    """A copy on the host."""
    held = tensor.detach().to("cpu").contiguous()
    data: Array = (held.view(torch.int16) if dtype == "bfloat16" else held).numpy().astype(carrier(dtype), copy=True)
    return data


def from_host(data: Array, dtype: DTypeName) -> torch.Tensor:
    """A tensor on the CPU; it may share the array's memory."""
    if not data.flags.writeable or not data.flags.c_contiguous:
        data = np.array(data, order="C")
    if dtype == "bfloat16":
        return torch.from_numpy(data.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(data)
